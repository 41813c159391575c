/** Code as coloured tokens. Each language is loaded when it is first seen. */

import type { LanguageFn } from "highlight.js";
import type { RootContent } from "hast";
import { createLowlight } from "lowlight";

export type Token = string | { className: string; inside: Token[] };

type Grammar = () => Promise<{ default: LanguageFn }>;

const GRAMMARS: Record<string, Grammar> = {
  bash: () => import("highlight.js/lib/languages/bash"),
  c: () => import("highlight.js/lib/languages/c"),
  cpp: () => import("highlight.js/lib/languages/cpp"),
  csharp: () => import("highlight.js/lib/languages/csharp"),
  css: () => import("highlight.js/lib/languages/css"),
  diff: () => import("highlight.js/lib/languages/diff"),
  go: () => import("highlight.js/lib/languages/go"),
  ini: () => import("highlight.js/lib/languages/ini"),
  java: () => import("highlight.js/lib/languages/java"),
  javascript: () => import("highlight.js/lib/languages/javascript"),
  json: () => import("highlight.js/lib/languages/json"),
  kotlin: () => import("highlight.js/lib/languages/kotlin"),
  markdown: () => import("highlight.js/lib/languages/markdown"),
  php: () => import("highlight.js/lib/languages/php"),
  python: () => import("highlight.js/lib/languages/python"),
  ruby: () => import("highlight.js/lib/languages/ruby"),
  rust: () => import("highlight.js/lib/languages/rust"),
  sql: () => import("highlight.js/lib/languages/sql"),
  swift: () => import("highlight.js/lib/languages/swift"),
  typescript: () => import("highlight.js/lib/languages/typescript"),
  xml: () => import("highlight.js/lib/languages/xml"),
  yaml: () => import("highlight.js/lib/languages/yaml"),
};

const ALSO: Record<string, string> = {
  "c#": "csharp", "c++": "cpp", cs: "csharp", golang: "go", html: "xml", js: "javascript", jsx: "javascript",
  jsonc: "json", kt: "kotlin", md: "markdown", patch: "diff", py: "python", rb: "ruby", rs: "rust", sh: "bash",
  shell: "bash", svg: "xml", toml: "ini", ts: "typescript", tsx: "typescript", yml: "yaml", zsh: "bash",
};

/** Longer code stays plain: a grammar's patterns may need long for what was made to be long. */
const LONGEST = 30_000;

const lowlight = createLowlight();

/** Nothing for a language that is not known, and for what is too long. */
export async function highlight(language: string, text: string): Promise<Token[] | undefined> {
  const given = language.toLowerCase();
  const name = Object.hasOwn(ALSO, given) ? ALSO[given] : given;
  const grammar = name !== undefined && Object.hasOwn(GRAMMARS, name) ? GRAMMARS[name] : undefined;
  if (!name || !grammar || text === "" || text.length > LONGEST) return undefined;
  if (!lowlight.registered(name)) {
    const loaded = await grammar().catch(() => undefined);
    if (!loaded) return undefined;
    lowlight.register(name, loaded.default);
  }
  return lowlight.highlight(name, text).children.map(token);
}

function token(node: RootContent): Token {
  if (node.type === "text") return node.value;
  if (node.type !== "element") return "";
  const names = node.properties.className;
  return { className: Array.isArray(names) ? names.join(" ") : "", inside: node.children.map(token) };
}

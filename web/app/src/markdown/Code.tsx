/** A block of code: its language, a button that copies it, and colours once it is complete. */

import { memo, useEffect, useState, type ReactNode } from "react";

import { highlight, type Token } from "./highlight.ts";
import { visible } from "./visible.tsx";

export interface CodeProps {
  language: string;
  text: string;
  /** Still growing. */
  open: boolean;
}

export const Code = memo(function Code({ language, text, open }: CodeProps) {
  const tokens = useTokens(language, open ? "" : text);
  return (
    <figure className="md-code">
      <figcaption>
        <span>{language || "text"}</span>
        <CopyButton text={text} />
      </figcaption>
      <pre tabIndex={0} dir="ltr">
        <code>{tokens ? tokens.map(coloured) : visible(text)}</code>
      </pre>
    </figure>
  );
});

/** Of exactly this text. The colours come later, or, for a language that is not known, never. */
function useTokens(language: string, text: string): Token[] | undefined {
  const [done, setDone] = useState<{ language: string; text: string; tokens: Token[] }>();
  useEffect(() => {
    let wanted = true;
    void highlight(language, text).then((tokens) => {
      if (wanted && tokens) setDone({ language, text, tokens });
    });
    return () => {
      wanted = false;
    };
  }, [language, text]);
  return done?.text === text && done.language === language ? done.tokens : undefined;
}

function coloured(token: Token, at: number): ReactNode {
  if (typeof token === "string") return visible(token);
  return (
    <span key={at} className={token.className}>
      {token.inside.map(coloured)}
    </span>
  );
}

function CopyButton({ text }: { text: string }) {
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return;
    const timer = setTimeout(() => setCopied(false), 2000);
    return () => clearTimeout(timer);
  }, [copied]);
  return (
    <button type="button" onClick={() => void copy(text).then(setCopied)} aria-live="polite">
      {copied ? "Copied" : "Copy"}
    </button>
  );
}

/** Without TLS there is no clipboard; the older way still works. */
async function copy(text: string): Promise<boolean> {
  if (navigator.clipboard) {
    return navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    );
  }
  const field = document.createElement("textarea");
  field.value = text;
  document.body.append(field);
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  return copied;
}

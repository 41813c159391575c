import { renderToStaticMarkup } from "react-dom/server";
import { expect, test } from "vitest";

import { Markdown } from "../../src/markdown/Markdown.tsx";

function drawn(text: string, streaming = false): string {
  return renderToStaticMarkup(<Markdown text={text} streaming={streaming} />);
}

function inside(html: string): string {
  return html.replace(/^<div class="markdown">/, "").replace(/<\/div>$/, "");
}

test("html is shown as the text that it is", () => {
  const html = drawn('a <b onclick="x()">b</b>\n\n<script>alert(1)</script>\n\n<!-- c -->');
  expect(html).not.toMatch(/<(?:b|script)\b/);
  expect(html).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
  expect(html).toContain("&lt;!-- c --&gt;");
});

test("an image is a link that says its address", () => {
  const html = drawn("![cat](https://cats.example/c.png?q=1)");
  expect(html).not.toContain("<img");
  expect(html).toContain('href="https://cats.example/c.png?q=1"');
  expect(html).toContain("(cats.example)".replaceAll(/[()]/g, ""));
});

test("a link says its host unless its text does, and opens elsewhere without telling from where", () => {
  const html = drawn("[bank.example](https://thief.example/x) <https://plain.example/> a@b.example");
  expect(html).toContain('<bdi class="md-target">thief.example</bdi>');
  expect(html.match(/md-target/g)?.length).toBe(1);
  expect(html.match(/target="_blank" rel="noopener noreferrer nofollow"/g)?.length).toBe(3);
});

test.each([
  "[x](javascript:alert(1))", "[x](JaVaScRiPt:alert(1))", "[x](java&#10;script:alert(1))", "[x](&#x6A;avascript:alert(1))",
  "[x](data:text/html,hi)", "[x](vbscript:x)", "[x](/v1/me)", "[x](//host.example/)", "[x](blob:https://a.example/1)", "[x](file:///etc/passwd)",
  "[x][r]\n\n[r]: javascript:alert(1)", "<javascript:alert(1)>", "![x](javascript:alert(1))", "[x](intent://a#Intent;end)",
])("%s leads nowhere", (text) => {
  expect(drawn(text)).not.toContain("href");
});

test("what is checked is what is followed", () => {
  expect(drawn("[x](https://b\u00FCcher.example/a)")).toContain('href="https://xn--bcher-kva.example/a"');
  expect(drawn("[x](https://bank.example@thief.example/)")).toContain('<bdi class="md-target">thief.example</bdi>');
});

test("references, footnotes, tables and tasks", () => {
  const html = inside(
    drawn("[a] [^n]\n\n- [x] done\n- [ ] not\n\n| l | r |\n|:--|--:|\n| 1 | 2 |\n\n[a]: https://a.example\n[^n]: Note."),
  );
  expect(html).toContain('href="https://a.example/"');
  expect(html).toContain('aria-label="Footnote 1"');
  expect(html).toMatch(/<ol class="md-notes".*Note\./);
  expect(html).toContain('<th class="md-left" dir="auto">l</th><th class="md-right" dir="auto">r</th>');
  expect(html.match(/type="checkbox"/g)?.length).toBe(2);
  expect(html).not.toContain("style=");
});

test("what cannot be seen is named in code, and stays in it", () => {
  const html = drawn("`a\u202Eb` and\n\n```\nc\u200Bd\n```");
  expect(html).toContain('data-name="U+202E" title="U+202E">\u202E</span>');
  expect(html).toContain('data-name="U+200B" title="U+200B">\u200B</span>');
});

test("open markup at the end of a stream is closed or kept back", () => {
  expect(inside(drawn("some **bold te", true))).toBe('<p dir="auto">some <strong>bold te</strong></p>');
  expect(inside(drawn("some **bold te"))).toBe('<p dir="auto">some **bold te</p>');
  expect(inside(drawn("a [link](https://exam", true))).toBe('<p dir="auto">a link</p>');
  expect(inside(drawn("Items:\n-", true))).toBe('<p dir="auto">Items:</p>');
  expect(inside(drawn("Text\n\n| a | b |\n|--", true))).toBe('<p dir="auto">Text</p>');
  expect(drawn("```js\nlet a;\n``", true)).toContain("<code>let a;</code>");
});

test("quotes in quotes end somewhere", () => {
  const html = drawn(`${"> ".repeat(99)}deep`);
  expect(html.match(/<blockquote/g)?.length).toBeLessThan(50);
  expect(html).toContain("deep");
});

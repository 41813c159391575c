import { renderToStaticMarkup } from "react-dom/server";
import { createElement } from "react";
import { expect, test } from "vitest";

import { Exact } from "../src/look/Exact.tsx";
import { named, pieces, size } from "../src/look/exact.ts";

function drawn(text: string): string {
  return renderToStaticMarkup(createElement(Exact, { text }));
}

test("plain text is one piece, whatever its length", () => {
  expect(pieces("")).toEqual([]);
  expect(pieces("rm -rf /tmp\n\tx")).toEqual([{ kind: "plain", text: "rm -rf /tmp\n\tx" }]);
  expect(pieces("a".repeat(200_000))).toHaveLength(1);
});

test("what turns, hides or takes no room is named, and is not in the page itself", () => {
  const cases = ["\u202E", "\u2066", "\u200B", "\u200D", "\u00AD", "\u0000", "\r", "\u001B", "\u00A0", "\uFEFF", "\u2800", "\u{E0041}", "\u3164", "\u2028", "\uFE0F", "\u{F0000}"];
  for (const character of cases) {
    const html = drawn(`pay${character}ment`);
    expect(html, named(character)).toContain(`>${named(character)}</span>`);
    expect(html.includes(character), named(character)).toBe(false);
  }
});

test("nothing is lost or added: the pieces are the text", () => {
  const texts = ["a\u202Eb\u200B\u200Bc", "paypаl.com и ещё", "שלום 12 abc", "👩‍👩‍👧 ok", "\u202E".repeat(3) + "x", "ﬁle ａｂ"];
  for (const text of texts) expect(pieces(text).map((piece) => piece.text).join("")).toBe(text);
});

test("a literal name stays text, and can be told from a real one", () => {
  expect(drawn("⟨U+202E⟩")).toBe("⟨U+202E⟩");
  expect(drawn("\u202E")).toContain("exact-hidden");
});

test("words of several alphabets, and disguised letters, are marked", () => {
  const kinds = (text: string) => pieces(text).filter(({ kind }) => kind !== "plain").map(({ kind, text }) => [kind, text]);
  expect(kinds("open paypаl.com now")).toEqual([["mixed", "paypаl.com"]]);
  expect(kinds("ｐａｙ 𝐚dmin")).toEqual([["mixed", "ｐａｙ"], ["mixed", "𝐚dmin"]]);
  expect(kinds("Привет, мир; naïve éclat; 水とWehr")).toEqual([]);
});

test("what is written from the right stands by itself, and turns nothing beside it", () => {
  expect(pieces("pay שלום 100").map(({ kind }) => kind)).toEqual(["plain", "rtl", "plain"]);
  expect(drawn("pay שלום 100")).toContain("<bdi>שלום</bdi>");
});

test("hostile markup is text", () => {
  expect(drawn('<img src=x onerror=alert(1)>"')).toBe("&lt;img src=x onerror=alert(1)&gt;&quot;");
});

test("lengths are said in characters, and in bytes where they differ", () => {
  expect(size("abc")).toBe("3 characters");
  expect(size("🌊")).toBe("1 character (4 bytes)");
});

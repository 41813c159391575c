/** Texts for the tests: difficult ones, and made ones from a seed. */

export const CURATED = [
  "",
  "# Title\n\nText **bold** and `code`.\n\n- one\n- two\n\n1. first\n2. second\n",
  "Setext\n---\n\nand\n===\n",
  "- a\n---",
  "- a\n--- x\n\nb",
  "- a\n\n- b\n\n  c\n\nd",
  "> quote\nlazy\n\n> another",
  "para\n***bold***",
  "[a]: /x\n\"title\"\n\n[a] and [b]\n\n[b]: https://example.com 'b'\n",
  "[a]: /x\n[b]: /y \"tit\nle\"\n\n[a] [b]",
  "[a\\]b]: https://example.com\n\n[a\\]b]",
  "[SS]: https://example.com\n\n[ß] [ss]\n\n[ẞ]",
  "text\n| a | b |\n|---|:-:|\n| 1 | 2 |\n\nafter",
  "```js\ncode\n```\n\n```\nmore\n\n\nlines\n``\n````\nafter\n",
  "~~~\n```\n~~~\ntext\n```\nnever closed\n",
  "   ```\n   indented\n   ```\n",
  "```a`b\nnot a fence\n```\nbut this\n",
  "- ```\n  in a list\n  ```\n- next",
  "    indented\n\n    code\n\ntext\n    not code",
  "<div>\n\n**bold**\n\n</div>\n\n<!-- open\n\nstill\n-->\n\nafter",
  "<script>\nalert(1)\n\n</script>\ntext",
  "Text[^1] and[^two].\n\n[^1]: Note.\n\n    More of it.\n\n[^two]: Two[^1].\n\nAfter.",
  "[^a]: only a definition\n\n    code in it\n\n    [b]: /in\n\n[b]",
  "> [c]: https://example.com\n\n[c]",
  "a\r\n\r\nb\rc\r\rd\r\n```\r\ncode\r\n```\r\nend",
  "\uFEFF# After a mark\n\n\uFEFFnot one",
  "\u0000null\n\n\u0000",
  "- [ ] task\n- [x] done\n",
  "1. a\n\n   b\n2. c\n10) d\n",
  "* a\n*\n* b\n\n\n* c",
  "www.example.com and a@example.com and https://example.com.\n\n~~gone~~ 20~25",
  "a  \nb\\\nc",
  "***\n* * *\n___",
  "Emoji 👩‍👩‍👧 and **fett**ung, *a*b* **c",
  "\t\ttabs\n\n-\ta\n\n\tb\n\n>\tc",
];

const LINES = [
  "text", "more text", "", "", "", " ", "# head", "## two", "---", "===", "***", "- a", "- b", "  - c", "* d", "*", "-", "1. e", "2. f",
  "3) g", "   deep", "    code", "\tcode", "> q", ">", ">> r", "```", "```js", "````", "~~~", "   ```", "| a | b |", "|---|---|", "| 1 | 2 |",
  "<div>", "</div>", "<!-- c", "-->", "<b>", "<x y=z>", "[a]: https://a.example", "[b]: <https://b.example>", '"title"', "[c]:", "  /url",
  "[^n]: note", "[^m]:", "    inside", "[a]", "[b][a]", "![a]", "[^n] and [^m]", "[d](https://d.example)", "**bold", "bold**", "`tick", "tick`",
  "- [ ] t", "- ```", "  ```", "> ```", "> [q]: /q", "[q]", "[a]: /second", "\\", "a  ", "&amp; &#0;", "\uFEFFmark", "![", "[", "](", ")",
];
const ENDINGS = ["\n", "\n", "\n", "\n", "\n", "\n", "\n\n", "\r\n", "\r"];

export function made(next: () => number): string {
  const pick = (from: readonly string[]) => from[Math.floor(next() * from.length)] ?? "";
  const length = 1 + Math.floor(next() * 24);
  return Array.from({ length }, () => pick(LINES) + pick(ENDINGS)).join("").replace(/\n$/, next() < 0.5 ? "" : "\n");
}

/** Numbers in [0, 1) that a seed decides (mulberry32). */
export function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

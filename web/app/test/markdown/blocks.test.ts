import type { RootContent } from "mdast";
import { describe, expect, test } from "vitest";

import { Blocks } from "../../src/markdown/blocks.ts";
import { parse } from "../../src/markdown/parse.ts";
import { CURATED, made, random } from "./texts.ts";

/** Without positions: a block that was parsed alone counts from another start. */
function plain(nodes: readonly RootContent[]): unknown {
  return JSON.parse(JSON.stringify(nodes, (key, value: unknown) => (key === "position" ? undefined : value)));
}

function streamed(text: string, pieces: readonly number[]): Blocks {
  const blocks = new Blocks();
  let at = 0;
  for (const length of pieces) {
    at += length;
    blocks.of(text.slice(0, at), true);
  }
  return blocks;
}

function pieces(text: string, next: () => number, longest: number): number[] {
  const lengths: number[] = [];
  for (let left = text.length; left > 0; ) {
    const length = Math.min(left, 1 + Math.floor(next() * longest));
    lengths.push(length);
    left -= length;
  }
  return lengths;
}

function check(text: string, lengths: readonly number[]): void {
  const blocks = streamed(text, lengths).of(text, false).blocks;
  expect(plain(blocks.map(({ node }) => node)), JSON.stringify(text)).toEqual(
    // A byte order mark belongs to no block.
    plain(parse(text.replace(/^\uFEFF/, "")).nodes),
  );
}

describe("a text that came in pieces has the blocks of the whole text", () => {
  test.each(CURATED)("%j", (text) => {
    check(text, Array.from(text, (character) => character.length));
    check(text, [text.length]);
  });

  test("of 1,000 made texts", { timeout: 60_000 }, () => {
    for (let seed = 1; seed <= 1000; seed += 1) {
      const next = random(seed);
      const text = made(next);
      check(text, pieces(text, next, 1 + Math.floor(next() * 30)));
    }
  });
});

test("what has ended is not parsed again", () => {
  const paragraphs = Array.from({ length: 50 }, (_, at) => `Paragraph **${at}** of [many](https://example.com).`);
  const text = paragraphs.join("\n\n");
  const blocks = new Blocks();
  const before = blocks.of(text, true).blocks;
  const after = blocks.of(`${text} And more.`, true).blocks;
  expect(after.length).toBe(50);
  before.slice(0, -2).forEach(({ node }, at) => expect(after[at]?.node).toBe(node));
  expect(after.at(-1)?.node).not.toBe(before.at(-1)?.node);
});

test("a definition at the end makes links of what stands above, and only there", () => {
  const blocks = new Blocks();
  const text = "See [the docs].\n\nPlain.\n\nEnd.\n\n";
  const before = blocks.of(text, true);
  const after = blocks.of(`${text}[the docs]: https://example.com`, true);
  expect(after.definitions.get("the docs")?.url).toBe("https://example.com");
  expect(before.blocks[0]?.mentions.refers).toBe(false);
  expect(after.blocks[0]?.mentions.refers).toBe(true);
  expect(after.blocks[1]?.node).toBe(before.blocks[1]?.node);
});

test("another text is another document", () => {
  const blocks = new Blocks();
  blocks.of("# One\n\nTwo\n\n[a]: https://example.com\n", true);
  const { blocks: now, definitions } = blocks.of("[a]", false);
  expect(now.map(({ node }) => node.type)).toEqual(["paragraph"]);
  expect(definitions.size).toBe(0);
});

test("200 KB that stream are parsed about once", { timeout: 60_000 }, () => {
  const line = (at: number) => `Paragraph **${at}** with \`code\` and a [link](https://a.example/${at}) in it.`;
  const prose = Array.from({ length: 2600 }, (_, at) => line(at)).join("\n\n").slice(0, 200_000);
  const code = `\`\`\`ts\n${"const answer = 42; // and so on\n".repeat(6500)}`.slice(0, 200_000);
  for (const text of [prose, code]) {
    const blocks = new Blocks();
    for (let end = 1000; end <= text.length; end += 1000) blocks.of(text.slice(0, end), true);
    const before = blocks.of(text, true).blocks;
    const began = performance.now();
    for (let more = 1; more <= 50; more += 1) expect(blocks.of(text + "word ".repeat(more), true).blocks.length).toBe(before.length);
    const each = (performance.now() - began) / 50;
    const whole = time(() => parse(text));
    expect(each, `${each} ms for the last words of what takes ${whole} ms`).toBeLessThan(whole / 10);
  }
});

test("texts that are made to take long do not", { timeout: 60_000 }, () => {
  const hostile = [">", "[", "![", "[a](", "*a ", "_a_ *b", "~~a", "[^a]", "`a``b", "<a ", "a@"];
  for (const piece of hostile) {
    const text = piece.repeat(Math.floor(20_000 / piece.length));
    expect(time(() => new Blocks().of(text, true)), piece).toBeLessThan(3000);
  }
});

function time(work: () => unknown): number {
  const began = performance.now();
  work();
  return performance.now() - began;
}

import { expect, test } from "vitest";

import { piecesOf } from "../../src/search/marks";

const pieces = (text: string, ...highlights: [number, number][]) => piecesOf({ text, highlights }).map(({ text, isMarked }) => (isMarked ? `[${text}]` : text));

test("what was looked for is marked, and the rest is not", () => {
  expect(pieces("a blue sky, a blue sea", [2, 6], [14, 18])).toEqual(["a ", "[blue]", " sky, a ", "[blue]", " sea"]);
  expect(pieces("blue", [0, 4])).toEqual(["[blue]"]);
  expect(pieces("nothing")).toEqual(["nothing"]);
  expect(pieces("")).toEqual([]);
});

test("offsets count UTF-16 units, as strings do", () => {
  const text = "🌵 and 👩‍👩‍👧 and naïve";
  const at = (word: string): [number, number] => [text.indexOf(word), text.indexOf(word) + word.length];
  expect(pieces(text, at("🌵"), at("naïve"))).toEqual(["[🌵]", " and 👩‍👩‍👧 and ", "[naïve]"]);
});

test("no piece begins or ends inside a character", () => {
  expect(pieces("a🌵b🌵c", [2, 5])).toEqual(["a", "[🌵b🌵]", "c"]);
  expect(pieces("🌵", [1, 1])).toEqual(["[🌵]"]);
  // A half that stands alone is no character.
  expect(pieces("\ud83ca", [1, 2])).toEqual(["\ud83c", "[a]"]);
});

test("offsets that overlap, lie outside or are nonsense lose no text and double none", () => {
  const text = "one two three";
  const wild: [number, number][][] = [[[4, 7], [2, 5]], [[-5, 2], [11, 99]], [[7, 4]], [[20, 30]], [[NaN, NaN]], [[0, 3], [0, 3]], [[3, 3]]];
  for (const highlights of wild) expect(piecesOf({ text, highlights }).map(({ text }) => text).join("")).toBe(text);
  expect(pieces(text, [4, 7], [2, 5])).toEqual(["on", "[e t]", "[wo]", " three"]);
});

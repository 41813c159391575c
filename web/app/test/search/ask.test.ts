import { expect, test } from "vitest";

import { isNarrowed, NOTHING_ASKED, queryOf, widened, type Ask } from "../../src/search/ask";

const now = new Date(2026, 10, 21, 15, 30);
const query = (more: Partial<Ask>) => queryOf({ ...NOTHING_ASKED, text: "sky", ...more }, now);
const midnight = (...day: [number, number, number]) => new Date(...day).toISOString();

test("without words nothing is asked", () => {
  expect(query({ text: "" })).toBeUndefined();
  expect(query({ text: "  ", who: "user" })).toBeUndefined();
  expect(query({ text: " sky " })).toEqual({ q: "sky" });
});

test("each filter is the server's, and what was not chosen is not said", () => {
  expect(query({ who: "assistant", what: "call", agent: "helper", where: { id: "conv_1", title: "First" } })).toEqual({
    q: "sky",
    role: "assistant",
    kind: "call",
    agent: "helper",
    conversation_id: "conv_1",
  });
  expect(query({ order: "recent", isGrouped: true })).toEqual({ q: "sky", sort: "recent", group: "conversation" });
});

test("times are the reader's midnights, so that the next page belongs to the same query", () => {
  expect(query({ when: "today" })).toEqual({ q: "sky", since: midnight(2026, 10, 21) });
  expect(query({ when: "week" })).toEqual({ q: "sky", since: midnight(2026, 10, 14) });
  expect(query({ when: "before month" })).toEqual({ q: "sky", until: midnight(2026, 9, 22) });
  const later = new Date(2026, 10, 21, 23, 59);
  expect(queryOf({ ...NOTHING_ASKED, text: "sky", when: "year" }, later)).toEqual(query({ when: "year" }));
});

test("to widen a search keeps its words, and how it is read", () => {
  const narrow: Ask = { text: "sky", who: "user", what: "file", agent: "a", when: "week", where: { id: "conv_1", title: "" }, order: "recent", isGrouped: true };
  expect(isNarrowed(narrow)).toBe(true);
  expect(widened(narrow)).toEqual({ ...NOTHING_ASKED, text: "sky", order: "recent", isGrouped: true });
  expect(isNarrowed(widened(narrow))).toBe(false);
});

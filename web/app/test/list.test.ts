import type { Conversation } from "@weir/client";
import { expect, test } from "vitest";

import { append, put, sections, titleFor, without } from "../src/conversations/list";

function conversation(id: string, active_at: string, more: Partial<Conversation> = {}): Conversation {
  return { id, active_at, title: id, ...more } as Conversation;
}

const ids = (list: readonly Conversation[]) => list.map(({ id }) => id).join();
const list = [conversation("c", "2026-11-21T10:00:00.000Z"), conversation("b", "2026-11-20T10:00:00.000Z"), conversation("a", "2026-11-01T10:00:00.000Z")];

test("what moved up is on top, once", () => {
  expect(ids(put(list, conversation("a", "2026-11-21T11:00:00.000Z")))).toBe("a,c,b");
  expect(ids(put(list, conversation("new", "2026-11-20T11:00:00.000Z")))).toBe("c,new,b,a");
  expect(ids(put(list, conversation("old", "2020-01-01T00:00:00.000Z")))).toBe("c,b,a,old");
  expect(ids(put([], conversation("only", "2020-01-01T00:00:00.000Z")))).toBe("only");
});

test("a renamed one stays where it is", () => {
  const renamed = put(list, conversation("b", "2026-11-20T10:00:00.000Z", { title: "other" }));
  expect([ids(renamed), renamed[1]?.title]).toEqual(["c,b,a", "other"]);
});

test("a page that overlaps adds only what is new, and what left is gone", () => {
  expect(ids(append(list, [conversation("a", "2026-11-01T10:00:00.000Z"), conversation("z", "2026-10-01T10:00:00.000Z")]))).toBe("c,b,a,z");
  expect(ids(without(list, "b"))).toBe("c,a");
});

test("sections go by the reader's days, each conversation in one", () => {
  const now = new Date(2026, 10, 21, 9, 30);
  const at = (...when: [number, number, number, number]) => new Date(...when).toISOString();
  const some = [
    conversation("tomorrow, by a wrong clock", at(2026, 10, 22, 1)),
    conversation("this morning", at(2026, 10, 21, 0)),
    conversation("last night", at(2026, 10, 20, 23)),
    conversation("on Monday", at(2026, 10, 16, 12)),
    conversation("this month", at(2026, 10, 2, 12)),
    conversation("long ago", at(2024, 1, 2, 12)),
  ];
  expect(sections(some, now).map(({ heading, items }) => [heading, items.length])).toEqual([
    ["Today", 2],
    ["Yesterday", 1],
    ["Last 7 days", 1],
    ["Last 30 days", 1],
    ["Older", 1],
  ]);
  expect(sections([], now)).toEqual([]);
});

test("a title is how the conversation began, cut between words and never inside a character", () => {
  expect(titleFor("  count to 100\nand then more")).toBe("count to 100");
  expect(titleFor("# A heading")).toBe("A heading");
  const long = titleFor("why is the sky blue and the sea too, and who was it who first asked this question in writing");
  expect(long).toBe("why is the sky blue and the sea too, and who was it who…");
  expect(titleFor("👩‍👩‍👧".repeat(80))).toBe(`${"👩‍👩‍👧".repeat(60)}…`);
});

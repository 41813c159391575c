import type { FoldedMessage, FoldedTurn } from "@weir/client";
import { expect, test } from "vitest";

import { exchanges, liveTurn, plainText, standing, wasResumed } from "../src/chat/exchange";

let made = 0;

function message(role: "user" | "assistant", turn: string, more: Partial<FoldedMessage> = {}): FoldedMessage {
  made += 1;
  const text = `${role} ${made}`;
  return {
    id: `msg_${made}`,
    role,
    turn_id: turn,
    status: "complete",
    created_at: "2026-11-21T05:57:00.000Z",
    parts: [{ type: "text", text }],
    seq: made,
    ...more,
  };
}

test("the messages of one turn are one answer, and those of another are not", () => {
  const path = [
    message("user", "turn_1"),
    message("assistant", "turn_1", { status: "interrupted" }),
    message("assistant", "turn_1", { attempt: 2 }),
    message("user", "turn_2"),
    message("assistant", "turn_2"),
  ];
  expect(exchanges(path).map((exchange) => (exchange.kind === "question" ? "question" : exchange.messages.length))).toEqual([
    "question", 2, "question", 1,
  ]);
});

test("an imported answer without a turn swallows nothing that follows it", () => {
  const path = [message("assistant", "", { turn_id: null }), message("assistant", "", { turn_id: null })];
  expect(exchanges(path)).toHaveLength(2);
});

test("what did not change is the same object again, and what did is another", () => {
  const question = message("user", "turn_1");
  const answer = message("assistant", "turn_1", { status: "streaming" });
  const before = exchanges([question, answer]);
  const after = exchanges([question, { ...answer, seq: 99 }], before);
  expect(after[0]).toBe(before[0]);
  expect(after[1]).not.toBe(before[1]);
  expect(exchanges([question, answer, message("user", "turn_2")], before).slice(0, 2)).toEqual(before);
});

test("an answer stands as its turn does, and as its last message where the turn is not known", () => {
  const cut = message("assistant", "turn_1", { status: "interrupted" });
  const turn = (state: FoldedTurn["state"]): FoldedTurn => ({ id: "turn_1", state, attempt: 1 });
  expect(standing({ messages: [cut] }, undefined)).toBe("interrupted");
  expect(standing({ messages: [cut] }, turn("running"))).toBe("going");
  expect(standing({ messages: [cut] }, turn("failed"))).toBe("failed");
  expect(standing({ messages: [cut] }, turn("waiting"))).toBe("waiting");
  expect(standing({ messages: [message("assistant", "turn_1")] }, turn("completed"))).toBe("complete");
});

test("a cut message is never complete, also where its turn is", () => {
  const cut = message("assistant", "turn_1", { status: "cancelled" });
  expect(standing({ messages: [cut] }, { id: "turn_1", state: "completed", attempt: 1 })).toBe("cancelled");
});

test("a seam is where an attempt was cut and the next one follows", () => {
  const cut = message("assistant", "turn_1", { status: "interrupted", attempt: 1 });
  expect(wasResumed(cut, message("assistant", "turn_1", { attempt: 2 }))).toBe(true);
  expect(wasResumed(cut, undefined)).toBe(false);
  expect(wasResumed(message("assistant", "turn_1"), message("assistant", "turn_1", { step: 2 }))).toBe(false);
});

test("only the turn of this branch that goes on can be stopped", () => {
  const path = [message("user", "turn_1"), message("assistant", "turn_1")];
  const turns = (state: FoldedTurn["state"]) =>
    new Map<string, FoldedTurn>([
      ["turn_1", { id: "turn_1", state, attempt: 1 }],
      ["turn_2", { id: "turn_2", state: "running", attempt: 1 }],
    ]);
  expect(liveTurn(path, turns("running"))?.id).toBe("turn_1");
  expect(liveTurn(path, turns("completed"))).toBeUndefined();
  expect(liveTurn([], turns("running"))).toBeUndefined();
});

test("copying takes the text of every message, and no reasoning", () => {
  const parts = [{ type: "reasoning" as const, text: "hm" }, { type: "text" as const, text: "one " }];
  expect(plainText([message("assistant", "t", { parts }), message("assistant", "t", { parts: [{ type: "text", text: "two" }] })])).toBe("one two");
});

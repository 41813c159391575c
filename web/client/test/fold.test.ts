import assert from "node:assert/strict";
import { test } from "node:test";

import { ConversationFold, type FoldedMessage } from "../src/fold.js";
import type { LogEntry, Message } from "../src/types.js";

const at = "2026-11-21T05:57:00.000Z";

function message(id: string, parent_id: string | null, more: Partial<Message> = {}): Message {
  return { id, parent_id, role: "user", status: "complete", created_at: at, parts: [{ type: "text", text: id }], ...more };
}

/** Entries that tile. */
function log(...events: object[]): LogEntry[] {
  let seq = 0;
  return events.map((event) => {
    const prev = seq;
    seq += "text" in event ? String(event.text).length : 1;
    return { prev, seq, at, conversation_id: "conv_1", ...event } as unknown as LogEntry;
  });
}

test("what changes is another object, and what does not is the same", () => {
  const fold = ConversationFold.empty();
  const states = log(
    { type: "message.created", message: message("question", null) },
    { type: "message.created", message: message("answer", "question", { role: "assistant", status: "streaming", parts: [] }) },
    { type: "part.started", turn_id: "turn_1", message_id: "answer", index: 0, part: { type: "text", text: "" } },
    { type: "part.delta", turn_id: "turn_1", message_id: "answer", index: 0, text: "one" },
    { type: "part.delta", turn_id: "turn_1", message_id: "answer", index: 0, text: "two" },
    { type: "message.completed", turn_id: "turn_1", message_id: "answer", status: "complete" },
  ).map((entry): FoldedMessage[] => (fold.apply(entry), fold.path()));

  const answers = states.slice(1).map(([, answer]) => answer);
  assert.equal(new Set(answers).size, 5);
  assert.deepEqual(answers.map((answer) => answer?.parts.map((part) => "text" in part && part.text)), [
    [], [""], ["one"], ["onetwo"], ["onetwo"],
  ]);
  assert.equal(new Set(states.slice(1).map(([question]) => question)).size, 1);
});

test("a sibling that is made counts for those beside it", () => {
  const fold = ConversationFold.empty();
  const entries = log(
    { type: "message.created", message: message("question", null) },
    { type: "message.created", message: message("one", "question") },
    { type: "message.created", message: message("other", "question") },
    { type: "conversation.head_changed", head: "other" },
  );
  for (const entry of entries) fold.apply(entry);
  assert.deepEqual(fold.path().map(({ id, siblings }) => [id, siblings?.index, siblings?.count]), [
    ["question", 0, 1],
    ["other", 1, 2],
  ]);
  assert.deepEqual(fold.messages.get("one")?.siblings, { count: 2, index: 0, ids: ["one", "other"] });
});

test("a branch that is deleted is gone, and no longer counts", () => {
  const fold = ConversationFold.empty();
  const entries = log(
    { type: "message.created", message: message("question", null) },
    { type: "message.created", message: message("one", "question") },
    { type: "message.created", message: message("below", "one") },
    { type: "message.created", message: message("other", "question") },
    { type: "conversation.head_changed", head: "other" },
    { type: "branch.deleted", message_id: "one" },
  );
  for (const entry of entries) fold.apply(entry);
  assert.deepEqual([...fold.messages.keys()].sort(), ["other", "question"]);
  assert.deepEqual(fold.messages.get("other")?.siblings, { count: 1, index: 0, ids: ["other"] });
});

test("a call belongs to its message, and its end is known", () => {
  const fold = ConversationFold.empty();
  const call = { id: "call_1", turn_id: "turn_1", message_id: "answer", tool: "clock", args_text: "{}", state: "proposed" };
  const entries = log(
    { type: "message.created", message: message("answer", null, { role: "assistant" }) },
    { type: "tool.proposed", turn_id: "turn_1", call },
    { type: "tool.failed", turn_id: "turn_1", call_id: "call_1", error: "no such tool" },
  );
  for (const entry of entries) fold.apply(entry);
  assert.deepEqual(fold.path()[0]?.calls, [{ ...call, state: "failed", error: "no such tool" }]);
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { argsThatRun, countingVotes, hashOf, type FoldedCall } from "../src/calls.js";
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

const call = { id: "call_1", turn_id: "turn_1", message_id: "answer", tool: "clock", args_text: "{}", state: "proposed" };
const asks = { turn_id: "turn_1", call_id: "call_1", approval_id: "appr_1" };
const approval = { id: "appr_1", call_id: "call_1", tool: "clock", args_text: "{}", args_hash: "h1", state: "pending", approvals: 2, votes: [] };

/** An answer with one call, and what these events make of it. */
function callAfter(...events: object[]): FoldedCall | undefined {
  const fold = ConversationFold.empty();
  const begun = [
    { type: "message.created", message: message("answer", null, { role: "assistant" }) },
    { type: "tool.proposed", turn_id: "turn_1", call },
  ];
  for (const entry of log(...begun, ...events)) fold.apply(entry);
  return fold.path()[0]?.calls?.[0];
}

test("a call belongs to its message, and its end is known", () => {
  const failed = callAfter({ type: "tool.failed", ...asks, error: "no such tool" });
  assert.deepEqual(failed, { ...call, state: "failed", error: "no such tool" });
});

test("calls stay in the order in which they were proposed", () => {
  const fold = ConversationFold.empty();
  const entries = log(
    { type: "message.created", message: message("answer", null, { role: "assistant" }) },
    { type: "tool.proposed", turn_id: "turn_1", call },
    { type: "tool.proposed", turn_id: "turn_1", call: { ...call, id: "call_2" } },
    { type: "tool.started", turn_id: "turn_1", call_id: "call_1" },
  );
  for (const entry of entries) fold.apply(entry);
  assert.deepEqual(fold.path()[0]?.calls?.map(({ id, state }) => [id, state]), [
    ["call_1", "started"],
    ["call_2", "proposed"],
  ]);
});

test("progress is shown while the tool runs, and its question until it is answered", () => {
  const started = [{ type: "tool.started", ...asks }, { type: "tool.progress", ...asks, message: "half", fraction: 0.5 }];
  assert.deepEqual(callAfter(...started)?.progress, { message: "half", fraction: 0.5 });
  assert.equal(callAfter(...started, { type: "tool.succeeded", ...asks, output: "ok" })?.progress, undefined);
  const asked = [...started, { type: "tool.asked", ...asks, question: { id: "q_1", message: "which?", schema: {} } }];
  assert.equal(callAfter(...asked)?.question?.message, "which?");
  const answered = { type: "tool.answered", ...asks, action: "accept" };
  assert.equal(callAfter(...asked, { ...answered, question_id: "q_0" })?.question?.id, "q_1");
  assert.equal(callAfter(...asked, { ...answered, question_id: "q_1" })?.question, undefined);
});

test("votes are counted once, also where the approval was read later than the log", () => {
  const vote = { user_id: "user_1", decision: "approve", at };
  const voted = { type: "approval.voted", ...asks, vote };
  const requested = { type: "approval.requested", ...asks, approval };
  assert.equal(callAfter(requested, voted)?.approval?.votes?.length, 1);
  assert.equal(callAfter({ ...requested, approval: { ...approval, votes: [vote] } }, voted)?.approval?.votes?.length, 1);
  assert.equal(callAfter(requested, voted, { type: "approval.voted", ...asks, vote: { ...vote, user_id: "user_2" } })?.approval?.votes?.length, 2);
});

test("changed arguments are what runs, and earlier votes no longer count", () => {
  const changed = { args: { a: 1 }, args_text: '{"a":1}', args_hash: "h2" };
  const now = callAfter(
    { type: "approval.requested", ...asks, approval },
    { type: "approval.voted", ...asks, vote: { user_id: "user_1", decision: "approve", at } },
    { type: "approval.voted", ...asks, vote: { user_id: "user_2", decision: "approve", at, changed } },
  )?.approval;
  assert.ok(now);
  assert.deepEqual([argsThatRun(now), hashOf(now), now.decided_args], ['{"a":1}', "h2", { a: 1 }]);
  assert.deepEqual(countingVotes(now).map(({ user_id }) => user_id), ["user_2"]);
});

test("an approval ends as the log says, and a late word about an earlier one changes nothing", () => {
  const requested = { type: "approval.requested", ...asks, approval };
  assert.equal(callAfter(requested, { type: "approval.decided", ...asks, outcome: "deny" })?.approval?.state, "denied");
  assert.equal(callAfter(requested, { type: "approval.closed", ...asks, outcome: "void" })?.approval?.state, "void");
  const other = { type: "approval.closed", ...asks, approval_id: "appr_0", outcome: "void" };
  assert.equal(callAfter(requested, other)?.approval?.state, "pending");
});

test("an unknown call stays unknown, with what a person said of it", () => {
  const unknown = { type: "tool.unknown", ...asks, error: "the server stopped" };
  const resolve = (as: string, output?: string) => callAfter(unknown, { type: "tool.resolved", ...asks, as, output, resolved_by: "user_1" });
  assert.deepEqual([resolve("succeeded", "done")?.state, resolve("succeeded", "done")?.output], ["unknown", "done"]);
  assert.deepEqual([resolve("failed")?.error, resolve("failed")?.resolved], ["it did not happen", "failed"]);
  assert.equal(resolve("retry")?.resolved, "retry");
});

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";

import { ConversationFold, GapError, type MessagesPage } from "../src/fold.js";
import { positionOf, type Call, type LogEntry, type Message, type PartDelta } from "../src/types.js";

interface Vector {
  name: string;
  snapshot?: MessagesPage & { cursor: string };
  events: LogEntry[];
  head: string | null;
  messages: (Message & { seq: number; calls?: Call[] })[];
  turns: Record<string, string>;
}

const directory = new URL("../../../../tests/vectors/", import.meta.url);
const vectors = readdirSync(directory)
  .filter((name) => name.endsWith(".jsonl"))
  .flatMap((name) => readFileSync(new URL(name, directory), "utf8").trim().split("\n"))
  .map((line) => JSON.parse(line) as Vector);

function begin({ snapshot }: Vector): ConversationFold {
  return snapshot ? ConversationFold.of(snapshot, positionOf(snapshot.cursor)) : ConversationFold.empty();
}

function check(fold: ConversationFold, vector: Vector): void {
  assert.equal(fold.head, vector.head);
  const shown = fold.path().map(({ id, parent_id, role, status, parts, finish_reason, usage, seq }) => ({
    id, parent_id, role, status, parts, finish_reason, usage, seq,
  }));
  const expected = vector.messages.map(({ id, parent_id, role, status, parts, finish_reason, usage, seq }) => ({
    id, parent_id, role, status, parts, finish_reason, usage, seq,
  }));
  assert.deepEqual(shown, expected);
  // What lies beside a call is of the page alone.
  const calls = fold.path().map(({ calls = [] }) => calls.map(({ approval: _, question: __, waitingFor: ___, ...call }) => call));
  assert.deepEqual(calls, vector.messages.map(({ calls = [] }) => calls));
  for (const [id, turn] of fold.turns) {
    if (vector.turns[id]) assert.equal(turn.state, vector.turns[id]);
  }
  assert.deepEqual(fold.queue, []);
}

test("there are vectors of every kind", () => {
  assert.ok(vectors.length >= 14, `${vectors.length}`);
  assert.ok(vectors.some(({ snapshot }) => snapshot?.items.some(({ status }) => status === "streaming")));
});

for (const vector of vectors) {
  test(`folds: ${vector.name}`, () => {
    const fold = begin(vector);
    for (const event of vector.events) fold.apply(event);
    check(fold, vector);
  });

  test(`folds what comes twice, and from before: ${vector.name}`, () => {
    const fold = begin(vector);
    vector.events.forEach((event, at) => {
      for (const again of vector.events.slice(Math.max(0, at - 2), at + 1)) fold.apply(again);
      assert.equal(fold.apply(event), false);
    });
    check(fold, vector);
  });

  test(`folds deltas that are cut at every character: ${vector.name}`, () => {
    const fold = begin(vector);
    for (const event of vector.events.flatMap(inCharacters)) fold.apply(event);
    check(fold, vector);
  });

  test(`refuses a hole: ${vector.name}`, () => {
    const fold = begin(vector);
    const fresh = vector.events.filter((event) => event.seq > fold.seq);
    const [first, ...rest] = fresh;
    assert.ok(first && rest.length > 0);
    assert.throws(() => rest.forEach((event) => fold.apply(event)), GapError);
  });
}

function inCharacters(event: LogEntry): LogEntry[] {
  if (event.type !== "part.delta") return [event];
  let prev = event.prev;
  return [...event.text].map((text): PartDelta => {
    const seq = prev + new TextEncoder().encode(text).length;
    const piece = { ...event, prev, seq, text };
    prev = seq;
    return piece;
  });
}

/** A branch as people read it: what was asked, and the answer, however many messages a turn made of it. Pure. */

import type { FoldedMessage, FoldedTurn } from "@weir/client";

export interface Question {
  kind: "question";
  id: string;
  message: FoldedMessage;
}

export interface Answer {
  kind: "answer";
  id: string;
  turnId: string | undefined;
  messages: readonly FoldedMessage[];
}

export type Exchange = Question | Answer;

/**
 * The messages of one turn are one answer. What did not change since `before` is the same object again, so that nothing
 * that was shown is drawn anew.
 */
export function exchanges(path: readonly FoldedMessage[], before: readonly Exchange[] = []): Exchange[] {
  const known = new Map(before.map((exchange) => [exchange.id, exchange]));
  const all: Exchange[] = [];
  for (const message of path) {
    const last = all.at(-1);
    if (message.role === "user") {
      all.push({ kind: "question", id: message.id, message });
    } else if (last?.kind === "answer" && last.turnId !== undefined && last.turnId === message.turn_id) {
      all[all.length - 1] = { ...last, messages: [...last.messages, message] };
    } else {
      all.push({ kind: "answer", id: message.id, turnId: message.turn_id ?? undefined, messages: [message] });
    }
  }
  return all.map((exchange) => {
    const same = known.get(exchange.id);
    return same && isSame(same, exchange) ? same : exchange;
  });
}

function isSame(one: Exchange, other: Exchange): boolean {
  if (one.kind === "question") return other.kind === "question" && one.message === other.message;
  return (
    other.kind === "answer" &&
    one.messages.length === other.messages.length &&
    one.messages.every((message, at) => message === other.messages[at])
  );
}

/** How an answer stands. */
export type Standing = "going" | "waiting" | "complete" | "interrupted" | "cancelled" | "failed";

export function standing({ messages }: Pick<Answer, "messages">, turn: FoldedTurn | undefined): Standing {
  const last = messages.at(-1)?.status ?? "streaming";
  switch (turn?.state) {
    case "queued":
    case "running":
      return "going";
    case "waiting":
      return "waiting";
    case "failed":
    case "cancelled":
    case "interrupted":
      return turn.state;
    case "completed":
    case undefined:
      return last === "streaming" ? "going" : last;
  }
}

/** The turn of this branch that has not ended, if there is one. */
export function liveTurn(path: readonly FoldedMessage[], turns: ReadonlyMap<string, FoldedTurn>): FoldedTurn | undefined {
  const turn = turns.get(path.at(-1)?.turn_id ?? "");
  return turn && (turn.state === "running" || turn.state === "waiting") ? turn : undefined;
}

/** Whether an attempt was cut, and the next message is the next attempt. */
export function wasResumed(message: FoldedMessage, next: FoldedMessage | undefined): boolean {
  return message.status === "interrupted" && next !== undefined && (next.attempt ?? 1) > (message.attempt ?? 1);
}

/** What a person would copy. */
export function plainText(messages: readonly FoldedMessage[]): string {
  return messages
    .flatMap(({ parts }) => parts)
    .flatMap((part) => (part.type === "text" ? [part.text] : []))
    .join("");
}

/**
 * A conversation's log folded to what a page shows. Pure: the same snapshot and events give the same messages.
 *
 * Every entry says where it begins (`prev`) and ends (`seq`). What was folded already is dropped, what is half known is
 * cut at the byte, and what leaves a hole is refused: then follow again from the last cursor.
 */

import type { LogEntry, Message, Part, QueuedTurn, Usage } from "./types.js";

/** A message as it grows. */
export interface FoldedMessage extends Omit<Message, "parts"> {
  parts: Part[];
  /** Where the last entry ends that was folded into it. */
  seq: number;
}

export type TurnState = "queued" | "running" | "waiting" | "completed" | "failed" | "cancelled" | "interrupted";

export interface FoldedTurn {
  id: string;
  state: TurnState;
  attempt: number;
  /** What a waiting turn waits for. */
  waitingFor?: string;
  /** Why a failed or interrupted turn ended. */
  problem?: { type: string; title: string; detail: string };
}

export interface Queued {
  turnId: string;
  turn: QueuedTurn;
}

export interface Notice {
  turnId?: string;
  code: string;
  text: string;
}

/** A hole in the log: something was missed, or belongs to another conversation. */
export class GapError extends Error {
  constructor(
    readonly expected: number,
    readonly found: number,
  ) {
    super(`the log goes on at ${found}, expected ${expected}`);
  }
}

/** A snapshot's messages, newest first, as `GET /v1/conversations/{id}/messages` answers them. */
export interface MessagesPage {
  items: readonly (Message & { seq: number })[];
  head?: string | null;
}

export class ConversationFold {
  /** Every message that is known, by id. */
  readonly messages = new Map<string, FoldedMessage>();
  readonly turns = new Map<string, FoldedTurn>();
  queue: Queued[] = [];
  notices: Notice[] = [];
  title: string | null = null;
  head: string | null = null;
  deleted = false;

  private constructor(public seq: number) {}

  /** From the very beginning of the log. */
  static empty(): ConversationFold {
    return new ConversationFold(0);
  }

  /** From a snapshot that was read at that position. */
  static of(page: MessagesPage, position: number): ConversationFold {
    const fold = new ConversationFold(position);
    fold.head = page.head ?? null;
    fold.prepend(page);
    return fold;
  }

  /** Takes in an older page. What is known already stays as it is. */
  prepend(page: MessagesPage): void {
    for (const message of page.items) {
      if (!this.messages.has(message.id)) {
        this.messages.set(message.id, { ...message, parts: copied(message.parts) });
      }
    }
  }

  /** The current branch as far as it is known, oldest first. */
  path(head: string | null = this.head): FoldedMessage[] {
    const path: FoldedMessage[] = [];
    for (let at = head; at !== null; ) {
      const message = this.messages.get(at);
      if (!message) break;
      path.push(message);
      at = message.parent_id ?? null;
    }
    return path.reverse();
  }

  /** Whether a turn is queued, runs or waits. */
  get busy(): boolean {
    return this.queue.length > 0 || [...this.turns.values()].some((turn) => isLive(turn.state));
  }

  /** Folds an entry in; whether it said anything new. Throws a `GapError` where something is missing before it. */
  apply(entry: LogEntry): boolean {
    if (entry.seq <= this.seq) return false;
    if (entry.prev > this.seq) throw new GapError(this.seq, entry.prev);
    const known = this.seq - entry.prev;
    if (entry.type === "part.delta") {
      this.append(entry.message_id, entry.index, known === 0 ? entry.text : withoutBytes(entry.text, known), entry.seq);
    } else {
      this.take(entry);
    }
    this.seq = entry.seq;
    return true;
  }

  private append(messageId: string, index: number, text: string, seq: number): void {
    const message = this.messages.get(messageId);
    const part = message?.parts[index];
    // A message above the pages that were loaded has ended long ago.
    if (!message || !part) return;
    message.parts[index] = grown(part, text);
    message.seq = seq;
  }

  private take(event: Exclude<LogEntry, { type: "part.delta" }>): void {
    switch (event.type) {
      case "conversation.created":
        this.title = event.conversation.title ?? null;
        break;
      case "conversation.updated":
        if (event.changes.title !== undefined) this.title = event.changes.title;
        break;
      case "conversation.head_changed":
        this.head = event.head ?? null;
        break;
      case "conversation.forked":
        this.head = event.origin.message_id;
        break;
      case "branch.deleted":
        this.forget(event.message_id);
        break;
      case "conversation.deleted":
        this.deleted = true;
        break;
      case "message.created": {
        const message = { ...event.message, parts: copied(event.message.parts) };
        this.messages.set(message.id, { ...message, seq: event.seq });
        // What is created under the head becomes the head; everything else is said.
        if ((message.parent_id ?? null) === this.head) this.head = message.id;
        break;
      }
      case "part.started":
        this.change(event.message_id, event.seq, (message) => {
          message.parts[event.index] = { ...event.part };
        });
        break;
      case "part.completed":
        this.change(event.message_id, event.seq, (message) => {
          const part = message.parts[event.index];
          if (part && event.part) message.parts[event.index] = streamed(event.part, textOf(part));
        });
        break;
      case "message.completed":
        this.change(event.message_id, event.seq, (message) => {
          message.status = event.status;
          if (event.finish_reason) message.finish_reason = event.finish_reason;
          if (event.usage) message.usage = event.usage satisfies Usage;
        });
        break;
      case "turn.queued":
        this.queue = insert(this.queue, { turnId: event.turn_id, turn: event.turn });
        this.turn(event.turn_id, "queued");
        break;
      case "turn.started":
        this.dequeue(event.turn_id);
        this.turn(event.turn_id, "running");
        break;
      case "turn.waiting":
        this.turn(event.turn_id, "waiting").waitingFor = event.for;
        break;
      case "turn.resumed":
        this.turn(event.turn_id, "running").attempt = event.attempt;
        break;
      case "turn.completed":
      case "turn.cancelled":
        this.dequeue(event.turn_id);
        this.turn(event.turn_id, event.type === "turn.completed" ? "completed" : "cancelled");
        break;
      case "turn.failed":
      case "turn.interrupted": {
        this.dequeue(event.turn_id);
        const turn = this.turn(event.turn_id, event.type === "turn.failed" ? "failed" : "interrupted");
        if (event.problem) turn.problem = event.problem;
        break;
      }
      case "queue.changed":
        this.queue = event.turn_ids.flatMap((id) => this.queue.filter((queued) => queued.turnId === id));
        break;
      case "queue.edited":
        this.queue = this.queue.map((queued) =>
          queued.turnId === event.turn_id ? { ...queued, turn: { ...queued.turn, parts: event.parts } } : queued,
        );
        break;
      case "notice":
        this.notices.push({
          ...(event.turn_id ? { turnId: event.turn_id } : {}),
          code: event.code,
          text: event.text,
        });
        break;
      default:
        // A newer server says more than is known here.
        break;
    }
  }

  /** A message and everything below it. Where the head was there, it has been moved before. */
  private forget(id: string): void {
    const children = [...this.messages.values()].filter((message) => message.parent_id === id);
    this.messages.delete(id);
    for (const child of children) this.forget(child.id);
  }

  private change(id: string, seq: number, how: (message: FoldedMessage) => void): void {
    const message = this.messages.get(id);
    if (!message) return;
    how(message);
    message.seq = seq;
  }

  private turn(id: string, state: TurnState): FoldedTurn {
    const turn = this.turns.get(id) ?? { id, state, attempt: 1 };
    turn.state = state;
    if (state !== "waiting") delete turn.waitingFor;
    this.turns.set(id, turn);
    return turn;
  }

  private dequeue(turnId: string): void {
    this.queue = this.queue.filter((queued) => queued.turnId !== turnId);
  }
}

function copied(parts: readonly Part[] = []): Part[] {
  return parts.map((part) => ({ ...part }));
}

function insert(queue: readonly Queued[], queued: Queued): Queued[] {
  return queued.turn.first ? [queued, ...queue] : [...queue, queued];
}

export function isLive(state: TurnState): boolean {
  return state === "queued" || state === "running" || state === "waiting";
}

/** What was streamed into a part: its text, or a call's arguments. */
export function textOf(part: Part): string {
  switch (part.type) {
    case "text":
    case "reasoning":
    case "notice":
      return part.text;
    case "tool_call":
      return part.args_text;
    case "file":
    case "source":
      return "";
  }
}

function grown(part: Part, text: string): Part {
  return streamed(part, textOf(part) + text);
}

function streamed(part: Part, text: string): Part {
  switch (part.type) {
    case "text":
    case "reasoning":
    case "notice":
      return { ...part, text };
    case "tool_call":
      return { ...part, args_text: text };
    case "file":
    case "source":
      return part;
  }
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** The text without its first bytes as UTF-8. Positions never lie inside a character. */
export function withoutBytes(text: string, bytes: number): string {
  return decoder.decode(encoder.encode(text).subarray(bytes));
}

/**
 * A conversation's log folded to what a page shows. Pure: the same snapshot and events give the same messages.
 *
 * Every entry says where it begins (`prev`) and ends (`seq`). What was folded already is dropped, what is half known is
 * cut at the byte, and what leaves a hole is refused: then follow again from the last cursor.
 */

import { evolveApproval, evolveCall, type CallEvent, type FoldedCall } from "./calls.js";
import type { Approval, Call, LogEntry, Message, Part, Siblings, UnfinishedTurns, Usage } from "./types.js";

/** A message as it grows. Never changed in place: another object is another state of it. */
export interface FoldedMessage extends Omit<Message, "parts"> {
  readonly parts: readonly Part[];
  /** The tool calls that it made, joined to its parts by `call_id`. */
  readonly calls?: readonly FoldedCall[];
  /** The messages with the same parent, this one among them. */
  readonly siblings?: Siblings;
  /** Where the last entry ends that was folded into it. */
  seq: number;
}

export type TurnState = "queued" | "running" | "waiting" | "completed" | "failed" | "cancelled" | "interrupted";

/** Never changed in place. */
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
  parts: readonly Part[];
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
  items: readonly (Message & { seq: number; calls?: Call[]; siblings?: Siblings })[];
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
        this.messages.set(message.id, { ...message, parts: message.parts ?? [] });
      }
    }
  }

  /** Takes in approvals that were read no earlier than the messages. */
  consider(approvals: readonly Approval[]): void {
    for (const approval of approvals) this.call(approval.call_id, (call) => ({ ...call, approval }));
  }

  /** Takes in what a snapshot of the conversation says of its turns, read no earlier than the messages. */
  resume({ queued, running, waiting }: UnfinishedTurns): void {
    this.queue = queued.map(({ id, parts }) => ({ turnId: id, parts: parts ?? [] }));
    for (const { id, state, attempt, waiting_for } of [...queued, ...running, ...waiting]) {
      this.turns.set(id, { id, state, attempt, ...(waiting_for ? { waitingFor: waiting_for } : {}) });
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
    // A message above the pages that were loaded has ended long ago.
    this.part(messageId, index, seq, (part) => part && grown(part, text));
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
        const { message } = event;
        const siblings = this.welcome(message);
        this.messages.set(message.id, { ...message, parts: message.parts ?? [], siblings, seq: event.seq });
        // What is created under the head becomes the head; everything else is said.
        if ((message.parent_id ?? null) === this.head) this.head = message.id;
        break;
      }
      case "part.started":
        this.part(event.message_id, event.index, event.seq, () => event.part);
        break;
      case "part.completed":
        this.part(event.message_id, event.index, event.seq, (part) =>
          part && event.part ? streamed(event.part, textOf(part)) : part,
        );
        break;
      case "message.completed":
        this.change(event.message_id, event.seq, () => ({
          status: event.status,
          ...(event.finish_reason ? { finish_reason: event.finish_reason } : {}),
          ...(event.usage ? { usage: event.usage satisfies Usage } : {}),
        }));
        break;
      case "tool.proposed":
        this.propose(event.call);
        break;
      case "tool.pending":
      case "tool.approved":
      case "tool.started":
      case "tool.progress":
      case "tool.asked":
      case "tool.answered":
      case "tool.succeeded":
      case "tool.failed":
      case "tool.denied":
      case "tool.expired":
      case "tool.cancelled":
      case "tool.unknown":
      case "tool.resolved": {
        const about: CallEvent = event;
        this.call(about.call_id, (call) => evolveCall(call, about));
        break;
      }
      case "approval.requested":
        this.consider([event.approval]);
        break;
      case "approval.voted":
      case "approval.decided":
      case "approval.closed":
        this.call(event.call_id, ({ approval, ...call }) => {
          const isIt = approval?.id === event.approval_id;
          return { ...call, ...(approval ? { approval: isIt ? evolveApproval(approval, event) : approval } : {}) };
        });
        break;
      case "turn.queued":
        this.queue = insert(this.queue, event.turn.first === true, {
          turnId: event.turn_id,
          parts: event.turn.parts,
        });
        this.turn(event.turn_id, "queued");
        break;
      case "turn.started":
        this.dequeue(event.turn_id);
        this.turn(event.turn_id, "running");
        break;
      case "turn.waiting":
        this.turn(event.turn_id, "waiting", { waitingFor: event.for });
        break;
      case "turn.resumed":
        this.turn(event.turn_id, "running", { attempt: event.attempt });
        break;
      case "turn.completed":
      case "turn.cancelled":
        this.dequeue(event.turn_id);
        this.turn(event.turn_id, event.type === "turn.completed" ? "completed" : "cancelled");
        break;
      case "turn.failed":
      case "turn.interrupted": {
        this.dequeue(event.turn_id);
        const state = event.type === "turn.failed" ? "failed" : "interrupted";
        this.turn(event.turn_id, state, event.problem ? { problem: event.problem } : {});
        break;
      }
      case "queue.changed":
        this.queue = event.turn_ids.flatMap((id) => this.queue.filter((queued) => queued.turnId === id));
        break;
      case "queue.edited":
        this.queue = this.queue.map((queued) =>
          queued.turnId === event.turn_id ? { ...queued, parts: event.parts } : queued,
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
    const gone = this.messages.get(id);
    this.messages.delete(id);
    for (const message of [...this.messages.values()]) {
      if (message.parent_id === id) this.forget(message.id);
      else if (gone?.siblings?.ids.includes(message.id)) {
        const ids = gone.siblings.ids.filter((sibling) => sibling !== id);
        this.messages.set(message.id, { ...message, siblings: { count: ids.length, index: ids.indexOf(message.id), ids } });
      }
    }
  }

  private change(id: string, seq: number, how: (message: FoldedMessage) => Partial<FoldedMessage>): void {
    const message = this.messages.get(id);
    if (message) this.messages.set(id, { ...message, ...how(message), seq });
  }

  private part(id: string, index: number, seq: number, how: (part: Part | undefined) => Part | undefined): void {
    this.change(id, seq, ({ parts }) => {
      const part = how(parts[index]);
      return part ? { parts: [...parts.slice(0, index), part, ...parts.slice(index + 1)] } : {};
    });
  }

  private propose(call: Call): void {
    const message = this.messages.get(call.message_id);
    if (!message) return;
    const others = (message.calls ?? []).filter(({ id }) => id !== call.id);
    this.messages.set(message.id, { ...message, calls: [...others, call] });
  }

  /** Calls lie beside the message's own content: its position stays. */
  private call(id: string, how: (call: FoldedCall) => FoldedCall): void {
    for (const message of this.messages.values()) {
      const at = message.calls?.findIndex((call) => call.id === id) ?? -1;
      const call = message.calls?.[at];
      if (!call) continue;
      this.messages.set(message.id, { ...message, calls: message.calls?.with(at, how(call)) ?? [] });
      return;
    }
  }

  /** Counts a new message in among its siblings, as far as they are known. */
  private welcome({ id, parent_id }: Message): Siblings {
    const beside = [...this.messages.values()].filter(
      (message) => message.id !== id && (message.parent_id ?? null) === (parent_id ?? null),
    );
    const known = beside.flatMap((message) => message.siblings?.ids ?? [message.id]);
    const ids = [...new Set([...known, id])];
    for (const sibling of beside) {
      const siblings = { count: ids.length, index: ids.indexOf(sibling.id), ids };
      this.messages.set(sibling.id, { ...sibling, siblings });
    }
    return { count: ids.length, index: ids.length - 1, ids };
  }

  private turn(id: string, state: TurnState, more: Partial<FoldedTurn> = {}): void {
    const { waitingFor: _, ...turn } = this.turns.get(id) ?? { id, attempt: 1 };
    this.turns.set(id, { ...turn, state, ...more });
  }

  private dequeue(turnId: string): void {
    this.queue = this.queue.filter((queued) => queued.turnId !== turnId);
  }
}

function insert(queue: readonly Queued[], first: boolean, queued: Queued): Queued[] {
  const others = queue.filter(({ turnId }) => turnId !== queued.turnId);
  return first ? [queued, ...others] : [...others, queued];
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

/** A conversation that keeps itself up to date: a snapshot, then its log, over every break. */

import type { Api } from "./api.js";
import { ConversationFold, GapError } from "./fold.js";
import { follow, type Connection, type FollowOptions, type Listener } from "./follow.js";
import { WeirError } from "./problem.js";
import type { Socket } from "./socket.js";
import { positionOf, type Approval, type Cursor, type LogEntry } from "./types.js";

/** Messages of another branch that are asked for at once. */
const PATH = 200;

export interface LiveListener {
  /** Something changed in the fold. */
  changed(fold: ConversationFold): void;
  connection?(state: Connection): void;
}

export class LiveConversation {
  fold: ConversationFold = ConversationFold.empty();
  /** Another branch than the current one, where one was opened. It is heard of as the fold is. */
  beside: ConversationFold | undefined;
  private oldest: string | null = null;
  private heard: LogEntry[] | undefined;
  private mending: Promise<unknown> | undefined;

  private constructor(
    private readonly api: Api,
    readonly id: string,
    private readonly listener: LiveListener,
  ) {}

  /** Loads the newest page and follows from exactly there, until the signal says stop; over a socket if one is given. */
  static async open(
    api: Api,
    id: string,
    listener: LiveListener,
    options: Omit<FollowOptions, "after"> & { socket?: Socket } = {},
  ): Promise<{ live: LiveConversation; ended: Promise<void> }> {
    const live = new LiveConversation(api, id, listener);
    const after = await live.load();
    const heard: Listener = {
      entry: (entry) => live.take(entry),
      resync: () => live.load(),
      connection: (state) => listener.connection?.(state),
    };
    const { socket } = options;
    const ended = socket ? socket.follow(id, heard, { ...options, after }) : follow(api, id, heard, { ...options, after });
    return { live, ended };
  }

  /** Whether there are older messages than those that were loaded. */
  get hasOlder(): boolean {
    return this.oldest !== null;
  }

  /** One page further up; whether there is more above it. */
  async loadOlder(limit = 50): Promise<boolean> {
    if (this.oldest === null) return false;
    const page = await this.api.messages(this.id, { limit, before: this.oldest });
    this.fold.prepend(page);
    this.oldest = page.next ?? null;
    this.listener.changed(this.fold);
    return this.oldest !== null;
  }

  /**
   * Opens the branch that ends in a message, up to and including another one of it. The conversation's own head stays
   * where it is. Where history is read anew, it is closed.
   */
  async openBeside(end: string, upTo: string): Promise<void> {
    const heard: LogEntry[] = [];
    this.heard = heard;
    try {
      const { fold } = this;
      const page = await this.api.messages(this.id, { limit: PATH, head: end });
      const beside = ConversationFold.of(page, positionOf(page.cursor));
      for (let { next } = page; next != null && !beside.messages.has(upTo); ) {
        const older = await this.api.messages(this.id, { limit: PATH, head: end, before: next });
        beside.prepend(older);
        next = older.next;
      }
      if (isAsked(beside)) beside.consider(await this.asked());
      if (this.heard !== heard || this.fold !== fold) return;
      this.beside = beside;
      for (const entry of heard) this.takeBeside(entry);
      this.listener.changed(fold);
    } finally {
      if (this.heard === heard) this.heard = undefined;
    }
  }

  closeBeside(): void {
    this.heard = undefined;
    if (!this.beside) return;
    this.beside = undefined;
    this.listener.changed(this.fold);
  }

  /** One page further up that branch. */
  async loadOlderBeside(limit = 50): Promise<void> {
    const { beside } = this;
    const top = beside?.path()[0];
    if (!beside || !top || beside.head === null) return;
    beside.prepend(await this.api.messages(this.id, { limit, head: beside.head, before: top.id }));
    this.listener.changed(this.fold);
  }

  private takeBeside(entry: LogEntry): void {
    const { beside } = this;
    if (!beside) return;
    const { head } = beside;
    beside.apply(entry);
    // Where the conversation goes is not where this branch ends.
    if (entry.type === "conversation.head_changed") beside.head = head;
  }

  private take(entry: LogEntry): void {
    try {
      this.heard?.push(entry);
      this.takeBeside(entry);
      if (!this.fold.apply(entry)) return;
      this.listener.changed(this.fold);
      const { head, messages } = this.fold;
      // Somebody switched to a branch that was not loaded.
      if (head !== null && !messages.has(head)) this.mend();
    } catch (error) {
      // The server's entries tile. Should something in between have lost one, the snapshot mends it.
      if (!(error instanceof GapError)) throw error;
      this.mend();
    }
  }

  private mend(): void {
    this.mending ??= this.load()
      // The next entry finds that it is still needed.
      .catch(() => undefined)
      .finally(() => (this.mending = undefined));
  }

  /**
   * The messages are read first. What the conversation says of its turns is then as new or newer, and what lies in
   * between is folded in again: it ends where the log ends.
   */
  private async load(): Promise<Cursor> {
    const page = await this.api.messages(this.id);
    const conversation = await this.api.conversation(this.id);
    const fold = ConversationFold.of(page, positionOf(page.cursor));
    fold.title = conversation.title ?? null;
    fold.resume(conversation.turns);
    if (isAsked(fold)) fold.consider(await this.asked());
    this.oldest = page.next ?? null;
    this.fold = fold;
    this.heard = undefined;
    this.beside = undefined;
    this.listener.changed(fold);
    return page.cursor;
  }

  /** Who may decide nothing is told of nothing. */
  private async asked(): Promise<Approval[]> {
    try {
      return (await this.api.approvals({ conversation_id: this.id, limit: 200 })).items;
    } catch (error) {
      if (error instanceof WeirError && error.status === 403) return [];
      throw error;
    }
  }
}

function isAsked({ messages }: ConversationFold): boolean {
  return [...messages.values()].some(({ calls }) => calls?.some(({ state }) => state === "pending"));
}

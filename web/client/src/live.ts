/** A conversation that keeps itself up to date: a snapshot, then its log, over every break. */

import type { Api } from "./api.js";
import { ConversationFold, GapError } from "./fold.js";
import { follow, type Connection, type FollowOptions, type Listener } from "./follow.js";
import type { Socket } from "./socket.js";
import { positionOf, type Cursor, type LogEntry } from "./types.js";

export interface LiveListener {
  /** Something changed in the fold. */
  changed(fold: ConversationFold): void;
  connection?(state: Connection): void;
}

export class LiveConversation {
  fold: ConversationFold = ConversationFold.empty();
  private oldest: string | null = null;
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

  private take(entry: LogEntry): void {
    try {
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
    this.oldest = page.next ?? null;
    this.fold = fold;
    this.listener.changed(fold);
    return page.cursor;
  }
}

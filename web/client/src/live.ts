/** A conversation that keeps itself up to date: a snapshot, then its log, over every break. */

import type { Api } from "./api.js";
import { ConversationFold, GapError } from "./fold.js";
import { follow, type Connection, type FollowOptions } from "./follow.js";
import { positionOf, type Cursor, type LogEntry } from "./types.js";

export interface LiveListener {
  /** Something changed in the fold. */
  changed(fold: ConversationFold): void;
  connection?(state: Connection): void;
}

export class LiveConversation {
  fold: ConversationFold = ConversationFold.empty();
  private oldest: string | null = null;

  private constructor(
    private readonly api: Api,
    readonly id: string,
    private readonly listener: LiveListener,
  ) {}

  /** Loads the newest page and follows from exactly there, until the signal says stop. */
  static async open(
    api: Api,
    id: string,
    listener: LiveListener,
    options: Omit<FollowOptions, "after"> = {},
  ): Promise<{ live: LiveConversation; ended: Promise<void> }> {
    const live = new LiveConversation(api, id, listener);
    const after = await live.load();
    const ended = follow(
      api,
      id,
      {
        entry: (entry) => live.take(entry),
        resync: () => live.load(),
        connection: (state) => listener.connection?.(state),
      },
      { ...options, after },
    );
    return { live, ended };
  }

  /** One page further up; whether there is more above it. */
  async loadOlder(limit = 50): Promise<boolean> {
    if (this.oldest === null) return false;
    const page = await this.api.messages(this.id, { limit, before: this.oldest });
    this.fold.prepend(page);
    this.oldest = page.next === null ? null : (page.items.at(-1)?.id ?? null);
    this.listener.changed(this.fold);
    return this.oldest !== null;
  }

  private take(entry: LogEntry): void {
    try {
      if (this.fold.apply(entry)) this.listener.changed(this.fold);
    } catch (error) {
      // The server's entries tile. Should something in between have lost one, the snapshot mends it.
      if (!(error instanceof GapError)) throw error;
      void this.load();
    }
  }

  /** The snapshot and the conversation's state are two reads; what lies between them is folded in again. */
  private async load(): Promise<Cursor> {
    const [conversation, page] = [await this.api.conversation(this.id), await this.api.messages(this.id)];
    const fold = ConversationFold.of(page, positionOf(page.cursor));
    fold.title = conversation.title ?? null;
    for (const turn of conversation.turns.running) {
      fold.turns.set(turn.id, { id: turn.id, state: "running", attempt: 1 });
    }
    for (const turn of conversation.turns.waiting) {
      fold.turns.set(turn.id, { id: turn.id, state: "waiting", attempt: 1 });
    }
    this.oldest = page.next === null ? null : (page.items.at(-1)?.id ?? null);
    this.fold = fold;
    this.listener.changed(fold);
    return page.cursor;
  }
}

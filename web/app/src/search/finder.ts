/** One search after the other, as a person types. Only the answer to what was asked last is ever shown. */

import { isTemporary, UnreachableError, WeirError, type SearchItem, type SearchQuery, type SearchResults } from "@weir/client";

/** Never changed in place. */
export interface Found {
  /** What the items answer. Absent: there are none yet. */
  query: SearchQuery | undefined;
  items: readonly SearchItem[];
  next: string | undefined;
  isRelaxed: boolean;
  isIndexing: boolean;
  isPartial: boolean;
  /** An answer to something newer is on its way. */
  isSearching: boolean;
  isTurning: boolean;
  trouble: Trouble | undefined;
}

export interface Trouble {
  error: unknown;
  isOffline: boolean;
  /** It is tried again by itself. */
  isTriedAgain: boolean;
}

export type Search = (query: SearchQuery, signal: AbortSignal) => Promise<SearchResults>;

export const NOTHING_FOUND: Found = {
  query: undefined,
  items: [],
  next: undefined,
  isRelaxed: false,
  isIndexing: false,
  isPartial: false,
  isSearching: false,
  isTurning: false,
  trouble: undefined,
};

/** What is typed within it is one search. */
export const BREATH = 130;
const AGAIN_AFTER = 2_000;

export class Finder {
  found: Found = NOTHING_FOUND;
  private asked: SearchQuery | undefined;
  private stop = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly listeners = new Set<() => void>();

  constructor(private readonly search: Search) {}

  readonly subscribe = (changed: () => void): (() => void) => {
    this.listeners.add(changed);
    return () => this.listeners.delete(changed);
  };

  /** Looks for it after a breath; at once where a person pressed Enter, or chose something. */
  ask(query: SearchQuery | undefined, { atOnce = false } = {}): void {
    if (!query) {
      this.giveUp();
      return this.show(NOTHING_FOUND);
    }
    if (!atOnce && isSame(query, this.asked)) return;
    this.giveUp();
    this.asked = query;
    this.show({ ...this.found, isSearching: true, isTurning: false });
    this.timer = setTimeout(() => void this.look(query), atOnce ? 0 : BREATH);
  }

  /** Whatever is on its way is not waited for. What was found stays. */
  giveUp(): void {
    clearTimeout(this.timer);
    this.stop.abort();
    this.stop = new AbortController();
    this.asked = undefined;
    if (this.found.isSearching || this.found.isTurning) this.show({ ...this.found, isSearching: false, isTurning: false });
  }

  /** The next page of what is shown. */
  async more(): Promise<void> {
    const { query, next, isSearching, isTurning } = this.found;
    if (!query || next === undefined || isSearching || isTurning) return;
    const { signal } = this.stop;
    this.show({ ...this.found, isTurning: true, trouble: undefined });
    try {
      const page = await this.search({ ...query, page: next }, signal);
      if (signal.aborted) return;
      const known = new Set(this.found.items.map(keyOf));
      const items = [...this.found.items, ...page.items.filter((item) => !known.has(keyOf(item)))];
      this.show({ ...this.found, items, next: page.next ?? undefined, isTurning: false });
    } catch (error) {
      if (!signal.aborted) this.show({ ...this.found, isTurning: false, trouble: troubleOf(error, false) });
    }
  }

  private async look(query: SearchQuery): Promise<void> {
    const { signal } = this.stop;
    try {
      const answer = await this.search(query, signal);
      if (!signal.aborted) this.show(foundOf(query, answer));
    } catch (error) {
      if (signal.aborted) return;
      const isTriedAgain = isTemporary(error);
      this.show({ ...NOTHING_FOUND, query, isSearching: isTriedAgain, trouble: troubleOf(error, isTriedAgain) });
      if (!isTriedAgain) return;
      const told = error instanceof WeirError ? error.retryAfter : undefined;
      this.timer = setTimeout(() => void this.look(query), told ?? AGAIN_AFTER);
    }
  }

  private show(found: Found): void {
    if (found === this.found) return;
    this.found = found;
    for (const changed of this.listeners) changed();
  }
}

/** A message may be found in its text and in each of its calls, and a conversation by its title. */
function keyOf({ conversation, message_id, kind, snippet }: SearchItem): string {
  return JSON.stringify([conversation.id, message_id, kind, snippet.text]);
}

function foundOf(query: SearchQuery, answer: SearchResults): Found {
  return {
    ...NOTHING_FOUND,
    query,
    items: answer.items,
    next: answer.next ?? undefined,
    isRelaxed: answer.relaxed ?? false,
    isIndexing: answer.indexing ?? false,
    isPartial: answer.partial ?? false,
  };
}

function troubleOf(error: unknown, isTriedAgain: boolean): Trouble {
  return { error, isOffline: error instanceof UnreachableError, isTriedAgain };
}

function isSame(one: SearchQuery, other: SearchQuery | undefined): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

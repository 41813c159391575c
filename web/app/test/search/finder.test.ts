import { UnreachableError, WeirError, type SearchItem, type SearchQuery, type SearchResults } from "@weir/client";
import { afterEach, beforeEach, expect, test, vi } from "vitest";

import { BREATH, Finder } from "../../src/search/finder";
import { standingOf } from "../../src/search/Standing";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

interface Asked {
  query: SearchQuery;
  signal: AbortSignal;
  answer(names: string, more?: Partial<SearchResults>): Promise<void>;
  fail(error: unknown): Promise<void>;
}

/** A server that answers when it is told to. */
function server(): { finder: Finder; asked: Asked[] } {
  const asked: Asked[] = [];
  const finder = new Finder(
    (query, signal) =>
      new Promise((resolve, reject) => {
        const settled = () => vi.advanceTimersByTimeAsync(0).then(() => undefined);
        asked.push({
          query,
          signal,
          answer: (names, more) => (resolve({ items: [...names].map(item), indexed_through: "s1.1", ...more }), settled()),
          fail: (error) => (reject(error as Error), settled()),
        });
      }),
  );
  return { finder, asked };
}

function item(id: string): SearchItem {
  const snippet = { text: "", highlights: [] };
  return { conversation: { id }, message_id: id, kind: "message", created_at: "2026-11-21T10:00:00.000Z", on_current_path: true, snippet, score: 1 };
}

const shown = ({ found }: Finder) => found.items.map(({ message_id }) => message_id).join("");
const breathe = () => vi.advanceTimersByTimeAsync(BREATH);

test("what is typed in one breath is one search", async () => {
  const { finder, asked } = server();
  for (const q of ["s", "sk", "sky"]) finder.ask({ q });
  expect([asked.length, finder.found.isSearching]).toEqual([0, true]);
  await breathe();
  expect(asked.map(({ query }) => query.q)).toEqual(["sky"]);
  await asked[0]?.answer("ab");
  expect([shown(finder), finder.found.isSearching]).toEqual(["ab", false]);
});

test("an answer that comes late overwrites nothing, whichever comes first", async () => {
  const { finder, asked } = server();
  finder.ask({ q: "sk" });
  await breathe();
  finder.ask({ q: "sky" });
  expect(asked[0]?.signal.aborted).toBe(true);
  await breathe();
  await asked[1]?.answer("new");
  await asked[0]?.answer("old");
  expect(shown(finder)).toBe("new");

  finder.ask({ q: "skye" });
  await breathe();
  finder.ask({ q: "skyes" });
  await asked[2]?.answer("old");
  expect([shown(finder), finder.found.isSearching]).toEqual(["new", true]);
  await asked[2]?.fail(new UnreachableError(undefined));
  expect(finder.found.trouble).toBeUndefined();
});

test("what was found stays until there is something newer, and goes with the last word", async () => {
  const { finder, asked } = server();
  finder.ask({ q: "sky" });
  await breathe();
  await asked[0]?.answer("ab");
  finder.ask({ q: "skyl" });
  expect(shown(finder)).toBe("ab");
  await breathe();
  finder.ask(undefined);
  await asked[1]?.answer("c");
  expect([shown(finder), finder.found.query]).toEqual(["", undefined]);
});

test("a person who presses Enter does not wait, and the same is not asked twice", async () => {
  const { finder, asked } = server();
  finder.ask({ q: "sky" });
  finder.ask({ q: "sky" }, { atOnce: true });
  await vi.advanceTimersByTimeAsync(0);
  expect(asked.length).toBe(1);
  finder.ask({ q: "sky" });
  await breathe();
  expect(asked.length).toBe(1);
});

test("a page goes behind what is shown, each item once, and none to what was asked meanwhile", async () => {
  const { finder, asked } = server();
  finder.ask({ q: "sky", sort: "recent" });
  await breathe();
  await asked[0]?.answer("ab", { next: "2" });
  void finder.more();
  void finder.more();
  expect(asked[1]?.query).toEqual({ q: "sky", sort: "recent", page: "2" });
  expect(asked.length).toBe(2);
  await asked[1]?.answer("bc", { next: "3" });
  expect([shown(finder), finder.found.next]).toEqual(["abc", "3"]);

  void finder.more();
  finder.ask({ q: "sea" });
  await breathe();
  await asked[3]?.answer("x");
  await asked[2]?.answer("d");
  expect([shown(finder), finder.found.next]).toEqual(["x", undefined]);
});

test("a page that does not come leaves what is shown, and can be asked for again", async () => {
  const { finder, asked } = server();
  finder.ask({ q: "sky" });
  await breathe();
  await asked[0]?.answer("ab", { next: "2" });
  void finder.more();
  await asked[1]?.fail(new UnreachableError(undefined));
  expect([shown(finder), finder.found.next, finder.found.trouble?.isOffline]).toEqual(["ab", "2", true]);
  void finder.more();
  await asked[2]?.answer("c");
  expect([shown(finder), finder.found.trouble]).toEqual(["abc", undefined]);
});

test("without a network it is tried again by itself, but not what the server refused", async () => {
  const { finder, asked } = server();
  finder.ask({ q: "sky" });
  await breathe();
  await asked[0]?.fail(new UnreachableError(undefined));
  expect(standingOf(finder.found)).toBe("Offline");
  await vi.advanceTimersByTimeAsync(2_000);
  await asked[1]?.answer("a");
  expect([shown(finder), finder.found.trouble]).toEqual(["a", undefined]);

  finder.ask({ q: "sea" });
  await breathe();
  await asked[2]?.fail(new WeirError({ type: "invalid-request", title: "", status: 422, detail: "at most 1000 characters" }));
  await vi.advanceTimersByTimeAsync(60_000);
  expect([asked.length, finder.found.isSearching, finder.found.trouble?.isTriedAgain]).toEqual([3, false, false]);
});

test("whoever is away is not searched for", async () => {
  const { finder, asked } = server();
  finder.ask({ q: "sky" });
  finder.giveUp();
  await vi.advanceTimersByTimeAsync(60_000);
  expect([asked.length, finder.found.isSearching]).toEqual([0, false]);
});

test("it says how it stands", async () => {
  const { finder, asked } = server();
  const after = async (names: string, more: Partial<SearchResults>) => {
    finder.ask({ q: `sky${asked.length}` });
    await breathe();
    await asked.at(-1)?.answer(names, more);
    return standingOf(finder.found);
  };
  expect(await after("", {})).toBe("No results");
  expect(await after("a", {})).toBe("1 result");
  expect(await after("a", { next: "2" })).toBe("1+ results");
  expect(await after("ab", { relaxed: true })).toBe("2 results · nothing has all of the words; these have some of them");
  expect(await after("", { indexing: true })).toBe("No results · older messages are still being indexed, there may be more");
  expect(await after("ab", { partial: true })).toBe("2 results · the search took too long, there may be more");
});

/**
 * What a page shows beside what the server stores.
 *
 * The page marks its DOM for this: an element with `data-message-id` for each message, and in it one with
 * `data-part="text"` around each text part. Compare texts that markdown leaves as they are, such as `count to 100`.
 */

import assert from "node:assert/strict";
import type { Page } from "playwright-core";

import { until } from "./wait.js";
import type { StoredMessage, Weir } from "./weir.js";

export interface Line {
  id: string;
  text: string;
}

/** The current branch as it is stored, oldest first; messages without text are left out. */
export async function stored(weir: Weir, conversationId: string, token?: string): Promise<Line[]> {
  const path = `/v1/conversations/${conversationId}/messages?limit=200`;
  const page = await weir.json<{ items: StoredMessage[] }>(path, token === undefined ? {} : { token });
  const lines = page.items.map(({ id, parts = [] }) => {
    const texts = parts.filter(({ type }) => type === "text").map(({ text = "" }) => text);
    return { id, text: texts.join("") };
  });
  return lines.filter(({ text }) => text !== "").reverse();
}

export function shown(page: Page): Promise<Line[]> {
  return page.evaluate(() =>
    [...document.querySelectorAll<HTMLElement>("[data-message-id]")]
      .map((message) => ({
        id: message.dataset.messageId ?? "",
        text: [...message.querySelectorAll('[data-part="text"]')].map((part) => part.textContent ?? "").join(""),
      }))
      .filter(({ text }) => text !== ""),
  );
}

/** No gap, no repeat, nothing else: waits for it, and says the difference where it does not come. */
export async function assertShowsWhatIsStored(page: Page, weir: Weir, conversationId: string, token?: string): Promise<void> {
  const expected = trimmed(await stored(weir, conversationId, token));
  assert.ok(expected.length > 0, "nothing is stored");
  const same = async () => JSON.stringify(trimmed(await shown(page))) === JSON.stringify(expected);
  await until("the page to show what is stored", same, 10_000).catch(() => undefined);
  assert.deepEqual(trimmed(await shown(page)), expected);
}

/** A paragraph has no space at its ends: an attempt that goes on after a comma begins with one that is not drawn. */
function trimmed(lines: Line[]): Line[] {
  return lines.map(({ id, text }) => ({ id, text: text.trim() }));
}

/** Every line that was shown is still there, and has only grown. */
export function assertOnlyGrew(before: Line[], after: Line[]): void {
  for (const { id, text } of before) {
    const now = after.find((line) => line.id === id);
    assert.ok(now?.text.startsWith(text), `${id} was ${JSON.stringify(text)}, is ${JSON.stringify(now?.text)}`);
  }
}

/**
 * Follows one conversation's log over SSE, for as long as one wants: comes back with its cursor after every break, and
 * hands out each entry once and in order.
 */

import type { Api } from "./api.js";
import { delay, sleep } from "./backoff.js";
import { UnreachableError, WeirError } from "./problem.js";
import { readSse } from "./sse.js";
import { positionOf, type Cursor, type LogEntry } from "./types.js";

/** The server pings every 15 s. */
const SILENT_AFTER = 45_000;

export type Connection = "connecting" | "replaying" | "live" | "offline";

export interface Listener<Entry = LogEntry> {
  entry(entry: Entry, cursor: Cursor): void;
  /** What the listener knows is of another history: load a snapshot, and go on from its cursor. */
  resync(reason: string): Promise<Cursor>;
  connection?(state: Connection): void;
  /** Over a socket: this subscription is over, and this is why. */
  failed?(error: WeirError): void;
}

export interface FollowOptions {
  /** Absent: from the beginning. */
  after?: Cursor;
  signal?: AbortSignal;
  silentAfter?: number;
}

/**
 * Ends when the signal says so. Throws what no retry mends: signed out, not found, not allowed.
 */
export async function follow(
  api: Api,
  conversationId: string,
  listener: Listener,
  options: FollowOptions = {},
): Promise<void> {
  const { signal } = options;
  let cursor = options.after;
  let failures = 0;
  while (!signal?.aborted) {
    listener.connection?.("connecting");
    try {
      const response = await api.call(`/v1/conversations/${conversationId}/events`, {
        query: { after: cursor },
        ...(signal ? { signal } : {}),
      });
      if (!response.body) throw new UnreachableError("an answer without a body");
      listener.connection?.("replaying");
      for await (const event of readSse(response.body, options.silentAfter ?? SILENT_AFTER)) {
        failures = 0;
        if (signal?.aborted) return;
        if (event.event === "caught_up") {
          listener.connection?.("live");
        } else if (event.event === "resync") {
          const { reason } = JSON.parse(event.data) as { reason: string };
          cursor = await listener.resync(reason);
          break;
        } else if (event.event === "problem") {
          throw new WeirError(JSON.parse(event.data) as WeirError["problem"]);
        } else if (event.id !== undefined) {
          const entry = JSON.parse(event.data) as LogEntry;
          // A cursor only moves on: what was handed out is never handed out again.
          if (cursor === undefined || positionOf(event.id) > positionOf(cursor) || isOtherEpoch(event.id, cursor)) {
            listener.entry(entry, event.id);
            cursor = event.id;
          }
        }
      }
    } catch (error) {
      if (signal?.aborted) return;
      if (error instanceof WeirError && isFinal(error)) throw error;
    }
    if (signal?.aborted) return;
    listener.connection?.("offline");
    await sleep(delay(api.backoff, failures, api.random()), signal);
    failures += 1;
  }
}

function isOtherEpoch(one: Cursor, other: Cursor): boolean {
  return one.split(".")[0] !== other.split(".")[0];
}

/** A stream that ends with 401 because its token expired is opened again with a new one. */
function isFinal(error: WeirError): boolean {
  return [400, 403, 404, 422].includes(error.status) || (error.status === 401 && error.problem.type !== "unauthorized");
}

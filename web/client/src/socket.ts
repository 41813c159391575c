/**
 * Many conversations over one WebSocket: comes back after every break, with every subscription at its own cursor.
 */

import type { Api } from "./api.js";
import { delay, sleep } from "./backoff.js";
import type { Connection, FollowOptions, Listener } from "./follow.js";
import { WeirError } from "./problem.js";
import type { Cursor, FeedEvent, Problem } from "./types.js";

/** We ask every so often, and the server answers at once. */
const PING_EVERY = 20_000;
const SILENT_AFTER = 45_000;

/** The server closes with this when nobody signed in, or the credential no longer counts. */
const SIGNED_OUT = 4401;

export interface SocketOptions {
  /** Absent: the platform's. */
  WebSocket?: typeof WebSocket;
  signal?: AbortSignal;
  /** The socket itself: `live` once it is open, `offline` when it broke. */
  connection?: (state: Connection) => void;
}

interface Subscription {
  to: { conversation_id: string } | { feed: true };
  listener: Listener<never>;
  cursor: Cursor | undefined;
}

type Frame =
  | { op: "event"; id: number; cursor: Cursor; event: never }
  | { op: "caught_up"; id: number; cursor: Cursor }
  | { op: "resync"; id: number; reason: string; cursor: Cursor }
  | { op: "problem"; id?: number; problem: Problem }
  | { op: "pong" };

/** How a connection ended. */
interface Ended {
  opened: boolean;
  code: number;
}

export class Socket {
  private readonly subscriptions = new Map<number, Subscription>();
  private socket: WebSocket | undefined;
  private nextId = 1;
  private lastHeard = 0;

  constructor(
    private readonly api: Api,
    private readonly options: SocketOptions = {},
  ) {}

  /** Follows a conversation; the answer stops it. */
  subscribe(conversationId: string, listener: Listener, after?: Cursor): () => void {
    return this.add({ to: { conversation_id: conversationId }, listener, cursor: after });
  }

  /** Follows what changes across conversations, from a `feed_cursor`; the answer stops it. */
  subscribeFeed(listener: Listener<FeedEvent>, after?: Cursor): () => void {
    return this.add({ to: { feed: true }, listener, cursor: after });
  }

  /** As `follow` does over SSE: ends when the signal says so, throws what no retry mends. */
  follow(conversationId: string, listener: Listener, options: FollowOptions): Promise<void> {
    return new Promise((resolve, reject) => {
      const failed = (error: WeirError) => {
        stop();
        reject(error);
      };
      const stop = this.subscribe(conversationId, { ...listener, failed }, options.after);
      const done = () => {
        stop();
        resolve();
      };
      if (options.signal?.aborted) done();
      else options.signal?.addEventListener("abort", done, { once: true });
    });
  }

  /** Connects, and connects again, until the signal says stop. */
  async run(): Promise<void> {
    const { signal } = this.options;
    let failures = 0;
    let renew = false;
    while (!signal?.aborted) {
      this.tell("connecting");
      const { opened, code }: Ended = await this.connectOnce(renew).catch(() => ({ opened: false, code: 0 }));
      if (signal?.aborted) return;
      renew = code === SIGNED_OUT;
      failures = opened ? 0 : failures + 1;
      this.tell("offline");
      this.options.connection?.("offline");
      await sleep(delay(this.api.backoff, failures, this.api.random()), signal);
    }
  }

  /** Hands a fresh token to the open socket; what it follows goes on. */
  async renew(): Promise<void> {
    const token = await this.api.currentToken(true);
    if (token !== undefined) this.frame({ op: "auth", token });
  }

  private async connectOnce(renew: boolean): Promise<Ended> {
    const token = await this.api.currentToken(renew);
    const Platform = this.options.WebSocket ?? globalThis.WebSocket;
    const base = this.options.WebSocket || this.api.options.baseUrl ? this.api.url("/v1/socket") : pageSocket();
    const socket = new Platform(base.replace(/^http/, "ws"));
    this.socket = socket;
    let opened = false;
    return new Promise((resolve) => {
      const stop = () => socket.close(1000);
      this.options.signal?.addEventListener("abort", stop, { once: true });
      const watch = setInterval(() => {
        if (Date.now() - this.lastHeard > SILENT_AFTER) socket.close(4000);
        else this.frame({ op: "ping" });
      }, PING_EVERY);
      socket.onopen = () => {
        opened = true;
        this.lastHeard = Date.now();
        if (token !== undefined) this.frame({ op: "auth", token });
        for (const id of this.subscriptions.keys()) this.say(id);
        this.tell("replaying");
        this.options.connection?.("live");
      };
      socket.onmessage = (message) => {
        this.lastHeard = Date.now();
        this.hear(JSON.parse(String(message.data)) as Frame);
      };
      // What went wrong is followed by the close.
      socket.onerror = () => undefined;
      socket.onclose = (event) => {
        clearInterval(watch);
        this.options.signal?.removeEventListener("abort", stop);
        this.socket = undefined;
        resolve({ opened, code: event.code });
      };
    });
  }

  private hear(frame: Frame): void {
    if (frame.op === "pong") return;
    const subscription = frame.id === undefined ? undefined : this.subscriptions.get(frame.id);
    if (!subscription) return;
    switch (frame.op) {
      case "event":
        subscription.listener.entry(frame.event, frame.cursor);
        subscription.cursor = frame.cursor;
        break;
      case "caught_up":
        subscription.listener.connection?.("live");
        break;
      case "resync": {
        const { id } = frame;
        subscription.listener.resync(frame.reason).then(
          (cursor) => {
            subscription.cursor = cursor;
            this.say(id);
          },
          // The next connection asks again.
          () => this.socket?.close(4000),
        );
        break;
      }
      case "problem":
        subscription.listener.failed?.(new WeirError(frame.problem));
        break;
    }
  }

  private add(subscription: Subscription): () => void {
    const id = this.nextId;
    this.nextId += 1;
    this.subscriptions.set(id, subscription);
    this.say(id);
    return () => {
      if (this.subscriptions.delete(id)) this.frame({ op: "unsubscribe", id });
    };
  }

  private say(id: number): void {
    const subscription = this.subscriptions.get(id);
    if (!subscription) return;
    const { to, cursor } = subscription;
    this.frame({ op: "subscribe", id, ...to, ...(cursor ? { after: cursor } : {}) });
  }

  private frame(frame: object): void {
    if (this.socket?.readyState === 1) this.socket.send(JSON.stringify(frame));
  }

  private tell(state: Connection): void {
    for (const { listener } of this.subscriptions.values()) listener.connection?.(state);
  }
}

/** The page's own server. */
function pageSocket(): string {
  return new URL("/v1/socket", globalThis.location.href).href;
}

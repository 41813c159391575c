/** The calls over HTTP. A send that may have been heard is repeated under the same key, and happens once. */

import { DEFAULT_BACKOFF, delay, sleep, type Backoff } from "./backoff.js";
import { errorOf, isTemporary, UnreachableError, WeirError } from "./problem.js";
import type {
  Agent,
  Approval,
  ApprovalRule,
  ApprovalState,
  Conversation,
  ConversationSnapshot,
  CreateRequest,
  Cursor,
  DecidedItem,
  DecideRequest,
  Me,
  Message,
  Meta,
  Model,
  Person,
  Resolution,
  SearchQuery,
  SearchResults,
  SendRequest,
  TreePage,
  Turn,
  UpdateRequest,
  VoteDecision,
} from "./types.js";

export interface ClientOptions {
  /** `https://chat.example.com`. Absent: the page's own server, with its cookie. */
  baseUrl?: string;
  /** Asked for before the first call, and again when the server says 401. Absent: the cookie signs in. */
  getToken?: (renew: boolean) => string | Promise<string>;
  fetch?: typeof fetch;
  backoff?: Backoff;
  /** In [0, 1). */
  random?: () => number;
}

export interface Sent {
  message_id: string;
  turn: Turn;
  cursor: Cursor;
}

export interface Created {
  conversation: Conversation;
  message_id?: string;
  turn?: Turn;
  cursor: Cursor;
}

export interface Page<T> {
  items: T[];
  next: string | null;
}

export type MessagePage = Page<Message & { seq: number }> & { head: string | null; cursor: Cursor };
export type ConversationPage = Page<Conversation> & { feed_cursor: string };

export interface ApprovalPage {
  /** The oldest first. */
  items: Approval[];
  /** For `after`. */
  next?: string | null;
  feed_cursor: string;
}

export interface ApprovalQuery {
  /** Absent: `pending`. */
  state?: ApprovalState;
  agent?: string;
  tool?: string;
  conversation_id?: string;
  after?: string;
  limit?: number;
}

export interface Call {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  query?: Record<string, string | number | boolean | undefined>;
  body?: unknown;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** How often a call is tried that the server did not take, or may have taken under its key. */
const TRIES = 6;

export class Api {
  private token: string | undefined;
  private readonly fetch: typeof fetch;
  readonly backoff: Backoff;
  readonly random: () => number;

  constructor(readonly options: ClientOptions = {}) {
    this.fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
    this.backoff = options.backoff ?? DEFAULT_BACKOFF;
    this.random = options.random ?? Math.random;
  }

  meta(): Promise<Meta> {
    return this.json("/v1/meta");
  }

  me(): Promise<Me> {
    return this.json("/v1/me");
  }

  /** A repeat under the same key makes no second one. */
  create(request: CreateRequest = {}, key: string = newKey()): Promise<Created> {
    return this.sure("/v1/conversations", request, key);
  }

  send(conversationId: string, request: SendRequest | string, key: string = newKey()): Promise<Sent> {
    const body = typeof request === "string" ? { text: request } : request;
    return this.sure(`/v1/conversations/${conversationId}/messages`, body, key);
  }

  conversations(query: Call["query"] = {}): Promise<ConversationPage> {
    return this.json("/v1/conversations", { query });
  }

  conversation(id: string): Promise<ConversationSnapshot> {
    return this.json(`/v1/conversations/${id}`);
  }

  update(id: string, changes: UpdateRequest): Promise<Conversation> {
    return this.json(`/v1/conversations/${id}`, { method: "PATCH", body: changes });
  }

  async delete(id: string): Promise<void> {
    await this.call(`/v1/conversations/${id}`, { method: "DELETE" });
  }

  /** The current branch, or the path to `head`, newest first; `before` is a message of it, for an older page. */
  messages(conversationId: string, query: { limit?: number; before?: string; head?: string } = {}): Promise<MessagePage> {
    return this.json(`/v1/conversations/${conversationId}/messages`, { query });
  }

  /** Every message on whatever branch, without what it says; parents before their children. */
  tree(conversationId: string, query: { limit?: number; cursor?: string } = {}): Promise<TreePage> {
    return this.json(`/v1/conversations/${conversationId}/tree`, { query });
  }

  /**
   * What was said, in everything that you may see. A page is the `next` of an answer to the same query; the signal ends
   * a search that nobody waits for any more.
   */
  search(query: SearchQuery, signal?: AbortSignal): Promise<SearchResults> {
    return this.json("/v1/search", { query: { ...query }, ...(signal ? { signal } : {}) });
  }

  /** Shows another branch; with `descend` the end of the newest one below that message. */
  async setHead(conversationId: string, messageId: string, descend = false): Promise<void> {
    await this.json(`/v1/conversations/${conversationId}/head`, { method: "PUT", body: { message_id: messageId, descend } });
  }

  /** Has a message answered anew, beside the answer that it has. */
  regenerate(conversationId: string, messageId: string, key: string = newKey()): Promise<Sent> {
    return this.sure(`/v1/conversations/${conversationId}/regenerate`, { message_id: messageId }, key);
  }

  /** A new conversation that begins at a message of this one. */
  fork(conversationId: string, messageId: string, key: string = newKey()): Promise<Created> {
    return this.sure(`/v1/conversations/${conversationId}/fork`, { message_id: messageId }, key);
  }

  cancel(turnId: string): Promise<Turn> {
    return this.json(`/v1/turns/${turnId}/cancel`, { method: "POST" });
  }

  turn(id: string): Promise<Turn> {
    return this.json(`/v1/turns/${id}`);
  }

  /** The approvals that you may decide. */
  approvals(query: ApprovalQuery = {}): Promise<ApprovalPage> {
    return this.json("/v1/approvals", { query: { ...query } });
  }

  approval(id: string): Promise<Approval> {
    return this.json(`/v1/approvals/${id}`);
  }

  /** Those whom an approval names: for whom it was asked, and who voted. */
  async peopleOf(approvalId: string): Promise<Person[]> {
    return (await this.json<{ items: Person[] }>(`/v1/approvals/${approvalId}/people`)).items;
  }

  /** `args_hash` says what was seen. Refused with `approval-changed` or `approval-closed`, and the approval as it is. */
  decide(id: string, decision: DecideRequest): Promise<Approval> {
    return this.json(`/v1/approvals/${id}/decide`, { method: "POST", body: decision });
  }

  /** Many at once, each on its own. */
  async decideMany(
    items: readonly { id: string; args_hash: string }[],
    decision: VoteDecision,
    reason?: string,
  ): Promise<DecidedItem[]> {
    const body = { items, decision, ...(reason === undefined ? {} : { reason }) };
    return (await this.json<{ items: DecidedItem[] }>("/v1/approvals/decide", { method: "POST", body })).items;
  }

  /** The rules that you made of a yes; to an admin, all of the workspace. */
  approvalRules(query: { after?: string; limit?: number } = {}): Promise<{ items: ApprovalRule[]; next?: string | null }> {
    return this.json("/v1/approval-rules", { query });
  }

  /** For good: the next call is asked for again. */
  async revokeRule(id: string): Promise<void> {
    await this.call(`/v1/approval-rules/${id}`, { method: "DELETE" });
  }

  /** Ends a call that its own client, or a person, answers. The first one wins. */
  async endCall(callId: string, ending: { output: string } | { error: string }): Promise<void> {
    await this.json(`/v1/tool-calls/${callId}/result`, { method: "POST", body: ending });
  }

  /** Says what became of a call of which nobody knew. */
  async resolveCall(callId: string, as: Resolution, output?: string): Promise<void> {
    const body = { as, ...(output === undefined ? {} : { output }) };
    await this.json(`/v1/tool-calls/${callId}/resolve`, { method: "POST", body });
  }

  /** Answers what a running tool asks. */
  async answerCall(
    callId: string,
    answer: { question_id: string; action: "accept" | "decline" | "cancel"; content?: Record<string, unknown> },
  ): Promise<void> {
    await this.json(`/v1/tool-calls/${callId}/answer`, { method: "POST", body: answer });
  }

  /** Changes a message that waits in the queue. */
  editQueued(conversationId: string, turnId: string, text: string): Promise<Turn> {
    return this.json(`/v1/conversations/${conversationId}/queue/${turnId}`, { method: "PATCH", body: { text } });
  }

  /** Takes a message out of the queue. */
  async withdraw(conversationId: string, turnId: string): Promise<void> {
    await this.call(`/v1/conversations/${conversationId}/queue/${turnId}`, { method: "DELETE" });
  }

  async agents(): Promise<Agent[]> {
    return (await this.json<Page<Agent>>("/v1/agents")).items;
  }

  async models(): Promise<Model[]> {
    return (await this.json<Page<Model>>("/v1/models")).items;
  }

  async json<T>(path: string, call: Call = {}): Promise<T> {
    const response = await this.call(path, call);
    return (await response.json()) as T;
  }

  /** One call; signs in again once if the token no longer counts. Throws a `WeirError` for whatever is not 2xx. */
  async call(path: string, call: Call = {}): Promise<Response> {
    const first = await this.once(path, call, false);
    if (first.ok) return first;
    const error = await errorOf(first);
    if (error.status !== 401 || !this.options.getToken) throw error;
    const second = await this.once(path, call, true);
    if (second.ok) return second;
    throw await errorOf(second);
  }

  url(path: string, query: Call["query"] = {}): string {
    const given = Object.entries(query).filter((pair): pair is [string, string | number | boolean] => pair[1] !== undefined);
    const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)])).toString();
    return `${this.options.baseUrl ?? ""}${path}${search ? `?${search}` : ""}`;
  }

  /** The token in use; a new one where `renew` says that it no longer counts. */
  async currentToken(renew: boolean): Promise<string | undefined> {
    if (this.options.getToken && (renew || this.token === undefined)) {
      this.token = await this.options.getToken(renew);
    }
    return this.token;
  }

  private async once(path: string, call: Call, renew: boolean): Promise<Response> {
    const headers = new Headers(call.headers);
    const token = await this.currentToken(renew);
    if (token !== undefined) headers.set("Authorization", `Bearer ${token}`);
    if (call.body !== undefined) headers.set("Content-Type", "application/json");
    try {
      return await this.fetch(this.url(path, call.query), {
        method: call.method ?? "GET",
        headers,
        credentials: this.options.baseUrl === undefined ? "same-origin" : "omit",
        ...(call.body === undefined ? {} : { body: JSON.stringify(call.body) }),
        ...(call.signal ? { signal: call.signal } : {}),
      });
    } catch (cause) {
      if (call.signal?.aborted) throw cause;
      throw new UnreachableError(cause);
    }
  }

  private async sure<T>(path: string, body: unknown, key: string): Promise<T> {
    for (let tried = 1; ; tried += 1) {
      try {
        return await this.json<T>(path, { method: "POST", body, headers: { "Idempotency-Key": key } });
      } catch (error) {
        if (tried >= TRIES || !isTemporary(error)) throw error;
        const told = error instanceof WeirError ? error.retryAfter : undefined;
        await sleep(told ?? delay(this.backoff, tried - 1, this.random()));
      }
    }
  }
}

/** For an `Idempotency-Key`. Outside of secure contexts there is no `randomUUID`. */
export function newKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The server's words, as its OpenAPI document says them. */

import type { components, operations } from "./schema.js";

type Schemas = components["schemas"];

export type Message = Schemas["Message"];
export type Part = Schemas["Part"];
export type Usage = Schemas["Usage"];
export type Turn = Schemas["Turn"];
export type QueuedTurn = Schemas["QueuedTurn"];
export type ConversationInfo = Schemas["ConversationInfo"];
export type Conversation = Schemas["Conversation"];
export type ConversationSnapshot = Schemas["ConversationSnapshot"];
export type Call = Schemas["Call"];
export type CallState = Schemas["CallState"];
export type Resolution = Schemas["Resolution"];
export type Approval = Schemas["Approval"];
/** Somebody whom an approval names. */
export type Person = Schemas["Person"];
export type ApprovalState = Schemas["ApprovalState"];
export type Vote = Schemas["Vote"];
export type VoteDecision = Schemas["VoteDecision"];
export type DecideRequest = Schemas["DecideRequest"];
/** A yes that counts for later calls too. */
export type Remember = Schemas["RememberRequest"];
/** A remembered yes. */
export type ApprovalRule = Schemas["ShownRule"];
export type WaitingFor = Schemas["WaitingFor"];
export type DecidedItem = Schemas["DecidedItem"];
export type Siblings = Schemas["Siblings"];
export type UnfinishedTurns = Schemas["UnfinishedTurns"];
export type Settings = Schemas["Settings"];
export type Agent = Schemas["Agent"];
export type Model = Schemas["Model"];
export type Problem = Schemas["Problem"];
export type Role = Schemas["Role"];
/** What a text is of its subject. */
export type TextKind = Schemas["TextKind"];
export type SearchQuery = NonNullable<operations["search"]["parameters"]["query"]>;
export type SearchResults = Schemas["SearchResults"];
export type SearchItem = Schemas["SearchItem"];
/** Plain text, and where in it the highlights begin and end, in the units of JavaScript's strings. */
export type SearchSnippet = Schemas["SearchSnippet"];
export type TreePage = Schemas["Tree"];
export type TreeNode = Schemas["Node"];
export type SendRequest = Schemas["SendRequest"];
export type CreateRequest = Schemas["CreateRequest"];
export type UpdateRequest = Schemas["UpdateRequest"];
export type Me = Schemas["Me"];
export type Meta = Schemas["Meta"];

/** A fact of the log, which takes one position. */
export type LoggedEvent = Schemas["LoggedEvent"];

/** Streamed text, which takes as many positions as it has UTF-8 bytes. */
export type PartDelta = Omit<Schemas["PartDelta"], "type"> & { type: "part.delta" };

/** Stands for content that was deleted. */
export type Redacted = Omit<Schemas["Redacted"], "type"> & { type: "redacted" };

/** What a tool asks of a person while it runs; where it has an address, the person goes there. */
export type Question = Schemas["Question"];

/** What a conversation's log is made of. A newer server may send types that are not known here. */
export type LogEntry = LoggedEvent | PartDelta | Redacted;

/** What the feed says about a conversation; more with a newer server. */
export type FeedEvent = Schemas["FeedEvent"] & {
  change?: string;
  turn_id?: string;
  state?: string;
  approval_id?: string;
  call_id?: string;
  tool?: string;
};

/** As far as forms and checks read it. */
export interface JsonSchema {
  type?: string | string[];
  title?: string;
  description?: string;
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: boolean | JsonSchema;
  items?: JsonSchema;
  [word: string]: unknown;
}

/** `<epoch>.<position>`. */
export type Cursor = string;

export function positionOf(cursor: Cursor): number {
  const position = Number(cursor.slice(cursor.indexOf(".") + 1));
  if (!/^\d+\.\d+$/.test(cursor) || !Number.isSafeInteger(position)) {
    throw new TypeError(`not a cursor: ${cursor}`);
  }
  return position;
}

/** The server's words, as its OpenAPI document says them. */

import type { components } from "./schema.js";

type Schemas = components["schemas"];

export type Message = Schemas["Message"];
export type Part = Schemas["Part"];
export type Usage = Schemas["Usage"];
export type Turn = Schemas["Turn"];
export type QueuedTurn = Schemas["QueuedTurn"];
export type ConversationInfo = Schemas["ConversationInfo"];
export type Conversation = Schemas["Conversation"];
export type ConversationSnapshot = Schemas["ConversationSnapshot"];
export type Problem = Schemas["Problem"];
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

/** What a conversation's log is made of. A newer server may send types that are not known here. */
export type LogEntry = LoggedEvent | PartDelta | Redacted;

/** `<epoch>.<position>`. */
export type Cursor = string;

export function positionOf(cursor: Cursor): number {
  const position = Number(cursor.slice(cursor.indexOf(".") + 1));
  if (!/^\d+\.\d+$/.test(cursor) || !Number.isSafeInteger(position)) {
    throw new TypeError(`not a cursor: ${cursor}`);
  }
  return position;
}

/** What was typed and not sent, per conversation. It survives a reload, a crash and a failed send. */

import { newKey } from "@weir/client";
import { keep, recall } from "../keep";

export function loadDraft(place: string): string {
  return recall(`weir.draft.${place}`) ?? "";
}

export function saveDraft(place: string, text: string): void {
  keep(`weir.draft.${place}`, text === "" ? null : text);
}

interface Sending {
  /** The text, and how it is to be answered. */
  message: string;
  key: string;
}

/**
 * The idempotency key for sending this text to be answered in that way. What was sent with an outcome that is not known
 * keeps its key, also over a reload: the server takes it once. Anything else is another send.
 */
export function keyFor(place: string, text: string, way: unknown): string {
  const message = JSON.stringify([text, way]);
  const sending = recalled(place);
  if (sending?.message === message) return sending.key;
  const key = newKey();
  keep(`weir.sending.${place}`, JSON.stringify({ message, key } satisfies Sending));
  return key;
}

/** It was taken: the same words again are another message. */
export function sent(place: string): void {
  keep(`weir.sending.${place}`, null);
  saveDraft(place, "");
}

function recalled(place: string): Sending | undefined {
  try {
    const kept: unknown = JSON.parse(recall(`weir.sending.${place}`) ?? "null");
    const isSending = typeof kept === "object" && kept !== null && "message" in kept && "key" in kept;
    return isSending ? (kept as Sending) : undefined;
  } catch {
    return undefined;
  }
}

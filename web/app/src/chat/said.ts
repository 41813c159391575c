/** What a person says with one message. */

import type { SendRequest } from "@weir/client";

export interface Said {
  text: string;
  fileIds: readonly string[];
}

/** As the API takes it. */
export function messageOf({ text, fileIds }: Said): Pick<SendRequest, "text" | "parts"> {
  if (fileIds.length === 0) return { text };
  const files = fileIds.map((file_id) => ({ type: "file" as const, file_id }));
  return { parts: [...(text.trim() === "" ? [] : [{ type: "text" as const, text }]), ...files] };
}

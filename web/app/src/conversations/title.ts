/** What a conversation is called. Until it has a title of its own, this browser calls it by how it began. */

import { keep, recall } from "../keep";
import { titleFor } from "./list";

interface Titled {
  id: string;
  title?: string | null;
}

export function titleOf({ id, title }: Titled): string {
  return title?.trim() || recall(`weir.title.${id}`) || "Untitled";
}

export function rememberBeginning(id: string, text: string): void {
  keep(`weir.title.${id}`, titleFor(text));
}

/** It has a title now, or is gone. */
export function forgetBeginning(id: string): void {
  if (recall(`weir.title.${id}`) !== null) keep(`weir.title.${id}`, null);
}

/** A snippet in pieces, marked and not. Pure. */

import type { SearchSnippet } from "@weir/client";

export interface Piece {
  text: string;
  isMarked: boolean;
}

/** The pieces make up the text, whatever the offsets are; none begins or ends inside a character. */
export function piecesOf({ text, highlights }: SearchSnippet): Piece[] {
  const pieces: Piece[] = [];
  let at = 0;
  const take = (end: number, isMarked: boolean) => {
    if (end > at) pieces.push({ text: text.slice(at, end), isMarked });
    at = Math.max(at, end);
  };
  for (const [start, end] of [...highlights].sort(([one], [other]) => one - other)) {
    const [from, to] = [Math.max(at, before(text, start)), after(text, end)];
    if (!(from < to)) continue;
    take(from, false);
    take(to, true);
  }
  take(text.length, false);
  return pieces;
}

function before(text: string, at: number): number {
  return splits(text, at) ? at - 1 : Math.min(Math.max(at, 0), text.length);
}

function after(text: string, at: number): number {
  return splits(text, at) ? at + 1 : Math.min(Math.max(at, 0), text.length);
}

/** Between the halves of a character that takes two units. */
function splits(text: string, at: number): boolean {
  return /[\uD800-\uDBFF]/.test(text.charAt(at - 1)) && /[\uDC00-\uDFFF]/.test(text.charAt(at));
}

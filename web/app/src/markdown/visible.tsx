/** Characters that cannot be seen, or turn around what stands beside them. */

import type { ReactNode } from "react";

/** Controls but tab and line ends, marks of direction, zero-width and invisible ones, tags, separators. */
const HIDDEN =
  /[\u0000-\u0008\u000B\u000C\u000E-\u001F\u007F-\u009F\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180E\u200B-\u200F\u2028-\u202E\u2060-\u206F\u3164\uFEFF\uFFA0\uFFF9-\uFFFB]|[\u{E0000}-\u{E0FFF}]/gu;

/** The text, with each of them named beside it. They stay in it: what is copied is what was written. */
export function visible(text: string): ReactNode {
  const found = [...text.matchAll(HIDDEN)];
  if (found.length === 0) return text;
  const pieces: ReactNode[] = [];
  let from = 0;
  for (const { 0: character, index } of found) {
    const name = `U+${(character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")}`;
    pieces.push(
      text.slice(from, index),
      <span key={index} className="md-hidden" data-name={name} title={name}>
        {character}
      </span>,
    );
    from = index + character.length;
  }
  return [...pieces, text.slice(from)];
}

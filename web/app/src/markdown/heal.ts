/**
 * The end of a text of which more is coming, as it will most likely be: open emphasis is closed, and markup that cannot
 * be told yet is kept back, so that it doesn't flicker.
 */

import remend from "remend";

/** A list, an underline below a heading, a rule, a fence, a quote: which of them, the next characters say. */
const ONLY_MARKERS = /(^|[\r\n])[ \t>]*(?:[-*+_=~`#]+|\d{1,9}[.)]?)[ \t]*$/;

/** The first row of a table, before the row that makes it one. */
const TABLE_HEAD = /(^|[\r\n])[ \t]*\|[^\r\n]*(?:(?:\r\n|\r|\n)[ \t|:-]*)?$/;

/** Healing looks at all of it; what is longer is shown as it is. */
const LONGEST = 20_000;

export function heal(text: string): string {
  if (text.length > LONGEST) return text;
  const kept = text.replace(ONLY_MARKERS, "$1");
  return remend(keepBackTable(kept), { katex: false });
}

/** Rows below the second line belong to a table that is known already. */
function keepBackTable(text: string): string {
  const found = TABLE_HEAD.exec(text);
  if (!found) return text;
  const before = text.slice(0, found.index);
  const above = before.slice(before.lastIndexOf("\n") + 1);
  return above.trimStart().startsWith("|") ? text : text.slice(0, found.index + (found[1]?.length ?? 0));
}

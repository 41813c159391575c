/** The list as it stands, and how it changes. Pure. */

import type { Conversation } from "@weir/client";

/** Newest activity first, as the server sorts. */
export function put(list: readonly Conversation[], conversation: Conversation): Conversation[] {
  const others = without(list, conversation.id);
  const at = others.findIndex((other) => isBefore(conversation, other));
  return at < 0 ? [...others, conversation] : [...others.slice(0, at), conversation, ...others.slice(at)];
}

export function without(list: readonly Conversation[], id: string): Conversation[] {
  return list.filter((conversation) => conversation.id !== id);
}

/** A further page. What is known already is as new or newer. */
export function append(list: readonly Conversation[], page: readonly Conversation[]): Conversation[] {
  const known = new Set(list.map(({ id }) => id));
  return [...list, ...page.filter(({ id }) => !known.has(id))];
}

function isBefore(one: Conversation, other: Conversation): boolean {
  return one.active_at === other.active_at ? one.id > other.id : one.active_at > other.active_at;
}

export interface Section {
  heading: string;
  items: Conversation[];
}

const DAY = 86_400_000;

/** By age, as people remember: today, yesterday, this week, and before. */
export function sections(list: readonly Conversation[], now: Date): Section[] {
  const midnight = new Date(now.getFullYear(), now.getMonth(), now.getDate()).getTime();
  const since: [string, number][] = [
    ["Today", midnight],
    ["Yesterday", midnight - DAY],
    ["Last 7 days", midnight - 7 * DAY],
    ["Last 30 days", midnight - 30 * DAY],
    ["Older", -Infinity],
  ];
  return since
    .map(([heading, from], at) => {
      const until = since[at - 1]?.[1] ?? Infinity;
      const items = list.filter(({ active_at }) => {
        const time = Date.parse(active_at);
        return time >= from && time < until;
      });
      return { heading, items };
    })
    .filter(({ items }) => items.length > 0);
}

const TITLE_CHARS = 60;

/** How a conversation began, in one line. */
export function titleFor(text: string): string {
  const [first = ""] = text.trim().split("\n");
  const line = first.replace(/\s+/g, " ").replace(/^#+ /, "");
  const characters = Array.from(new Intl.Segmenter().segment(line), ({ segment }) => segment);
  if (characters.length <= TITLE_CHARS) return line;
  const space = characters.lastIndexOf(" ", TITLE_CHARS);
  const end = space > TITLE_CHARS / 2 ? space : TITLE_CHARS;
  return `${characters.slice(0, end).join("").trimEnd()}…`;
}

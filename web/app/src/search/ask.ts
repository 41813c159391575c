/** What a person looks for, as they chose it; and as the server is asked. Pure. */

import type { Role, SearchQuery, TextKind } from "@weir/client";

export interface Ask {
  text: string;
  who: Role | "";
  what: TextKind | "";
  agent: string;
  when: When;
  /** Absent: everywhere. */
  where?: { id: string; title: string };
  order: "relevance" | "recent";
  /** The best of each conversation only. */
  isGrouped: boolean;
}

export type When = "" | "today" | "week" | "month" | "year" | "before month" | "before year";

export const NOTHING_ASKED: Ask = { text: "", who: "", what: "", agent: "", when: "", order: "relevance", isGrouped: false };

const DAYS: Record<When, number> = { "": 0, today: 0, week: 7, month: 30, year: 365, "before month": 30, "before year": 365 };

/**
 * Nothing where there are no words to look for. Times are midnights, so that the same choice is the same query for as
 * long as a person turns pages.
 */
export function queryOf(ask: Ask, now: Date): SearchQuery | undefined {
  const q = ask.text.trim();
  if (q === "") return undefined;
  const edge = new Date(now.getFullYear(), now.getMonth(), now.getDate() - DAYS[ask.when]).toISOString();
  return {
    q,
    ...(ask.who ? { role: ask.who } : {}),
    ...(ask.what ? { kind: ask.what } : {}),
    ...(ask.agent ? { agent: ask.agent } : {}),
    ...(ask.where ? { conversation_id: ask.where.id } : {}),
    ...(ask.when === "" ? {} : ask.when.startsWith("before") ? { until: edge } : { since: edge }),
    ...(ask.order === "recent" ? { sort: ask.order } : {}),
    ...(ask.isGrouped ? { group: "conversation" } : {}),
  };
}

export function isNarrowed({ who, what, agent, when, where }: Ask): boolean {
  return who !== "" || what !== "" || agent !== "" || when !== "" || where !== undefined;
}

/** The same words, anywhere, from anyone, of any time. */
export function widened({ text, order, isGrouped }: Ask): Ask {
  return { ...NOTHING_ASKED, text, order, isGrouped };
}

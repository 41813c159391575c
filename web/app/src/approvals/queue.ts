/** The queue of approvals as it is shown: a page from the server, and what was heard since. Pure. */

import type { Approval, ApprovalState } from "@weir/client";

export interface Filter {
  state: ApprovalState;
  agent?: string;
  tool?: string;
}

export const PENDING: Filter = { state: "pending" };

export function matches(approval: Approval, { state, agent, tool }: Filter): boolean {
  return approval.state === state && (!agent || approval.context.agent === agent) && (!tool || approval.tool === tool);
}

/** Oldest first, as their ids are. One that lies behind what was loaded comes with its page. */
export function put(list: readonly Approval[], approval: Approval, filter: Filter, hasMore: boolean): readonly Approval[] {
  const others = without(list, approval.id);
  const last = list.at(-1);
  const isBehind = hasMore && (last === undefined || approval.id > last.id);
  if (!matches(approval, filter) || isBehind) return others;
  return [...others, approval].sort((one, other) => (one.id < other.id ? -1 : 1));
}

/** Another page behind those that are there. */
export function append(list: readonly Approval[], page: readonly Approval[]): readonly Approval[] {
  const known = new Set(list.map(({ id }) => id));
  return [...list, ...page.filter(({ id }) => !known.has(id))];
}

export function without(list: readonly Approval[], id: string): readonly Approval[] {
  return list.some((approval) => approval.id === id) ? list.filter((approval) => approval.id !== id) : list;
}

/** Those that this person can still do something about. */
export function awaiting(list: readonly Approval[], userId: string): number {
  return list.filter(({ votes = [] }) => !votes.some(({ user_id }) => user_id === userId)).length;
}

/** `99+`. */
export function inFew(count: number, hasMore: boolean): string {
  return count > 99 || hasMore ? "99+" : String(count);
}

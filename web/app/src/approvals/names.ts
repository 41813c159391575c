/** The names of those whom approvals name, each asked for once. */

import type { Approval } from "@weir/client";
import { useEffect, useSyncExternalStore } from "react";
import { api } from "../server";

type Names = ReadonlyMap<string, string>;

let known: Names = new Map();
const asked = new Set<string>();
const listeners = new Set<() => void>();
let last: Promise<void> = Promise.resolve();

/** As far as they are known by now. One's own is not asked for. */
export function useNames(approval: Approval, ownId: string): Names {
  useEffect(() => learn(approval, ownId), [approval, ownId]);
  return useSyncExternalStore(subscribe, namesNow, namesNow);
}

/** One after the other: most approvals of a list name the same people. */
function learn(approval: Approval, ownId: string): void {
  const named = [approval.context.requested_by, ...(approval.votes ?? []).map(({ user_id }) => user_id)];
  const wanted = () => named.filter((id) => id !== ownId && !asked.has(id));
  if (wanted().length === 0) return;
  last = last.then(async () => {
    const ids = wanted();
    if (ids.length === 0) return;
    ids.forEach((id) => asked.add(id));
    try {
      const people = await api.peopleOf(approval.id);
      known = new Map([...known, ...people.map(({ id, name }) => [id, name] as const)]);
      listeners.forEach((listener) => listener());
    } catch {
      // Who may not know it of this approval may know it of another one.
      ids.forEach((id) => asked.delete(id));
    }
  });
}

function namesNow(): Names {
  return known;
}

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** How many approvals wait for this person, beside the navigation and in the title; a new one is said politely. */

import type { FeedEvent, Socket } from "@weir/client";
import { useCallback, useEffect } from "react";
import { announce } from "../look/Announcer";
import { setWaiting } from "../look/pageTitle";
import { awaiting, inFew, PENDING } from "./queue";
import { useQueue } from "./useQueue";

export function usePending(socket: Socket | undefined, userId: string): string {
  const say = useCallback(({ tool }: FeedEvent) => announce(`An approval is asked for: may ${tool ?? "a tool"} run?`), []);
  const { items, hasMore } = useQueue(socket, PENDING, say);
  const count = awaiting(items, userId);
  const waiting = count === 0 && !hasMore ? "" : inFew(count, hasMore);
  useEffect(() => {
    setWaiting(waiting);
    return () => setWaiting("");
  }, [waiting]);
  return waiting;
}

/** A queue of approvals that keeps itself up to date by the feed. */

import type { Approval, FeedEvent, Socket } from "@weir/client";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { api, inWords, isForbidden, isGone } from "../server";
import { append, put, without, type Filter } from "./queue";

export interface Queue {
  items: readonly Approval[];
  isLoading: boolean;
  problem: string | undefined;
  hasMore: boolean;
  more(): void;
  /** What the server answered elsewhere. */
  put(approval: Approval): void;
}

const PAGE = 50;
const AGAIN_AFTER = 2_000;

/** The filter must stay the same. `onAsked` hears what is asked for while one is here. */
export function useQueue(socket: Socket | undefined, filter: Filter, onAsked?: (event: FeedEvent) => void): Queue {
  const [items, setItems] = useState<readonly Approval[]>([]);
  const [next, setNext] = useState<string>();
  const [isLoading, setLoading] = useState(true);
  const [problem, setProblem] = useState<string>();
  const hasMore = useRef(false);
  hasMore.current = next !== undefined;
  const asked = useRef(onAsked);
  asked.current = onAsked;

  const accept = useCallback((approval: Approval) => setItems((list) => put(list, approval, filter, hasMore.current)), [filter]);

  useEffect(() => {
    if (!socket) return;
    let isCurrent = true;
    let unsubscribe = () => {};
    const load = async (): Promise<string> => {
      const page = await api.approvals({ ...filter, limit: PAGE });
      if (isCurrent) {
        setItems(page.items);
        setNext(page.next ?? undefined);
        setProblem(undefined);
        setLoading(false);
      }
      return page.feed_cursor;
    };
    const refresh = async (id: string): Promise<void> => {
      try {
        const approval = await api.approval(id);
        if (isCurrent) accept(approval);
      } catch (error) {
        if (!isCurrent) return;
        if (isGone(error)) setItems((list) => without(list, id));
        else setTimeout(() => isCurrent && void refresh(id), AGAIN_AFTER);
      }
    };
    const hear = (event: FeedEvent) => {
      const { type, approval_id: id, state } = event;
      if (!type.startsWith("approval.") || id === undefined) return;
      if (type === "approval.requested") asked.current?.(event);
      if (state === filter.state) void refresh(id);
      else setItems((list) => without(list, id));
    };
    const begin = async () => {
      while (isCurrent) {
        try {
          const cursor = await load();
          if (isCurrent) unsubscribe = socket.subscribeFeed({ entry: hear, resync: load }, cursor);
          return;
        } catch (error) {
          if (!isCurrent) return;
          setProblem(inWords(error));
          // Who may not decide at all will not be asked.
          if (isForbidden(error)) return setLoading(false);
          await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER));
        }
      }
    };
    setItems([]);
    setLoading(true);
    void begin();
    return () => {
      isCurrent = false;
      unsubscribe();
    };
  }, [socket, filter, accept]);

  const more = useCallback(() => {
    if (next === undefined) return;
    api.approvals({ ...filter, limit: PAGE, after: next }).then(
      (page) => {
        setItems((list) => append(list, page.items));
        setNext(page.next ?? undefined);
      },
      (error: unknown) => setProblem(inWords(error)),
    );
  }, [next, filter]);

  return useMemo(
    () => ({ items, isLoading, problem, hasMore: next !== undefined, more, put: accept }),
    [items, isLoading, problem, next, more, accept],
  );
}

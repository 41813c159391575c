/** The list of conversations: a page from the server, and what the feed says has changed since. */

import type { Conversation, Socket } from "@weir/client";
import { useCallback, useEffect, useMemo, useRef, useState } from "react";
import { announce } from "../look/Announcer";
import { api, inWords, isGone } from "../server";
import { append, put, without } from "./list";
import { forgetBeginning } from "./title";

export interface Conversations {
  items: readonly Conversation[];
  isLoading: boolean;
  problem: string | undefined;
  hasMore: boolean;
  /** Those that have an answer that was not looked at. */
  unread: ReadonlySet<string>;
  more(): void;
  put(conversation: Conversation): void;
  rename(id: string, title: string): Promise<void>;
  archive(id: string, archived: boolean): Promise<void>;
  remove(id: string): Promise<void>;
}

const PAGE = 40;
/** What changes together is asked for once. */
const BREATH = 80;
const AGAIN_AFTER = 2_000;

export function useConversations(socket: Socket | undefined, isArchive: boolean, current: string | undefined): Conversations {
  const [items, setItems] = useState<readonly Conversation[]>([]);
  const [next, setNext] = useState<string | null>(null);
  const [isLoading, setLoading] = useState(true);
  const [problem, setProblem] = useState<string>();
  const [unread, setUnread] = useState<ReadonlySet<string>>(new Set());
  const open = useRef(current);
  open.current = current;

  const accept = useCallback(
    (conversation: Conversation) => {
      if (conversation.title) forgetBeginning(conversation.id);
      setItems((list) => (conversation.archived === isArchive ? put(list, conversation) : without(list, conversation.id)));
    },
    [isArchive],
  );

  useEffect(() => {
    if (!socket) return;
    let isCurrent = true;
    let unsubscribe = () => {};
    const asked = new Map<string, ReturnType<typeof setTimeout>>();

    const load = async (): Promise<string> => {
      const page = await api.conversations({ archived: isArchive, limit: PAGE });
      if (isCurrent) {
        setItems(page.items);
        setNext(page.next);
        setProblem(undefined);
        setLoading(false);
      }
      return page.feed_cursor;
    };
    const refresh = (id: string) => {
      if (asked.has(id)) return;
      const ask = async () => {
        asked.delete(id);
        try {
          const conversation = await api.conversation(id);
          if (isCurrent) accept(conversation);
        } catch (error) {
          if (!isCurrent) return;
          if (isGone(error)) setItems((list) => without(list, id));
          // What was told is known once it was read.
          else asked.set(id, setTimeout(() => void ask(), AGAIN_AFTER));
        }
      };
      asked.set(id, setTimeout(() => void ask(), BREATH));
    };
    const begin = async () => {
      while (isCurrent) {
        try {
          const cursor = await load();
          if (!isCurrent) return;
          unsubscribe = socket.subscribeFeed(
            {
              entry: ({ type, conversation_id: id }) => {
                // Those are of the queue of approvals, and perhaps of a conversation that is not read here.
                if (type.startsWith("approval.")) return;
                if (type === "conversation.unlisted") setItems((list) => without(list, id));
                else refresh(id);
                if (type === "turn.finished" && (id !== open.current || document.hidden)) setUnread((ids) => new Set(ids).add(id));
              },
              resync: load,
            },
            cursor,
          );
          return;
        } catch (error) {
          if (!isCurrent) return;
          setProblem(inWords(error));
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
      for (const timer of asked.values()) clearTimeout(timer);
    };
  }, [socket, isArchive, accept]);

  useEffect(() => {
    if (current === undefined) return;
    const seen = () => {
      if (!document.hidden) setUnread((ids) => (ids.has(current) ? new Set([...ids].filter((id) => id !== current)) : ids));
    };
    seen();
    document.addEventListener("visibilitychange", seen);
    return () => document.removeEventListener("visibilitychange", seen);
  }, [current]);

  const more = useCallback(() => {
    if (next === null) return;
    api.conversations({ archived: isArchive, limit: PAGE, cursor: next }).then(
      (page) => {
        setItems((list) => append(list, page.items));
        setNext(page.next);
      },
      (error: unknown) => setProblem(inWords(error)),
    );
  }, [next, isArchive]);

  const rename = useCallback(async (id: string, title: string) => accept(await api.update(id, { title })), [accept]);
  const archive = useCallback(
    async (id: string, archived: boolean) => {
      accept(await api.update(id, { archived }));
      announce(archived ? "Archived" : "Taken out of the archive");
    },
    [accept],
  );
  const remove = useCallback(async (id: string) => {
    try {
      await api.delete(id);
    } catch (error) {
      if (!isGone(error)) throw error;
    }
    forgetBeginning(id);
    setItems((list) => without(list, id));
    announce("Deleted");
  }, []);

  return useMemo(
    () => ({ items, isLoading, problem, hasMore: next !== null, unread, more, put: accept, rename, archive, remove }),
    [items, isLoading, problem, next, unread, more, accept, rename, archive, remove],
  );
}

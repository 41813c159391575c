/** One conversation as it is now: its snapshot, and every event since. */

import { LiveConversation, type FoldedMessage, type FoldedTurn, type Queued, type Socket } from "@weir/client";
import { useCallback, useEffect, useRef, useState } from "react";
import { api, inWords, isGone } from "../server";
import { useThrough, type Sight } from "./useThrough";

export interface View {
  path: readonly FoldedMessage[];
  turns: ReadonlyMap<string, FoldedTurn>;
  queue: readonly Queued[];
  /** Another branch, where one is looked at. */
  beside: { path: readonly FoldedMessage[]; hasOlder: boolean } | undefined;
  title: string | null;
  isDeleted: boolean;
  hasOlder: boolean;
}

export type Opened = { is: "loading"; problem?: string } | { is: "gone" } | { is: "open"; view: View };

const AGAIN_AFTER = 2_000;

interface Conversation {
  opened: Opened;
  sight: Sight;
  /** Of what is in sight. */
  loadOlder(): Promise<void>;
}

/** With a message, it is the branch which that message is on. */
export function useConversation(id: string, socket: Socket | undefined, message: string | undefined): Conversation {
  const [opened, setOpened] = useState<Opened>({ is: "loading" });
  const live = useRef<LiveConversation>(undefined);

  useEffect(() => {
    if (!socket) return;
    const stop = new AbortController();
    const { signal } = stop;
    const nextFrame = frames(() => {
      const { current } = live;
      if (current && !signal.aborted) setOpened({ is: "open", view: viewOf(current) });
    });
    const open = async () => {
      while (!signal.aborted) {
        try {
          const { live: found, ended } = await LiveConversation.open(api, id, { changed: nextFrame }, { socket, signal });
          if (signal.aborted) return;
          live.current = found;
          nextFrame();
          await ended;
          return;
        } catch (error) {
          if (signal.aborted) return;
          if (isGone(error)) return setOpened({ is: "gone" });
          setOpened((opened) => (opened.is === "open" ? opened : { is: "loading", problem: inWords(error) }));
          await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER));
        }
      }
    };
    void open();
    return () => {
      stop.abort();
      live.current = undefined;
    };
  }, [id, socket]);

  const sight = useThrough(live, opened.is === "open" ? opened.view : undefined, message);
  const isBeside = sight.is === "beside";
  const loadOlder = useCallback(async () => {
    if (isBeside) await live.current?.loadOlderBeside();
    else await live.current?.loadOlder();
  }, [isBeside]);
  return { opened, sight, loadOlder };
}

function viewOf({ fold, beside, hasOlder }: LiveConversation): View {
  const path = beside?.path();
  return {
    path: fold.path(),
    turns: new Map(fold.turns),
    queue: fold.queue,
    beside: path && path.length > 0 ? { path, hasOlder: path[0]?.parent_id != null } : undefined,
    title: fold.title,
    isDeleted: fold.deleted,
    hasOlder,
  };
}

/** Shows what came since the last frame at once. A tab in the background has no frames, and is shown now and then. */
function frames(show: () => void): () => void {
  let isAsked = false;
  return () => {
    if (isAsked) return;
    isAsked = true;
    const now = () => {
      isAsked = false;
      show();
    };
    if (document.hidden) setTimeout(now, 250);
    else requestAnimationFrame(now);
  };
}

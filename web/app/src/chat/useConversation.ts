/** One conversation as it is now: its snapshot, and every event since. */

import { LiveConversation, type ConversationFold, type FoldedMessage, type FoldedTurn, type Queued, type Socket } from "@weir/client";
import { useCallback, useEffect, useRef, useState } from "react";
import { api, inWords, isGone } from "../server";

export interface View {
  path: readonly FoldedMessage[];
  turns: ReadonlyMap<string, FoldedTurn>;
  queue: readonly Queued[];
  title: string | null;
  isDeleted: boolean;
  hasOlder: boolean;
}

export type Opened = { is: "loading"; problem?: string } | { is: "gone" } | { is: "open"; view: View };

const AGAIN_AFTER = 2_000;

export function useConversation(id: string, socket: Socket | undefined): { opened: Opened; loadOlder(): Promise<void> } {
  const [opened, setOpened] = useState<Opened>({ is: "loading" });
  const live = useRef<LiveConversation>(undefined);

  useEffect(() => {
    if (!socket) return;
    const stop = new AbortController();
    const { signal } = stop;
    const nextFrame = frames(() => {
      const { current } = live;
      if (current && !signal.aborted) setOpened({ is: "open", view: viewOf(current.fold, current.hasOlder) });
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

  const loadOlder = useCallback(async () => void (await live.current?.loadOlder()), []);
  return { opened, loadOlder };
}

function viewOf(fold: ConversationFold, hasOlder: boolean): View {
  return {
    path: fold.path(),
    turns: new Map(fold.turns),
    queue: fold.queue,
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

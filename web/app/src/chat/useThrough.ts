/** The branch on which a message is that a link leads to. Looking at it moves nothing. */

import type { FoldedMessage, LiveConversation, TreeNode } from "@weir/client";
import { useEffect, useState, type RefObject } from "react";
import { api, isGone } from "../server";
import { endBelow } from "./through";
import type { View } from "./useConversation";

export type Sight =
  | { is: "current" }
  | { is: "looking" }
  /** Another branch than the current one; on the way from one to the next, the message may not be on it yet. */
  | { is: "beside"; path: readonly FoldedMessage[]; hasOlder: boolean; isReached: boolean }
  /** There is no such message, or no more. */
  | { is: "missing" };

const AGAIN_AFTER = 2_000;
const TREE = 5_000;
const PAGE = 200;

export function useThrough(live: RefObject<LiveConversation | undefined>, view: View | undefined, message: string | undefined): Sight {
  const [missing, setMissing] = useState<string>();
  const has = (path: readonly FoldedMessage[] | undefined) => path?.some(({ id }) => id === message) ?? false;
  const isCurrent = message === undefined || has(view?.path);
  const isBeside = !isCurrent && has(view?.beside?.path);
  const isSought = view !== undefined && !isCurrent && !isBeside && missing !== message;

  useEffect(() => {
    if (isCurrent) live.current?.closeBeside();
  }, [isCurrent, live]);
  useEffect(() => {
    if (!isSought || message === undefined) return;
    let isWanted = true;
    const seek = async () => {
      while (isWanted && live.current) {
        try {
          if (!(await reach(live.current, message, () => isWanted)) && isWanted) setMissing(message);
          return;
        } catch (error) {
          if (!isWanted) return;
          if (isGone(error)) return setMissing(message);
          await new Promise((resolve) => setTimeout(resolve, AGAIN_AFTER));
        }
      }
    };
    void seek();
    return () => {
      isWanted = false;
    };
  }, [isSought, message, live]);

  if (isCurrent) return { is: "current" };
  if (missing === message) return { is: "missing" };
  return view?.beside ? { is: "beside", ...view.beside, isReached: isBeside } : { is: "looking" };
}

/** Loads what leads to a message; whether there is one. */
async function reach(live: LiveConversation, message: string, isWanted: () => boolean): Promise<boolean> {
  const tree = await treeOf(live.id);
  const end = endBelow(tree, message);
  if (end === undefined) return false;
  if (tree.find(({ id }) => id === message)?.on_path) {
    while (isWanted() && !live.fold.messages.has(message) && (await live.loadOlder(PAGE)));
    return live.fold.messages.has(message);
  }
  // Where history was read anew meanwhile, it was not opened.
  while (isWanted() && !live.beside?.messages.has(message)) await live.openBeside(end, message);
  return true;
}

async function treeOf(id: string): Promise<TreeNode[]> {
  const nodes: TreeNode[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const page = await api.tree(id, { limit: TREE, ...(cursor === undefined ? {} : { cursor }) });
    nodes.push(...page.items);
    cursor = page.next ?? null;
  }
  return nodes;
}

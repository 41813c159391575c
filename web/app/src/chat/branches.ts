/** What can be done with the branches of the conversation that is shown. */

import type { FoldedMessage } from "@weir/client";
import { createContext, useContext, useMemo } from "react";
import { complain } from "../look/Toast";
import { go, leaveMessage } from "../route";
import { messageOf } from "./said";
import { api } from "../server";

export interface Branches {
  /** To the end of the branch that a message is on. */
  show(messageId: string): void;
  regenerate(messageId: string): void;
  fork(messageId: string): void;
  /** Asks again in other words, beside the message as it was. */
  edit(message: FoldedMessage, text: string): Promise<void>;
}

const Context = createContext<Branches | undefined>(undefined);

export const BranchesProvider = Context.Provider;

export function useBranches(): Branches | undefined {
  return useContext(Context);
}

/** Where another branch than the current one is looked at, going to its siblings is looking too. */
export function useBranchesOf(id: string, isBeside: boolean): Branches {
  return useMemo(() => {
    // What comes is what is looked at.
    const follow = () => leaveMessage(id);
    return {
      show: (messageId) => {
        if (isBeside) return go({ at: "conversation", id, message: messageId });
        follow();
        void api.setHead(id, messageId, true).catch(complain);
      },
      regenerate: (messageId) => void api.regenerate(id, messageId).then(follow, complain),
      fork: (messageId) =>
        void api.fork(id, messageId).then(({ conversation }) => go({ at: "conversation", id: conversation.id }), complain),
      edit: async (message, text) => {
        const fileIds = message.parts.flatMap((part) => (part.type === "file" ? [part.file_id] : []));
        await api.send(id, { ...messageOf({ text, fileIds }), parent_id: message.parent_id ?? null });
        follow();
      },
    };
  }, [id, isBeside]);
}

/** What can be done with the branches of the conversation that is shown. */

import type { FoldedMessage } from "@weir/client";
import { createContext, useContext, useMemo } from "react";
import { complain } from "../look/Toast";
import { go } from "../route";
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

export function useBranchesOf(id: string): Branches {
  return useMemo(
    () => ({
      show: (messageId) => void api.setHead(id, messageId, true).catch(complain),
      regenerate: (messageId) => void api.regenerate(id, messageId).catch(complain),
      fork: (messageId) =>
        void api.fork(id, messageId).then(({ conversation }) => go({ at: "conversation", id: conversation.id }), complain),
      edit: async (message, text) => {
        await api.send(id, { text, parent_id: message.parent_id ?? null });
      },
    }),
    [id],
  );
}

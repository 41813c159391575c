/** One approval as it is now. */

import type { Approval, Socket } from "@weir/client";
import { useCallback, useEffect, useState } from "react";
import { api, inWords, isForbidden, isGone } from "../server";

export type Found = { is: "loading"; problem?: string } | { is: "gone" } | { is: "there"; approval: Approval };

const AGAIN_AFTER = 2_000;

export function useApproval(id: string, socket: Socket | undefined): [Found, (approval: Approval) => void] {
  const [found, setFound] = useState<Found>({ is: "loading" });
  useEffect(() => {
    if (!socket) return;
    let isCurrent = true;
    let again: ReturnType<typeof setTimeout> | undefined;
    const load = () =>
      void api.approval(id).then(
        (approval) => isCurrent && setFound({ is: "there", approval }),
        (error: unknown) => {
          if (!isCurrent) return;
          if (isGone(error) || isForbidden(error)) return setFound({ is: "gone" });
          setFound((found) => (found.is === "there" ? found : { is: "loading", problem: inWords(error) }));
          again = setTimeout(load, AGAIN_AFTER);
        },
      );
    const unsubscribe = socket.subscribeFeed({
      entry: (event) => event.approval_id === id && load(),
      resync: async () => {
        const { feed_cursor } = await api.approvals({ limit: 1 });
        load();
        return feed_cursor;
      },
      // Between the first look and the feed, and after every break.
      connection: (state) => state === "live" && load(),
    });
    load();
    return () => {
      isCurrent = false;
      clearTimeout(again);
      unsubscribe();
    };
  }, [id, socket]);
  const put = useCallback((approval: Approval) => setFound({ is: "there", approval }), []);
  return [found, put];
}

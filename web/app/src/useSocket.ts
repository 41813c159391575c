/** The one connection of this tab. It comes back by itself, and notices when the session is over. */

import { Socket } from "@weir/client";
import { useEffect, useState } from "react";
import { api, isSignedOut } from "./server";

/** A break that is mended sooner is not worth a word. */
const SAY_AFTER = 700;

export function useSocket(userId: string, onSignedOut: () => void): { socket: Socket | undefined; isOffline: boolean } {
  const [socket, setSocket] = useState<Socket>();
  const [isOffline, setOffline] = useState(false);

  useEffect(() => {
    const stop = new AbortController();
    let sayOffline: ReturnType<typeof setTimeout> | undefined;
    const opened = new Socket(api, {
      signal: stop.signal,
      connection: (state) => {
        if (stop.signal.aborted) return;
        if (state === "live") {
          clearTimeout(sayOffline);
          sayOffline = undefined;
          setOffline(false);
          return;
        }
        sayOffline ??= setTimeout(() => setOffline(true), SAY_AFTER);
        // A socket does not say why it was refused. Perhaps another tab signed out, or somebody else in.
        api.me().then(
          ({ user }) => user.id !== userId && location.reload(),
          (error: unknown) => isSignedOut(error) && !stop.signal.aborted && onSignedOut(),
        );
      },
    });
    void opened.run();
    setSocket(opened);
    return () => {
      stop.abort();
      clearTimeout(sayOffline);
    };
  }, [userId, onSignedOut]);

  return { socket, isOffline };
}

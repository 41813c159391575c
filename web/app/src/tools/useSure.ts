/** Sends something once, however often it is clicked. What it comes to is said by the log, not here. */

import { useCallback, useRef, useState } from "react";
import { inWords } from "../server";

export interface Sure {
  isSending: boolean;
  problem: string | undefined;
  once(send: () => Promise<unknown>): void;
}

export function useSure(): Sure {
  const isSent = useRef(false);
  const [isSending, setSending] = useState(false);
  const [problem, setProblem] = useState<string>();
  const once = useCallback((send: () => Promise<unknown>) => {
    if (isSent.current) return;
    isSent.current = true;
    setSending(true);
    setProblem(undefined);
    send().catch((error: unknown) => {
      isSent.current = false;
      setSending(false);
      setProblem(inWords(error));
    });
  }, []);
  return { isSending, problem, once };
}

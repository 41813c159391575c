/** Tells a screen reader that an answer began, and then the answer, once, when it is whole. */

import { useEffect, useRef } from "react";
import { announce } from "../look/Announcer";
import { plainText, type Exchange } from "./exchange";

/** More is read by moving to it. */
const SPOKEN_CHARS = 600;

export function useAnswerAnnounced(shown: readonly Exchange[], isBusy: boolean): void {
  const wasBusy = useRef(isBusy);
  useEffect(() => {
    if (wasBusy.current === isBusy) return;
    wasBusy.current = isBusy;
    if (isBusy) return announce("The answer is being written.");
    const last = shown.at(-1);
    if (last?.kind !== "answer") return;
    const text = plainText(last.messages);
    announce(text.length > SPOKEN_CHARS ? `Answer, a long one: ${text.slice(0, SPOKEN_CHARS)}…` : `Answer: ${text}`);
  }, [isBusy, shown]);
}

/** How a call stands, as a sign and in words. */

import type { CallState as State } from "@weir/client";
import { Ban, CircleCheck, CircleQuestionMark, CircleSlash, CircleX, Hourglass, TimerOff, Wrench, type LucideIcon } from "lucide-react";
import { Waiting } from "../look/Waiting";

export type Standing = State | "writing" | "discarded";

const SIGNS: Record<Standing, LucideIcon> = {
  writing: Wrench,
  discarded: CircleSlash,
  proposed: Wrench,
  pending: Hourglass,
  approved: CircleCheck,
  started: Wrench,
  succeeded: CircleCheck,
  failed: CircleX,
  unknown: CircleQuestionMark,
  denied: Ban,
  expired: TimerOff,
  cancelled: CircleSlash,
};

const WORDS: Record<Standing, string> = {
  writing: "being written",
  discarded: "discarded, never ran",
  proposed: "called",
  pending: "waits for a decision",
  approved: "approved",
  started: "running",
  succeeded: "done",
  failed: "failed",
  unknown: "outcome unknown",
  denied: "denied",
  expired: "expired: nobody decided in time",
  cancelled: "cancelled, never ran",
};

export function StateSign({ state }: { state: Standing }) {
  const Sign = SIGNS[state];
  return <Sign aria-hidden className="call-sign" />;
}

export function StateWords({ state, words }: { state: Standing; words?: string | undefined }) {
  return (
    <span className="tool-state" data-state={state}>
      {words ?? WORDS[state]}
      {words === undefined && (state === "writing" || state === "started") && <Waiting label="going on" />}
    </span>
  );
}

/** A tool that the model called: which one, with what, what people are asked about it, and what became of it. */

import type { FoldedCall, Part } from "@weir/client";
import { ChevronRight } from "lucide-react";
import { memo, useEffect, useRef } from "react";
import { ApprovalPanel } from "../approvals/ApprovalPanel";
import { Outcome } from "../approvals/Outcome";
import { Exact } from "../look/Exact";
import { AskUser } from "./AskUser";
import { StateSign, StateWords, type Standing } from "./CallState";
import { Json } from "./Json";
import { ToolQuestion } from "./ToolQuestion";
import { Settle } from "./Settle";

interface CallCardProps {
  part: Extract<Part, { type: "tool_call" }>;
  call: FoldedCall | undefined;
  /** Its arguments are still being written. */
  isWritten: boolean;
  /** Its turn has not ended. */
  isLive: boolean;
  /** Somebody tried again what nobody knew the end of. */
  wasRetried: boolean;
}

export const CallCard = memo(function CallCard({ part, call, isWritten, isLive, wasRetried }: CallCardProps) {
  const state: Standing = part.discarded ? "discarded" : isWritten ? "writing" : (call?.state ?? "proposed");
  const approval = call?.approval;
  const isPending = state === "pending" && isLive;
  const asksUser = isPending && call?.tool === "ask_user";
  const isAsked = isPending && approval?.state === "pending";
  // One that was imported never ran here: nobody says of it how it got lost.
  const isOpen = state === "unknown" && !wasRetried && call?.error != null && call.resolved == null;
  const args = call?.args_text ?? part.args_text;
  const summary = useRef<HTMLElement>(null);
  const card = useRef<HTMLElement>(null);
  useFocusKept(card, summary, isAsked || isOpen || asksUser || call?.question != null);
  return (
    <section ref={card} className="call" data-state={state} data-asks={isAsked || asksUser || isOpen || call?.question ? true : undefined} aria-label={`Tool ${part.name}`}>
      <details className="fold tool">
        <summary ref={summary}>
          <StateSign state={state} />
          <code>
            <Exact text={part.name} />
          </code>
          <StateWords state={state} words={inWords(state, call, isAsked, isLive)} />
          <ChevronRight aria-hidden className="fold-mark" />
        </summary>
        <div className="fold-body">
          <Json label="Arguments" text={args} />
          {args !== part.args_text && <Json label="Arguments as the model wrote them" text={part.args_text} />}
          {call?.output != null && <Json label="Result" text={call.output} />}
          {call?.rule != null && (
            <p className="call-note">
              Rule: <code><Exact text={call.rule} /></code>
            </p>
          )}
          {approval && approval.state !== "pending" && <Outcome approval={approval} />}
        </div>
      </details>
      {call?.retry_of != null && <p className="call-note">The same again, because nobody knew whether it had happened.</p>}
      {state === "started" && call?.progress && <ProgressLine progress={call.progress} />}
      {call?.error != null && (
        <p className="call-error">
          <Exact text={call.error} />
        </p>
      )}
      {isAsked && approval && <ApprovalPanel approval={approval} />}
      {asksUser && !isAsked && call && <AskUser call={call} />}
      {call?.question && state === "started" && <ToolQuestion key={call.question.id} callId={call.id} tool={call.tool} question={call.question} />}
      {isOpen && <Settle call={call} canRetry={isLive} />}
    </section>
  );
});

function inWords(state: Standing, call: FoldedCall | undefined, isAsked: boolean, isLive: boolean): string | undefined {
  if (state === "pending" && !isLive) return "not decided";
  if (state === "pending" && call?.tool === "ask_user" && !isAsked) return "asks you";
  if (state === "pending" && call?.waitingFor === "client_tool") return "waits for the program that has this tool";
  if (state === "started" && call?.question) return "asks you";
  if (state === "unknown" && call?.resolved === "succeeded") return "happened, says a person";
  if (state === "unknown" && call?.resolved === "failed") return "did not happen, says a person";
  if (state === "unknown" && call?.resolved === "retry") return "outcome unknown, tried again";
  return undefined;
}

function ProgressLine({ progress }: { progress: NonNullable<FoldedCall["progress"]> }) {
  const { message, fraction } = progress;
  return (
    <div className="call-progress">
      {fraction != null && <progress max={1} value={Math.min(1, Math.max(0, fraction))} aria-label="How far it has come" />}
      {message != null && (
        <span>
          <Exact text={message} />
        </span>
      )}
    </div>
  );
}

/** Who has just decided is not thrown to the top of the page when the buttons go. */
function useFocusKept(card: { current: HTMLElement | null }, summary: { current: HTMLElement | null }, asks: boolean): void {
  const hadFocus = useRef(false);
  useEffect(() => {
    if (!asks) {
      if (hadFocus.current && document.activeElement === document.body) summary.current?.focus({ preventScroll: true });
      hadFocus.current = false;
      return;
    }
    const watch = () => (hadFocus.current = card.current?.contains(document.activeElement) ?? false);
    document.addEventListener("focusin", watch);
    return () => document.removeEventListener("focusin", watch);
  }, [asks, card, summary]);
}

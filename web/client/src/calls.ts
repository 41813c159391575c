/** Tool calls and the approvals about them, as events change them: the same as the server's own fold does. Pure. */

import type { Approval, Call, LoggedEvent, WaitingFor } from "./types.js";

/** A call with what lies beside it. Never changed in place. */
export interface FoldedCall extends Call {
  /** What people are, or were last, asked about it; where one may know. */
  readonly approval?: Approval;
  /** For whom it waits while it is pending; where the log was heard. */
  readonly waitingFor?: WaitingFor;
}

export type CallEvent = Exclude<Extract<LoggedEvent, { call_id: string }>, { type: `approval.${string}` }>;
export type ApprovalEvent = Extract<LoggedEvent, { type: `approval.${string}` }>;

/** What an event about this call makes of it. */
export function evolveCall(call: FoldedCall, event: CallEvent): FoldedCall {
  switch (event.type) {
    case "tool.pending":
      return { ...without(call, "rule"), state: "pending", waitingFor: event.for, ...ruled(event.rule) };
    case "tool.approved": {
      const { args_text } = event;
      const changed = args_text == null ? {} : { args: parsed(args_text), args_text };
      return { ...call, state: "approved", ...changed };
    }
    case "tool.started":
      return { ...call, state: "started", ...ruled(event.rule), ...(event.child_id ? { child_id: event.child_id } : {}) };
    case "tool.progress": {
      const { message, fraction } = event;
      const progress = { ...(message == null ? {} : { message }), ...(fraction == null ? {} : { fraction }) };
      return { ...call, progress };
    }
    case "tool.asked":
      return { ...call, question: event.question };
    case "tool.answered":
      return call.question?.id === event.question_id ? without(call, "question") : call;
    case "tool.succeeded":
      return { ...rested(call), state: "succeeded", output: event.output };
    case "tool.failed":
      return { ...rested(call), state: "failed", error: event.error };
    case "tool.denied":
      return { ...rested(call), state: "denied", error: event.error, ...ruled(event.rule) };
    case "tool.expired":
      return { ...rested(call), state: "expired", error: event.error };
    case "tool.unknown":
      return { ...rested(call), state: "unknown", error: event.error };
    case "tool.cancelled":
      return { ...call, state: "cancelled" };
    case "tool.resolved": {
      // What people know of it counts from here on; that it was unknown stays.
      const resolved = event.as;
      switch (resolved) {
        case "succeeded":
          return { ...call, resolved, output: event.output ?? "" };
        case "failed":
          return { ...call, resolved, error: event.output ?? "it did not happen" };
        case "retry":
          return { ...call, resolved };
      }
    }
  }
}

/** What an event about this approval makes of it. One that was read later than the log may know the vote already. */
export function evolveApproval(approval: Approval, event: Exclude<ApprovalEvent, { type: "approval.requested" }>): Approval {
  switch (event.type) {
    case "approval.voted": {
      const { vote } = event;
      if (approval.votes?.some(({ user_id, at }) => user_id === vote.user_id && at === vote.at)) return approval;
      const decided = vote.changed ? { decided_args: vote.changed.args } : {};
      return { ...approval, ...decided, votes: [...(approval.votes ?? []), vote] };
    }
    case "approval.decided":
      return { ...approval, state: event.outcome === "approve" ? "approved" : "denied" };
    case "approval.closed":
      return { ...approval, state: event.outcome };
  }
}

/** The arguments that were changed last, and run if it is approved now. */
function changedArgs({ votes = [] }: Approval) {
  return votes.findLast(({ changed }) => changed)?.changed ?? undefined;
}

/** What runs if it is approved now, verbatim. */
export function argsThatRun(approval: Approval): string {
  return changedArgs(approval)?.args_text ?? approval.args_text;
}

/** What a decision has to name now. */
export function hashOf(approval: Approval): string {
  return changedArgs(approval)?.args_hash ?? approval.args_hash;
}

/** The votes about the arguments as they are now. */
export function countingVotes({ votes = [] }: Approval) {
  const from = votes.findLastIndex(({ changed }) => changed);
  return votes.slice(Math.max(0, from));
}

function rested(call: FoldedCall): FoldedCall {
  const { progress: _, question: __, ...rest } = call;
  return rest;
}

function without<Key extends keyof FoldedCall>(call: FoldedCall, key: Key): FoldedCall {
  const { [key]: _, ...rest } = call;
  return rest as FoldedCall;
}

function ruled(rule: string | null | undefined): { rule?: string } {
  return rule == null ? {} : { rule };
}

function parsed(args_text: string) {
  try {
    return JSON.parse(args_text) as Record<string, never>;
  } catch {
    return null;
  }
}

/** How an approval ended, and by whom. */

import type { Approval } from "@weir/client";
import { Fragment } from "react";
import { Exact } from "../look/Exact";
import { Name } from "./Name";

const WORDS: Record<Approval["state"], string> = {
  pending: "Not decided yet.",
  approved: "Approved",
  denied: "Denied",
  expired: "Expired: nobody decided in time.",
  withdrawn: "Withdrawn: its turn ended before anyone decided.",
  void: "Void: what was shown is no longer what would run.",
};

export function Outcome({ approval }: { approval: Approval }) {
  const { state, votes = [] } = approval;
  const wanted = state === "approved" ? "approve" : "deny";
  const counted = votes.filter(({ decision }) => decision === wanted);
  const deciders = [...new Set(counted.map(({ user_id }) => user_id))];
  const reason = counted.findLast(({ reason }) => reason != null)?.reason;
  const isDecided = state === "approved" || state === "denied";
  return (
    <p className="call-note" data-outcome={state}>
      {WORDS[state]}
      {isDecided &&
        deciders.map((id, at) => (
          <Fragment key={id}>
            {at === 0 ? " by " : " and "}
            <Name of={approval} id={id} />
          </Fragment>
        ))}
      {isDecided && (reason == null ? "." : <>: <Exact text={reason} /></>)}
      {state === "approved" && votes.some(({ changed }) => changed) && " With changed arguments."}
    </p>
  );
}

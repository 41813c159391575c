import { countingVotes, type Approval } from "@weir/client";
import { memo } from "react";
import { ago } from "../account/useLoaded";
import { Exact } from "../look/Exact";
import { PageLink } from "../look/PageLink";
import { AskingAgent } from "./AskingAgent";
import { Expiry } from "./Expiry";
import { Name } from "./Name";
import { Outcome } from "./Outcome";
import { preview } from "./preview";

interface InboxRowProps {
  approval: Approval;
  isSelected: boolean;
  /** What became of a decision about it. */
  result: string | undefined;
  /** Absent where nothing can be decided any more. */
  onSelect: ((id: string) => void) | undefined;
}

export const InboxRow = memo(function InboxRow({ approval, isSelected, result, onSelect }: InboxRowProps) {
  const { id, tool, context, approvals, state } = approval;
  const { text, left } = preview(approval);
  return (
    <li className="inbox-row" data-approval-id={id} data-selected={isSelected || undefined}>
      {onSelect && <input type="checkbox" aria-label={`Select ${tool}`} checked={isSelected} onChange={() => onSelect(id)} />}
      <div>
        <PageLink to={{ at: "approval", id }} className="inbox-tool">
          <code>
            <Exact text={tool} />
          </code>
        </PageLink>
        <p className="inbox-args" dir="ltr">
          <code>
            <Exact text={text} />
          </code>
          {left > 0 && <PageLink to={{ at: "approval", id }}>… and {left.toLocaleString()} more characters</PageLink>}
        </p>
        <p className="approval-who">
          {context.conversation_title && (
            <>
              <Exact text={context.conversation_title} />
              {" · "}
            </>
          )}
          agent <AskingAgent context={context} /> for <Name of={approval} id={context.requested_by} /> · asked {ago(approval.requested_at)}
          {state === "pending" && (
            <>
              {" · "}
              <Expiry at={approval.expires_at} />
            </>
          )}
          {approvals > 1 && ` · ${countingVotes(approval).length} of ${approvals} approvals`}
        </p>
        {state !== "pending" && <Outcome approval={approval} />}
        {result && (
          <p role="status" className="inbox-result">
            {result}
          </p>
        )}
      </div>
    </li>
  );
});

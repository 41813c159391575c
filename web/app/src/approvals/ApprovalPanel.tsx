/** The question whether a call may run: everything that one has to know, and the buttons that decide. */

import { argsThatRun, countingVotes, hashOf, type Approval } from "@weir/client";
import { ShieldQuestionMark } from "lucide-react";
import { useRef, useState } from "react";
import { Exact } from "../look/Exact";
import { mayDecide, useMe } from "../me";
import { Json } from "../tools/Json";
import { AskingAgent } from "./AskingAgent";
import { ChangeNotice } from "./ChangeNotice";
import { Decide } from "./Decide";
import { Expiry } from "./Expiry";
import { Name } from "./Name";

interface ApprovalPanelProps {
  approval: Approval;
  /** The approval as the server says that it is by now, where nothing else tells. */
  onNews?: ((approval: Approval) => void) | undefined;
}

export function ApprovalPanel({ approval, onNews }: ApprovalPanelProps) {
  const me = useMe();
  const [seen, setSeen] = useState(approval);
  const last = approval.votes?.findLast(({ changed }) => changed);
  /** One's own change, made right here, is no news. */
  const wasChangedHere = useRef(false);
  const isOwn = wasChangedHere.current && last?.user_id === me.user.id;
  const isNews = hashOf(seen) !== hashOf(approval) && !isOwn;
  const { context } = approval;
  return (
    <section className="approval" role="group" aria-label={`May ${approval.tool} run?`}>
      <p className="approval-title">
        <ShieldQuestionMark aria-hidden />
        <span>
          May <code><Exact text={approval.tool} /></code> run with exactly this?
        </span>
      </p>
      <p className="approval-who">
        Asked for by the agent <AskingAgent context={context} /> for <Name of={approval} id={context.requested_by} />
        {" · "}
        <Expiry at={approval.expires_at} />
        {approval.approvals > 1 && ` · ${countingVotes(approval).length} of ${approval.approvals} approvals`}
      </p>
      {isNews ? (
        <ChangeNotice before={argsThatRun(seen)} after={argsThatRun(approval)} by={<Name of={approval} id={last?.user_id ?? ""} />} onSeen={() => setSeen(approval)} />
      ) : (
        <Json label="Arguments" text={argsThatRun(approval)} />
      )}
      {!isNews && last && <Json label="Arguments as the model wrote them" text={approval.args_text} />}
      <About approval={approval} />
      <Votes approval={approval} />
      {!mayDecide(me, approval) ? (
        <p className="call-note">
          {approval.required_role === "owner" ? "An owner" : `At least a person with the role “${approval.required_role ?? ""}”`} of the workspace decides about this.
        </p>
      ) : (
        !isNews && <Decide key={hashOf(approval)} approval={approval} onChanging={() => (wasChangedHere.current = true)} onNews={onNews} />
      )}
    </section>
  );
}

/** What it is that would run. */
function About({ approval: { context } }: { approval: Approval }) {
  const { tool, sibling_calls, rule } = context;
  return (
    <details className="approval-about">
      <summary>
        About this tool{sibling_calls.length > 0 && `, and ${sibling_calls.length} other ${sibling_calls.length === 1 ? "call" : "calls"} beside it`}
      </summary>
      <dl>
        <dt>Description</dt>
        <dd>
          <Exact text={tool.description} />
        </dd>
        <dt>From</dt>
        <dd>
          <Exact text={tool.source} />
        </dd>
        {rule != null && (
          <>
            <dt>Asked by the rule</dt>
            <dd>
              <code><Exact text={rule} /></code>
            </dd>
          </>
        )}
      </dl>
      {sibling_calls.map(({ call_id, tool, args_text }) => (
        <Json key={call_id} label={`Beside it: ${tool}`} text={args_text} />
      ))}
      <Json label="What it takes (JSON Schema)" text={JSON.stringify(tool.schema)} />
    </details>
  );
}

/** What others said so far, where one yes is not enough. */
function Votes({ approval }: { approval: Approval }) {
  const votes = countingVotes(approval);
  if (votes.length === 0) return null;
  return (
    <ul className="approval-votes" aria-label="Votes">
      {votes.map(({ user_id, decision, at, reason }) => (
        <li key={`${user_id} ${at}`}>
          <Name of={approval} id={user_id} /> {decision === "approve" ? "approved" : "denied"}
          {reason != null && (
            <>
              : <Exact text={reason} />
            </>
          )}
        </li>
      ))}
    </ul>
  );
}

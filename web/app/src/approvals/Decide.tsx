/** The buttons: approve, approve with other arguments, deny with a reason, and not to be asked again. */

import { argsThatRun, countingVotes, hashOf, WeirError, type Approval, type DecideRequest } from "@weir/client";
import { useEffect, useRef, useState, type FormEvent } from "react";
import { useMe } from "../me";
import { api, inWords } from "../server";
import { EditArgs } from "./EditArgs";
import { NOT_REMEMBERED, Remember, remembered, type Memory } from "./Remember";
import { approvalIn, misfitsIn } from "./refusal";

interface DecideProps {
  approval: Approval;
  /** Other arguments are on their way. */
  onChanging(): void;
  onNews: ((approval: Approval) => void) | undefined;
}

type Mode = "buttons" | "deny" | "edit";

export function Decide({ approval, onChanging, onNews }: DecideProps) {
  const me = useMe();
  const [mode, setMode] = useState<Mode>("buttons");
  const [memory, setMemory] = useState<Memory>(NOT_REMEMBERED);
  const { isSending, problem, refused, decide } = useDecision(approval, onNews);
  const hasVoted = countingVotes(approval).some(({ user_id }) => user_id === me.user.id);
  const back = () => setMode("buttons");

  const remember = remembered(memory, new Date());
  const approve = (args?: Record<string, unknown>) => {
    if (args) onChanging();
    decide({ decision: "approve", args_hash: hashOf(approval), ...(args ? { args } : {}), ...(remember && !args ? { remember } : {}) });
  };
  return (
    <div className="decide">
      {problem && (
        <p role="alert" className="form-error">
          {problem}
        </p>
      )}
      {mode === "edit" ? (
        <EditArgs
          text={argsThatRun(approval)}
          schema={approval.context.tool.schema}
          refused={misfitsIn(refused)}
          isSending={isSending}
          onApprove={approve}
          onCancel={back}
        />
      ) : mode === "deny" ? (
        <Deny isSending={isSending} onCancel={back} onDeny={(reason) => decide({ decision: "deny", args_hash: hashOf(approval), ...(reason === "" ? {} : { reason }) })} />
      ) : (
        <>
          {hasVoted ? (
            <p className="call-note">You approved this. Another person has to, too.</p>
          ) : (
            <Remember memory={memory} tool={approval.tool} onChange={setMemory} />
          )}
          <div className="ask-buttons">
            {!hasVoted && (
              <button type="button" className="button small primary" disabled={isSending} onClick={() => approve()}>
                {remember ? "Approve and remember" : "Approve"}
              </button>
            )}
            <button type="button" className="button small" disabled={isSending} onClick={() => setMode("deny")}>
              Deny…
            </button>
            <button type="button" className="button small quiet" disabled={isSending} onClick={() => setMode("edit")}>
              Edit arguments…
            </button>
          </div>
        </>
      )}
    </div>
  );
}

function Deny({ isSending, onDeny, onCancel }: { isSending: boolean; onDeny(reason: string): void; onCancel(): void }) {
  const [reason, setReason] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    onDeny(reason.trim());
  };
  return (
    <form onSubmit={submit}>
      <label className="ask-field">
        Why not? The model is told (optional)
        <textarea autoFocus rows={2} maxLength={2000} value={reason} disabled={isSending} onChange={(event) => setReason(event.target.value)} />
      </label>
      <div className="ask-buttons">
        <button type="submit" className="button small danger" disabled={isSending}>
          Deny
        </button>
        <button type="button" className="button small quiet" disabled={isSending} onClick={onCancel}>
          Cancel
        </button>
      </div>
    </form>
  );
}

interface Decision {
  isSending: boolean;
  problem: string | undefined;
  refused: unknown;
  decide(request: DecideRequest): void;
}

/**
 * Sends one decision, however often it is clicked. The buttons stay still until the approval itself has changed: what
 * happened is what the log says.
 */
function useDecision(approval: Approval, onNews: DecideProps["onNews"]): Decision {
  const isSent = useRef(false);
  const [isSending, setSending] = useState(false);
  const [refused, setRefused] = useState<unknown>();
  useEffect(() => {
    isSent.current = false;
    setSending(false);
  }, [approval]);
  const decide = (request: DecideRequest) => {
    if (isSent.current) return;
    isSent.current = true;
    setSending(true);
    setRefused(undefined);
    api.decide(approval.id, request).then(onNews, (error: unknown) => {
      isSent.current = false;
      setSending(false);
      setRefused(error);
      const now = approvalIn(error);
      if (now) onNews?.(now);
    });
  };
  const isOfArgs = misfitsIn(refused).length > 0;
  return { isSending, problem: refused === undefined || isOfArgs ? undefined : words(refused), refused, decide };
}

function words(error: unknown): string {
  if (error instanceof WeirError && error.type === "approval-closed") {
    return `This was decided elsewhere: ${approvalIn(error)?.state ?? "it is closed"}.`;
  }
  if (error instanceof WeirError && error.type === "approval-changed") return "The arguments were changed. Nothing was decided.";
  return inWords(error);
}

/** One decision about several approvals, each on its own. */

import type { DecidedItem, VoteDecision } from "@weir/client";
import { useRef, useState, type FormEvent } from "react";
import { api, inWords } from "../server";

interface BulkProps {
  /** Those that were selected, as they were seen. */
  items: readonly { id: string; args_hash: string }[];
  /** Their whole arguments are on the screen. */
  isAllSeen: boolean;
  isAllSelected: boolean;
  onSelectAll(all: boolean): void;
  onDecided(decided: readonly DecidedItem[], decision: VoteDecision): void;
}

/** The server takes so many at once. */
const AT_ONCE = 100;

export function Bulk({ items, isAllSeen, isAllSelected, onSelectAll, onDecided }: BulkProps) {
  const [isDenying, setDenying] = useState(false);
  const [reason, setReason] = useState("");
  const [isSending, setSending] = useState(false);
  const [problem, setProblem] = useState<string>();
  const isSent = useRef(false);

  const decide = async (decision: VoteDecision, reason?: string) => {
    if (isSent.current) return;
    isSent.current = true;
    setSending(true);
    setProblem(undefined);
    const decided: DecidedItem[] = [];
    try {
      for (let from = 0; from < items.length; from += AT_ONCE) {
        decided.push(...(await api.decideMany(items.slice(from, from + AT_ONCE), decision, reason)));
      }
      setDenying(false);
      setReason("");
    } catch (error) {
      setProblem(inWords(error));
    } finally {
      isSent.current = false;
      setSending(false);
      if (decided.length > 0) onDecided(decided, decision);
    }
  };
  const deny = (event: FormEvent) => {
    event.preventDefault();
    void decide("deny", reason.trim() === "" ? undefined : reason.trim());
  };
  const isNone = items.length === 0;
  return (
    <form className="bulk" aria-label="Decide about those selected" onSubmit={deny}>
      <label>
        <input type="checkbox" checked={isAllSelected} onChange={(event) => onSelectAll(event.target.checked)} />
        {isNone ? "Select all" : `${items.length} selected`}
      </label>
      {problem && (
        <p role="alert" className="form-error">
          {problem}
        </p>
      )}
      {isDenying ? (
        <>
          <input aria-label="Why not? The models are told (optional)" placeholder="Why not? (optional)" autoFocus maxLength={2000} value={reason} onChange={(event) => setReason(event.target.value)} />
          <button type="submit" className="button small danger" disabled={isSending || isNone}>
            Deny {items.length}
          </button>
          <button type="button" className="button small quiet" disabled={isSending} onClick={() => setDenying(false)}>
            Cancel
          </button>
        </>
      ) : (
        <>
          {!isNone && !isAllSeen && <small id="bulk-hint">Some arguments are too long to be seen here. Open those to approve them.</small>}
          <span className="composer-space" />
          <button
            type="button"
            className="button small primary"
            aria-describedby={isAllSeen ? undefined : "bulk-hint"}
            disabled={isSending || isNone || !isAllSeen}
            onClick={() => void decide("approve")}
          >
            Approve
          </button>
          <button type="button" className="button small" disabled={isSending || isNone} onClick={() => setDenying(true)}>
            Deny…
          </button>
        </>
      )}
    </form>
  );
}

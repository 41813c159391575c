/** A call that was started, and of which nobody knows whether it happened: a person says so. */

import type { FoldedCall, Resolution } from "@weir/client";
import { useState } from "react";
import { api } from "../server";
import { useSure } from "./useSure";

interface SettleProps {
  call: FoldedCall;
  /** Its turn has not ended. */
  canRetry: boolean;
}

export function Settle({ call, canRetry }: SettleProps) {
  const [word, setWord] = useState("");
  const { isSending, problem, once } = useSure();
  const settle = (as: Resolution) => once(() => api.resolveCall(call.id, as, word.trim() === "" ? undefined : word));
  return (
    <div className="ask" role="group" aria-label={`What became of ${call.tool}?`}>
      <p>
        <strong>Nobody knows whether it happened.</strong> It was started, and its end was lost. Have a look where it acts, and say what you found.
      </p>
      <label className="ask-field">
        What the model should know of it (optional)
        <input value={word} onChange={(event) => setWord(event.target.value)} />
      </label>
      {problem && <p role="alert" className="form-error">{problem}</p>}
      <div className="ask-buttons">
        <button type="button" className="button small" disabled={isSending} onClick={() => settle("succeeded")}>
          It happened
        </button>
        <button type="button" className="button small" disabled={isSending} onClick={() => settle("failed")}>
          It did not
        </button>
        {canRetry && (
          <button type="button" className="button small" disabled={isSending} onClick={() => settle("retry")}>
            Try again
          </button>
        )}
      </div>
    </div>
  );
}

/** A question of the model to the person, answered by a choice or in words. */

import type { FoldedCall } from "@weir/client";
import { useId, useState, type FormEvent } from "react";
import { Exact } from "../look/Exact";
import { api } from "../server";
import { useSure } from "./useSure";
import { questionOf } from "./question";

export function AskUser({ call }: { call: FoldedCall }) {
  const { question, choices, allowsText, isMultiple } = questionOf(call);
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const [text, setText] = useState("");
  const { isSending, problem, once } = useSure();
  const id = useId();

  const answer = (output: string) => once(() => api.endCall(call.id, { output }));
  const toggle = (choice: string) => setChosen(chosen.includes(choice) ? chosen.filter((other) => other !== choice) : [...chosen, choice]);
  const words = text.trim();
  const submit = (event: FormEvent) => {
    event.preventDefault();
    const all = [...choices.filter((choice) => chosen.includes(choice)), ...(words === "" ? [] : [words])];
    if (all.length > 0) answer(all.join("\n"));
  };
  return (
    <form className="ask" aria-labelledby={id} onSubmit={submit}>
      <p id={id} className="ask-question">
        <Exact text={question} />
      </p>
      {choices.length > 0 && (
        <div className="ask-choices" role="group" aria-labelledby={id}>
          {choices.map((choice) =>
            isMultiple ? (
              <label key={choice} className="ask-choice">
                <input type="checkbox" disabled={isSending} checked={chosen.includes(choice)} onChange={() => toggle(choice)} />
                <span>
                  <Exact text={choice} />
                </span>
              </label>
            ) : (
              <button key={choice} type="button" className="button small" disabled={isSending} onClick={() => answer(choice)}>
                <Exact text={choice} />
              </button>
            ),
          )}
        </div>
      )}
      {allowsText && (
        <label className="ask-field">
          {choices.length > 0 ? "Or in your own words" : "Your answer"}
          <input value={text} disabled={isSending} onChange={(event) => setText(event.target.value)} />
        </label>
      )}
      {problem && (
        <p role="alert" className="form-error">
          {problem}
        </p>
      )}
      <div className="ask-buttons">
        {(allowsText || isMultiple) && (
          <button type="submit" className="button small primary" disabled={isSending || (words === "" && chosen.length === 0)}>
            Answer
          </button>
        )}
        <button
          type="button"
          className="button small quiet"
          disabled={isSending}
          onClick={() => once(() => api.endCall(call.id, { error: "the person did not want to answer" }))}
        >
          Don’t answer
        </button>
      </div>
    </form>
  );
}

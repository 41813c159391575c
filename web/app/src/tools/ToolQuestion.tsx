/** What a running tool asks of a person: a small form, or an address to go to. */

import type { JsonSchema, Question } from "@weir/client";
import { useId, useState, type FormEvent } from "react";
import { Exact } from "../look/Exact";
import { api } from "../server";
import { contentOf, defaultsOf, fieldsOf, type Field, type Filled } from "./question";
import { useSure } from "./useSure";

interface ToolQuestionProps {
  callId: string;
  tool: string;
  question: Question;
}

export function ToolQuestion({ callId, tool, question }: ToolQuestionProps) {
  const schema = (question.schema ?? {}) as JsonSchema;
  const [filled, setFilled] = useState<Filled>(() => defaultsOf(schema));
  const [wasTried, setTried] = useState(false);
  const { isSending, problem, once } = useSure();
  const id = useId();
  const { content, misfits } = contentOf(schema, filled);

  const answer = (action: "accept" | "decline" | "cancel") =>
    once(() => api.answerCall(callId, { question_id: question.id, action, ...(action === "accept" ? { content } : {}) }));
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setTried(true);
    if (misfits.length === 0) answer("accept");
  };
  return (
    <form className="ask" aria-labelledby={id} noValidate onSubmit={submit}>
      <p id={id} className="ask-question">
        <Exact text={question.message} />
      </p>
      <p className="call-note">
        The tool <code><Exact text={tool} /></code> asks, not Weir. Give it no password.
      </p>
      {question.url != null && <Address url={question.url} />}
      {fieldsOf(schema).map((field) => (
        <FieldView
          key={field.name}
          field={field}
          value={filled[field.name] ?? ""}
          problem={wasTried ? misfits.find(({ pointer }) => pointer === `/${field.name}`)?.detail : undefined}
          onChange={(value) => setFilled({ ...filled, [field.name]: value })}
        />
      ))}
      {problem && (
        <p role="alert" className="form-error">
          {problem}
        </p>
      )}
      <div className="ask-buttons">
        <button type="submit" className="button small primary" disabled={isSending}>
          {question.url == null ? "Answer" : "I have done so"}
        </button>
        <button type="button" className="button small" disabled={isSending} onClick={() => answer("decline")}>
          Decline
        </button>
        <button type="button" className="button small quiet" disabled={isSending} onClick={() => answer("cancel")}>
          Not now
        </button>
      </div>
    </form>
  );
}

/** The whole of it is read before one goes there. */
function Address({ url }: { url: string }) {
  const isWeb = /^https?:\/\//i.test(url);
  return (
    <p className="ask-address">
      <code>
        <Exact text={url} />
      </code>
      {isWeb && (
        <a href={url} target="_blank" rel="noopener noreferrer nofollow">
          Open it in a new tab
        </a>
      )}
    </p>
  );
}

interface FieldViewProps {
  field: Field;
  value: string | boolean;
  problem: string | undefined;
  onChange(value: string | boolean): void;
}

function FieldView({ field, value, problem, onChange }: FieldViewProps) {
  const id = useId();
  const said = { id, "aria-invalid": problem !== undefined, "aria-describedby": `${id}-hint` };
  return (
    <div className="ask-field">
      <label htmlFor={id}>
        <Exact text={field.label} />
        {!field.isRequired && field.kind !== "yes or no" && " (optional)"}
      </label>
      {field.kind === "yes or no" ? (
        <input {...said} type="checkbox" checked={value === true} onChange={(event) => onChange(event.target.checked)} />
      ) : field.kind === "choice" ? (
        <select {...said} value={String(value)} onChange={(event) => onChange(event.target.value)}>
          <option value="">—</option>
          {field.choices.map(({ value, label }) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
      ) : (
        <input
          {...said}
          type={field.kind === "number" ? "number" : field.input}
          step={field.kind === "number" ? field.step : undefined}
          value={String(value)}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
      <small id={`${id}-hint`} data-bad={problem !== undefined || undefined}>
        {problem ?? <Exact text={field.hint ?? ""} />}
      </small>
    </div>
  );
}

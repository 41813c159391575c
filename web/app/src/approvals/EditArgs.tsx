/** Other arguments than the model's, as JSON that is checked while one writes. */

import type { JsonSchema } from "@weir/client";
import { useId, useMemo, useState, type FormEvent } from "react";
import { Exact } from "../look/Exact";
import { laidOut, parseJson } from "../tools/json";
import { misfits, type Misfit } from "../tools/schema";

interface EditArgsProps {
  text: string;
  schema: unknown;
  /** What the server said of what was sent last. */
  refused: readonly Misfit[];
  isSending: boolean;
  onApprove(args: Record<string, unknown>): void;
  onCancel(): void;
}

export function EditArgs({ text: given, schema, refused, isSending, onApprove, onCancel }: EditArgsProps) {
  const [text, setText] = useState(() => laidOut(given)?.text ?? given);
  const [sent, setSent] = useState<string>();
  const checked = useMemo(() => check(text, schema), [text, schema]);
  const id = useId();
  const shown = [...checked.misfits, ...(sent === text ? refused : [])];
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!checked.args) return;
    setSent(text);
    onApprove(checked.args);
  };
  return (
    <form onSubmit={submit}>
      <label className="ask-field">
        Arguments, as JSON
        <textarea
          className="edit-args"
          autoFocus
          dir="ltr"
          spellCheck={false}
          autoCapitalize="off"
          rows={Math.min(20, text.split("\n").length + 1)}
          value={text}
          disabled={isSending}
          aria-invalid={shown.length > 0}
          aria-describedby={id}
          onChange={(event) => setText(event.target.value)}
        />
      </label>
      <ul id={id} className="misfits" aria-live="polite">
        {shown.map(({ pointer, detail }) => (
          <li key={`${pointer} ${detail}`}>
            {pointer !== "" && <code><Exact text={pointer} /></code>} <Exact text={detail} />
          </li>
        ))}
      </ul>
      <div className="ask-buttons">
        <button type="submit" className="button small primary" disabled={isSending || !checked.args}>
          Approve with these arguments
        </button>
        <button type="button" className="button small quiet" disabled={isSending} onClick={onCancel}>
          Cancel
        </button>
      </div>
    </form>
  );
}

/** The arguments, where nothing is wrong with them. */
export function check(text: string, schema: unknown): { args?: Record<string, unknown>; misfits: Misfit[] } {
  const parsed = parseJson(text);
  if ("problem" in parsed) return { misfits: [{ pointer: "", detail: parsed.problem }] };
  const { value } = parsed;
  if (typeof value !== "object" || value === null || Array.isArray(value)) return { misfits: [{ pointer: "", detail: "has to be an object" }] };
  const repeated = laidOut(text)?.repeated ?? [];
  const found = [
    ...repeated.map((name) => ({ pointer: "", detail: `${name} stands more than once` })),
    ...(typeof schema === "object" && schema !== null ? misfits(schema as JsonSchema, value) : []),
  ];
  return found.length > 0 ? { misfits: found } : { args: value as Record<string, unknown>, misfits: [] };
}

/** The quiet card that one stands before. */

import { useId, useState, type FormEvent, type InputHTMLAttributes, type ReactNode } from "react";
import { Logo } from "../look/Logo";
import { Waiting } from "../look/Waiting";
import { inWords } from "../server";

export function Door({ title, children }: { title: string; children: ReactNode }) {
  return (
    <main className="door">
      <div className="door-card">
        <Logo size={44} />
        <h1>{title}</h1>
        {children}
      </div>
    </main>
  );
}

interface DoorFormProps {
  submit: string;
  onSubmit(): Promise<void>;
  children: ReactNode;
}

export function DoorForm({ submit, onSubmit, children }: DoorFormProps) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<string>();
  const onForm = (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    onSubmit().catch((failure: unknown) => {
      setError(inWords(failure));
      setBusy(false);
    });
  };
  return (
    <form className="door-form" onSubmit={onForm}>
      {children}
      {error && (
        <p role="alert" className="form-error">
          {error}
        </p>
      )}
      <button type="submit" className="button primary" disabled={busy}>
        {busy ? <Waiting label="One moment" /> : submit}
      </button>
    </form>
  );
}

interface FieldProps extends Omit<InputHTMLAttributes<HTMLInputElement>, "onChange"> {
  label: string;
  hint?: string;
  onChange(value: string): void;
}

export function Field({ label, hint, onChange, ...input }: FieldProps) {
  const id = useId();
  const hintId = useId();
  return (
    <div className="field">
      <label htmlFor={id}>{label}</label>
      <input id={id} aria-describedby={hint ? hintId : undefined} onChange={(event) => onChange(event.target.value)} {...input} />
      {hint && <small id={hintId}>{hint}</small>}
    </div>
  );
}

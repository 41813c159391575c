import { useState } from "react";

/** Asks once more, in its own place. */
export function Revoke({ name, onRevoke }: { name: string; onRevoke(): void }) {
  const [isSure, setSure] = useState(false);
  if (!isSure) {
    return (
      <button type="button" className="button small" aria-label={`Revoke ${name}`} onClick={() => setSure(true)}>
        Revoke
      </button>
    );
  }
  return (
    <button type="button" className="button small danger" autoFocus onBlur={() => setSure(false)} onClick={onRevoke}>
      Really revoke
    </button>
  );
}

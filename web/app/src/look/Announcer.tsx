/** Says things to a screen reader, politely, and shows nothing. */

import { useSyncExternalStore } from "react";

let said = "";
const heard = new Set<() => void>();

export function announce(text: string): void {
  // The same again is news too.
  said = said === text ? `${text}\u00a0` : text;
  for (const tell of heard) tell();
}

export function Announcer() {
  const text = useSyncExternalStore(listen, () => said);
  return (
    <div role="status" aria-live="polite" className="unseen">
      {text}
    </div>
  );
}

function listen(tell: () => void): () => void {
  heard.add(tell);
  return () => heard.delete(tell);
}

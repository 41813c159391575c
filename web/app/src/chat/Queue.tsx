/** Messages that wait for the answer before them. They can still be changed, or taken back. */

import { textOf, type Queued } from "@weir/client";
import { Clock, Pencil, X } from "lucide-react";
import { useState, type KeyboardEvent } from "react";
import { complain } from "../look/Toast";
import { api } from "../server";

export function Queue({ conversationId, queue }: { conversationId: string; queue: readonly Queued[] }) {
  if (queue.length === 0) return null;
  return (
    <ul className="queue" aria-label="Messages that wait">
      {queue.map((queued) => (
        <Waits key={queued.turnId} conversationId={conversationId} queued={queued} />
      ))}
    </ul>
  );
}

function Waits({ conversationId, queued }: { conversationId: string; queued: Queued }) {
  const text = queued.parts.map(textOf).join("");
  const [edited, setEdited] = useState<string>();
  const save = () => {
    const changed = edited?.trim();
    if (!changed || changed === text) return setEdited(undefined);
    api.editQueued(conversationId, queued.turnId, changed).then(() => setEdited(undefined), complain);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      save();
    }
    if (event.key === "Escape") setEdited(undefined);
  };
  return (
    <li>
      <Clock aria-hidden />
      {edited === undefined ? (
        <>
          <span className="queue-text">{text}</span>
          <button type="button" className="icon-button small" aria-label="Edit this message" title="Edit" onClick={() => setEdited(text)}>
            <Pencil aria-hidden />
          </button>
          <button
            type="button"
            className="icon-button small"
            aria-label="Withdraw this message"
            title="Withdraw"
            onClick={() => void api.withdraw(conversationId, queued.turnId).catch(complain)}
          >
            <X aria-hidden />
          </button>
        </>
      ) : (
        <>
          <textarea aria-label="Message that waits" rows={1} autoFocus value={edited} onChange={(event) => setEdited(event.target.value)} onKeyDown={onKeyDown} />
          <button type="button" className="button small" onClick={save}>
            Save
          </button>
          <button type="button" className="button quiet small" onClick={() => setEdited(undefined)}>
            Cancel
          </button>
        </>
      )}
    </li>
  );
}

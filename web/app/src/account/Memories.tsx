import { useState, type FormEvent } from "react";
import { Exact } from "../look/Exact";
import { complain } from "../look/Toast";
import { changeMemory, forgetMemory, memories, type Memory } from "./calls";
import { ago, useLoaded } from "./useLoaded";

/** What agents noted about this person: to be read, put right and struck out. Who has none is spared the heading. */
export function Memories() {
  const { found, problem, reload } = useLoaded(memories);
  if (!problem && (found === undefined || found.length === 0)) return null;
  return (
    <section className="panel" aria-labelledby="memories">
      <h3 id="memories">What agents noted about you</h3>
      {problem && <p role="alert">{problem}</p>}
      <ul className="entries">
        {found?.map((memory) => (
          <Note key={memory.id} memory={memory} onChanged={reload} />
        ))}
      </ul>
    </section>
  );
}

function Note({ memory, onChanged }: { memory: Memory; onChanged(): void }) {
  const { id, agent, text, updated_at } = memory;
  const [edited, setEdited] = useState<string>();
  const save = (event: FormEvent) => {
    event.preventDefault();
    if (edited === undefined) return;
    changeMemory(id, edited).then(() => {
      setEdited(undefined);
      onChanged();
    }, complain);
  };
  if (edited !== undefined) {
    return (
      <li>
        <form className="note" onSubmit={save}>
          <input aria-label="What the agent knows" autoFocus maxLength={500} required value={edited} onChange={(event) => setEdited(event.target.value)} />
          <button type="submit" className="button small primary">
            Save
          </button>
          <button type="button" className="button small quiet" onClick={() => setEdited(undefined)}>
            Cancel
          </button>
        </form>
      </li>
    );
  }
  return (
    <li>
      <div>
        <Exact text={text} />
        <small>
          agent <Exact text={agent} /> · {ago(updated_at)}
        </small>
      </div>
      <button type="button" className="button small" aria-label={`Change: ${text}`} onClick={() => setEdited(text)}>
        Change
      </button>
      <button type="button" className="button small" aria-label={`Forget: ${text}`} onClick={() => void forgetMemory(id).then(onChanged, complain)}>
        Forget
      </button>
    </li>
  );
}

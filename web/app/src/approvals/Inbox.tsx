/** What waits for a decision, over all conversations; and what became of it. */

import { hashOf, type Approval, type ApprovalState, type DecidedItem, type Socket, type VoteDecision } from "@weir/client";
import { useEffect, useMemo, useState } from "react";
import type { Catalogue } from "../chat/catalogue";
import { ChatHead } from "../chat/ChatHead";
import { announce } from "../look/Announcer";
import { setPageTitle } from "../look/pageTitle";
import { Waiting } from "../look/Waiting";
import { sentence } from "../server";
import { Bulk } from "./Bulk";
import { InboxRow } from "./InboxRow";
import { isWhollyShown } from "./preview";
import type { Filter } from "./queue";
import { useQueue } from "./useQueue";

interface InboxProps {
  socket: Socket | undefined;
  catalogue: Catalogue;
  onOpenList(): void;
}

export function Inbox({ socket, catalogue, onOpenList }: InboxProps) {
  const [state, setState] = useState<ApprovalState>("pending");
  const [agent, setAgent] = useState("");
  const [tool, setTool] = useState("");
  const filter = useMemo<Filter>(() => ({ state, ...(agent ? { agent } : {}), ...(tool ? { tool } : {}) }), [state, agent, tool]);
  const queue = useQueue(socket, filter);
  const { items } = queue;
  const [selected, setSelected] = useState<ReadonlySet<string>>(new Set());
  const [results, setResults] = useState<ReadonlyMap<string, string>>(new Map());
  useEffect(() => setPageTitle("Approvals"), []);
  useEffect(() => setSelected(new Set()), [filter]);

  const tools = useKnown(items, tool, catalogue);
  const chosen = items.filter(({ id }) => selected.has(id));
  const toggle = (id: string) => setSelected((ids) => toggled(ids, id));
  const onDecided = (decided: readonly DecidedItem[], decision: VoteDecision) => {
    const told = new Map<string, string>();
    for (const { id, approval, problem } of decided) {
      if (approval) queue.put(approval);
      if (problem) told.set(id, sentence(problem.detail));
      else if (approval?.state === "pending") told.set(id, "You approved; another person has to, too.");
    }
    setResults(told);
    setSelected(new Set(decided.filter(({ problem }) => problem).map(({ id }) => id)));
    const done = decided.filter(({ problem }) => !problem).length;
    announce(`${done} of ${decided.length} ${decision === "approve" ? "approved" : "denied"}.`);
  };

  return (
    <main className="chat">
      <ChatHead title="Approvals" onOpenList={onOpenList} />
      <div className="inbox" role="region" aria-label="Approvals" tabIndex={-1}>
        <form className="inbox-filters" aria-label="Show" onSubmit={(event) => event.preventDefault()}>
          <select aria-label="State" value={state} onChange={({ target }) => setState(target.value as ApprovalState)}>
            {STATES.map(([value, words]) => (
              <option key={value} value={value}>
                {words}
              </option>
            ))}
          </select>
          <select aria-label="Agent" value={agent} onChange={({ target }) => setAgent(target.value)}>
            <option value="">Every agent</option>
            {catalogue.agents.map(({ id, name }) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
          </select>
          <select aria-label="Tool" value={tool} onChange={({ target }) => setTool(target.value)}>
            <option value="">Every tool</option>
            {tools.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        </form>
        {queue.problem && <p role="alert" className="form-error">{queue.problem}</p>}
        {items.length > 0 && (
          <ul className="inbox-list" aria-label="Approvals">
            {items.map((approval) => (
              <InboxRow
                key={approval.id}
                approval={approval}
                isSelected={selected.has(approval.id)}
                result={results.get(approval.id)}
                onSelect={state === "pending" ? toggle : undefined}
              />
            ))}
          </ul>
        )}
        {items.length === 0 && !queue.isLoading && !queue.problem && <Empty filter={filter} />}
        {queue.isLoading && (
          <p className="inbox-empty">
            <Waiting label="Loading" />
          </p>
        )}
        {queue.hasMore && (
          <button type="button" className="button quiet wide" onClick={queue.more}>
            Show more
          </button>
        )}
      </div>
      {state === "pending" && items.length > 0 && (
        <Bulk
          items={chosen.map((approval) => ({ id: approval.id, args_hash: hashOf(approval) }))}
          isAllSeen={chosen.every(isWhollyShown)}
          isAllSelected={chosen.length === items.length}
          onSelectAll={(all) => setSelected(new Set(all ? items.map(({ id }) => id) : []))}
          onDecided={onDecided}
        />
      )}
    </main>
  );
}

const STATES: readonly (readonly [ApprovalState, string])[] = [
  ["pending", "Waiting"],
  ["approved", "Approved"],
  ["denied", "Denied"],
  ["expired", "Expired"],
  ["withdrawn", "Withdrawn"],
  ["void", "Void"],
];

function Empty({ filter: { state, agent, tool } }: { filter: Filter }) {
  const isNarrowed = Boolean(agent ?? tool);
  return (
    <div className="inbox-empty">
      <p>{state === "pending" ? (isNarrowed ? "Nothing of this kind waits for you." : "Nothing waits for you.") : "There is nothing here."}</p>
      {state === "pending" && !isNarrowed && <p>When an agent wants to do what needs a yes, it stops and asks here.</p>}
    </div>
  );
}

/** The tools that agents have, and those that are here. */
function useKnown(items: readonly Approval[], chosen: string, { agents }: Catalogue): readonly string[] {
  return useMemo(() => {
    const all = [...agents.flatMap(({ tools }) => tools), ...items.map(({ tool }) => tool), ...(chosen ? [chosen] : [])];
    return [...new Set(all)].filter((name) => !name.includes("*")).sort();
  }, [items, chosen, agents]);
}

function toggled(ids: ReadonlySet<string>, id: string): ReadonlySet<string> {
  const others = [...ids].filter((other) => other !== id);
  return new Set(others.length === ids.size ? [...ids, id] : others);
}

/** That a yes counts for later calls too: for which, where and how long. */

import type { Remember as Rule } from "@weir/client";
import { Exact } from "../look/Exact";

export interface Memory {
  isOn: boolean;
  scope: Rule["scope"];
  match: Rule["match"];
  until: "day" | "week" | "always";
}

export const NOT_REMEMBERED: Memory = { isOn: false, scope: "conversation", match: "exact", until: "day" };

const DAY = 86_400_000;
const SPANS: Record<Memory["until"], number | undefined> = { day: DAY, week: 7 * DAY, always: undefined };

/** As the server takes it. */
export function remembered({ isOn, scope, match, until }: Memory, now: Date): Rule | undefined {
  if (!isOn) return undefined;
  const span = SPANS[until];
  return { scope, match, ...(span === undefined ? {} : { expires_at: new Date(now.getTime() + span).toISOString() }) };
}

interface RememberProps {
  memory: Memory;
  tool: string;
  onChange(memory: Memory): void;
}

export function Remember({ memory, tool, onChange }: RememberProps) {
  const { isOn, scope, match, until } = memory;
  return (
    <div className="remember">
      <label>
        <input type="checkbox" checked={isOn} onChange={(event) => onChange({ ...memory, isOn: event.target.checked })} />
        Don’t ask again
      </label>
      {isOn && (
        <div className="remember-how">
          <select aria-label="For which calls" value={match} onChange={({ target }) => onChange({ ...memory, match: target.value as Memory["match"] })}>
            <option value="exact">for exactly these arguments</option>
            <option value="tool">whatever the arguments are</option>
          </select>
          <select aria-label="Where" value={scope} onChange={({ target }) => onChange({ ...memory, scope: target.value as Memory["scope"] })}>
            <option value="conversation">in this conversation</option>
            <option value="agent">for this agent</option>
            <option value="workspace">everywhere in the workspace</option>
          </select>
          <select aria-label="How long" value={until} onChange={({ target }) => onChange({ ...memory, until: target.value as Memory["until"] })}>
            <option value="day">for a day</option>
            <option value="week">for a week</option>
            <option value="always">until it is revoked</option>
          </select>
          {match === "tool" && (
            <p className="warning" role="note">
              <code><Exact text={tool} /></code> will then run with any arguments that a model comes up with.
            </p>
          )}
        </div>
      )}
    </div>
  );
}

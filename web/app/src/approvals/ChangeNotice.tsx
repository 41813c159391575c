/** Somebody changed the arguments while one looked: what is different is read before anything is decided. */

import { useEffect, useMemo, type ReactNode } from "react";
import { announce } from "../look/Announcer";
import { Exact } from "../look/Exact";
import { changes } from "../tools/changes";
import { laidOut } from "../tools/json";

interface ChangeNoticeProps {
  before: string;
  after: string;
  by: ReactNode;
  onSeen(): void;
}

export function ChangeNotice({ before, after, by, onSeen }: ChangeNoticeProps) {
  const changed = useMemo(() => changes(laidOut(before)?.text ?? before, laidOut(after)?.text ?? after), [before, after]);
  useEffect(() => announce("The arguments were changed while you looked."), []);
  return (
    <div className="approval-changed" role="note">
      <p>
        <strong>The arguments were changed</strong> by {by} while you looked. Earlier approvals no longer count.
      </p>
      <pre tabIndex={0} role="region" aria-label="What was changed" dir="ltr">
        {changed.before.map((line, at) => (
          <del key={`before ${at}`}>
            <Exact text={line} />
            {"\n"}
          </del>
        ))}
        {changed.after.map((line, at) => (
          <ins key={`after ${at}`}>
            <Exact text={line} />
            {"\n"}
          </ins>
        ))}
      </pre>
      <button type="button" className="button small" onClick={onSeen}>
        Look at what would run now
      </button>
    </div>
  );
}

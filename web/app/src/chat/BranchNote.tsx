/** Stands where one writes: what is shown is not where the conversation goes on. */

import { GitBranch } from "lucide-react";
import { go } from "../route";

interface BranchNoteProps {
  conversationId: string;
  onContinue(): void;
}

export function BranchNote({ conversationId, onContinue }: BranchNoteProps) {
  return (
    <div className="branch-note" role="group" aria-label="Another branch">
      <p role="status">
        <GitBranch aria-hidden /> This is not the current branch.
      </p>
      <div className="branch-note-ways">
        <button type="button" className="button small" onClick={() => go({ at: "conversation", id: conversationId })}>
          Back to the current one
        </button>
        <button type="button" className="button small primary" onClick={onContinue}>
          Continue from here
        </button>
      </div>
    </div>
  );
}

/** A link led to what was deleted, or never was. */
export function MissingNote({ conversationId }: { conversationId: string }) {
  return (
    <div className="branch-note missing">
      <p role="status">The message that this link leads to is not here any more.</p>
      <button type="button" className="button small" onClick={() => go({ at: "conversation", id: conversationId }, { replace: true })}>
        All right
      </button>
    </div>
  );
}

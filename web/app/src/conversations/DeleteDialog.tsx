import type { Conversation } from "@weir/client";
import { useState } from "react";
import { Dialog } from "../look/Dialog";
import { inWords } from "../server";
import { titleOf } from "./title";

interface DeleteDialogProps {
  conversation: Conversation;
  onDelete(): Promise<void>;
  onClose(): void;
}

export function DeleteDialog({ conversation, onDelete, onClose }: DeleteDialogProps) {
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const destroy = () => {
    setBusy(true);
    onDelete().then(onClose, (error: unknown) => {
      setProblem(inWords(error));
      setBusy(false);
    });
  };
  return (
    <Dialog title="Delete this conversation?" onClose={onClose}>
      <p>
        “{titleOf(conversation)}” and its messages are deleted for good. To only put it out of sight, archive it.
      </p>
      {problem && (
        <p role="alert" className="form-error">
          {problem}
        </p>
      )}
      <div className="dialog-actions">
        <button type="button" className="button" autoFocus onClick={onClose}>
          Keep it
        </button>
        <button type="button" className="button danger" disabled={isBusy} onClick={destroy}>
          Delete
        </button>
      </div>
    </Dialog>
  );
}

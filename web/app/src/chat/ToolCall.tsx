import type { Call, Part } from "@weir/client";
import { ChevronRight, Wrench } from "lucide-react";
import { memo } from "react";
import { Waiting } from "../look/Waiting";

interface ToolCallProps {
  part: Extract<Part, { type: "tool_call" }>;
  call: Call | undefined;
  /** Its arguments are still being written. */
  isGoing: boolean;
}

/** A tool that the model called: which one, with what, and what became of it. */
export const ToolCall = memo(function ToolCall({ part, call, isGoing }: ToolCallProps) {
  const state = part.discarded ? "discarded" : isGoing ? "writing" : call?.state;
  return (
    <details className="fold tool">
      <summary>
        <Wrench aria-hidden className="tool-mark" />
        <code>{part.name}</code>
        <span className="tool-state" data-state={state}>
          {isGoing ? <Waiting label="being written" /> : IN_WORDS[state ?? "proposed"]}
        </span>
        <ChevronRight aria-hidden className="fold-mark" />
      </summary>
      <div className="fold-body">
        <h4>Arguments</h4>
        <pre>{visible(pretty(part.args_text))}</pre>
        {call?.output != null && (
          <>
            <h4>Result</h4>
            <pre>{visible(call.output)}</pre>
          </>
        )}
        {call?.error != null && (
          <>
            <h4>Error</h4>
            <pre>{visible(call.error)}</pre>
          </>
        )}
      </div>
    </details>
  );
});

const IN_WORDS: Record<Call["state"] | "discarded" | "writing", string> = {
  writing: "being written",
  discarded: "discarded, never ran",
  proposed: "called",
  pending: "waits for a decision",
  approved: "approved",
  started: "running",
  succeeded: "done",
  failed: "failed",
  unknown: "outcome unknown",
  denied: "denied",
  expired: "expired",
  cancelled: "cancelled",
};

function pretty(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}

/** Characters that would turn or hide what stands beside them are written out. */
function visible(text: string): string {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

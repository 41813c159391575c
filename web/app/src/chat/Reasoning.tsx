import { ChevronRight } from "lucide-react";
import { memo } from "react";
import { Waiting } from "../look/Waiting";

/** What the model thought on its way, folded away. */
export const Reasoning = memo(function Reasoning({ text, isGoing }: { text: string; isGoing: boolean }) {
  return (
    <details className="fold">
      <summary>
        <ChevronRight aria-hidden className="fold-mark" />
        {isGoing ? "Reasoning" : "Reasoned"}
        {isGoing && <Waiting label="going on" />}
      </summary>
      <div className="fold-body reasoning">{text}</div>
    </details>
  );
});

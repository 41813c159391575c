import { PanelLeft, SquarePen } from "lucide-react";
import { go } from "../route";

interface ChatHeadProps {
  title: string;
  onOpenList(): void;
}

export function ChatHead({ title, onOpenList }: ChatHeadProps) {
  return (
    <header className="chat-head">
      <button type="button" className="icon-button only-narrow" aria-label="Open the list of conversations" onClick={onOpenList}>
        <PanelLeft aria-hidden />
      </button>
      <h1 title={title}>{title}</h1>
      {title !== "" && (
        <button type="button" className="icon-button only-narrow" aria-label="New conversation" onClick={() => go({ at: "new" })}>
          <SquarePen aria-hidden />
        </button>
      )}
    </header>
  );
}

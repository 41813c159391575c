import { PanelLeft } from "lucide-react";
import type { ReactNode } from "react";

interface ChatHeadProps {
  title: string;
  onOpenList(): void;
  children?: ReactNode;
}

export function ChatHead({ title, onOpenList, children }: ChatHeadProps) {
  return (
    <header className="chat-head">
      <button type="button" className="icon-button only-narrow" aria-label="Open the list of conversations" onClick={onOpenList}>
        <PanelLeft aria-hidden />
      </button>
      <h1 title={title}>{title}</h1>
      {children}
    </header>
  );
}

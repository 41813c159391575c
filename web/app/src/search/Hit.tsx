/** One thing that was found: a link to the very message. */

import type { SearchItem } from "@weir/client";
import { Bot, GitBranch, MessagesSquare, Paperclip, UserRound, Wrench, type LucideIcon } from "lucide-react";
import { memo, type MouseEvent } from "react";
import { titleOf } from "../conversations/title";
import { pathOf, type Route } from "../route";
import { piecesOf } from "./marks";

interface HitProps {
  item: SearchItem;
  /** Enter in the field opens it. */
  isFirst: boolean;
  onOpen(route: Route): void;
  /** Looks on in its conversation alone. */
  onOthers(where: { id: string; title: string }): void;
}

export const Hit = memo(function Hit({ item, isFirst, onOpen, onOthers }: HitProps) {
  const { conversation, message_id, kind, snippet, created_at, on_current_path, others } = item;
  const route: Route = { at: "conversation", id: conversation.id, ...(message_id ? { message: message_id } : {}) };
  const title = titleOf(conversation);
  const { icon: Icon, words } = signOf(item);
  const time = new Date(created_at);
  const open = (event: MouseEvent) => {
    // A new tab is the browser's business.
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    onOpen(route);
  };
  return (
    <li className="hit" data-first={isFirst || undefined}>
      <a href={pathOf(route)} onClick={open}>
        <Icon aria-hidden />
        <span className="hit-body">
          <span className="hit-head">
            <span className="hit-title" dir="auto">
              {kind === "title" ? <Marked snippet={snippet} /> : title}
            </span>
            <time dateTime={created_at} title={time.toLocaleString()}>
              {dayOf(time, new Date())}
            </time>
          </span>
          {kind !== "title" && (
            <span className="hit-text" dir="auto">
              <Marked snippet={snippet} />
            </span>
          )}
          <span className="hit-foot">
            {words}
            {message_id != null && !on_current_path && <span className="badge">another branch</span>}
          </span>
        </span>
      </a>
      {others != null && others > 0 && (
        <button type="button" className="hit-others" onClick={() => onOthers({ id: conversation.id, title })}>
          {others} more in this conversation
        </button>
      )}
    </li>
  );
});

/** Text alone, whatever it says. */
function Marked({ snippet }: { snippet: SearchItem["snippet"] }) {
  return piecesOf(snippet).map(({ text, isMarked }, at) => (isMarked ? <mark key={at}>{text}</mark> : text));
}

function signOf({ kind, role }: SearchItem): { icon: LucideIcon; words: string } {
  switch (kind) {
    case "call":
      return { icon: Wrench, words: "Tool call" };
    case "file":
      return { icon: Paperclip, words: "File" };
    case "branch":
      return { icon: GitBranch, words: "Name of a branch" };
    case "title":
      return { icon: MessagesSquare, words: "Conversation" };
    case "message":
      return role === "user" ? { icon: UserRound, words: "Question" } : { icon: Bot, words: "Answer" };
  }
}

/** As short as it is clear. */
export function dayOf(time: Date, now: Date): string {
  if (time.toDateString() === now.toDateString()) return time.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  const year = time.getFullYear() === now.getFullYear() ? {} : ({ year: "numeric" } as const);
  return time.toLocaleDateString([], { day: "numeric", month: "short", ...year });
}

import type { Conversation } from "@weir/client";
import { Archive, ArchiveRestore, Ellipsis, Pencil, Trash2 } from "lucide-react";
import { memo, useRef, useState, type KeyboardEvent, type MouseEvent } from "react";
import { Menu } from "../look/Menu";
import { complain } from "../look/Toast";
import { Waiting } from "../look/Waiting";
import { go, pathOf } from "../route";
import { titleOf } from "./title";

interface RowProps {
  conversation: Conversation;
  isCurrent: boolean;
  isUnread: boolean;
  onRename(id: string, title: string): Promise<void>;
  onArchive(id: string, archived: boolean): Promise<void>;
  onDelete(id: string): void;
  onOpened(): void;
}

export const Row = memo(function Row({ conversation, isCurrent, isUnread, onRename, onArchive, onDelete, onOpened }: RowProps) {
  const { id, archived, running } = conversation;
  const [isRenaming, setRenaming] = useState(false);
  const title = titleOf(conversation);
  const route = { at: "conversation", id } as const;
  const open = (event: MouseEvent) => {
    // A new tab is the browser's business.
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    go(route);
    onOpened();
  };
  return (
    <li className="row" data-current={isCurrent || undefined}>
      {isRenaming ? (
        <Rename
          title={conversation.title ?? ""}
          onDone={(title) => {
            setRenaming(false);
            if (title !== undefined) onRename(id, title).catch(complain);
          }}
        />
      ) : (
        <a href={pathOf(route)} aria-current={isCurrent ? "page" : undefined} onClick={open} title={title}>
          <span className="row-title">{title}</span>
          {running ? (
            <Waiting label="answering" />
          ) : (
            isUnread && <span className="unread" role="img" aria-label="has a new answer" />
          )}
        </a>
      )}
      {!isRenaming && (
        <Menu
          label={`Options of ${title}`}
          className="icon-button row-menu"
          align="end"
          groups={[
            {
              items: [
                { label: "Rename", icon: Pencil, onSelect: () => setRenaming(true) },
                archived
                  ? { label: "Take out of the archive", icon: ArchiveRestore, onSelect: () => void onArchive(id, false).catch(complain) }
                  : { label: "Archive", icon: Archive, onSelect: () => void onArchive(id, true).catch(complain) },
                { label: "Delete…", icon: Trash2, danger: true, onSelect: () => onDelete(id) },
              ],
            },
          ]}
        >
          <Ellipsis aria-hidden />
        </Menu>
      )}
    </li>
  );
});

const TITLE_CHARS = 200;

/** Enter and leaving take the name, Escape does not. */
function Rename({ title, onDone }: { title: string; onDone(title?: string): void }) {
  const [name, setName] = useState(title);
  const isDone = useRef(false);
  const done = (take: boolean) => {
    if (isDone.current) return;
    isDone.current = true;
    const chosen = name.trim();
    onDone(take && chosen !== "" && chosen !== title ? chosen : undefined);
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "Enter") done(true);
    if (event.key === "Escape") {
      event.stopPropagation();
      done(false);
    }
  };
  return (
    <input
      className="row-rename"
      aria-label="Name of the conversation"
      autoFocus
      maxLength={TITLE_CHARS}
      value={name}
      onFocus={(event) => event.target.select()}
      onChange={(event) => setName(event.target.value)}
      onKeyDown={onKeyDown}
      onBlur={() => done(true)}
    />
  );
}

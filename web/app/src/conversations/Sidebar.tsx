import { Archive, ArrowLeft, Inbox, KeyRound, LogOut, Monitor, Moon, SquarePen, Sun, X } from "lucide-react";
import type { Me } from "@weir/client";
import { useEffect, useMemo, useRef, useState, type MouseEvent } from "react";
import { signOut } from "../door/calls";
import { Logo } from "../look/Logo";
import { Menu } from "../look/Menu";
import { PageLink } from "../look/PageLink";
import { setTheme, useTheme } from "../look/theme";
import { Waiting } from "../look/Waiting";
import { go } from "../route";
import { SearchField } from "../search/SearchField";
import { inWords } from "../server";
import { DeleteDialog } from "./DeleteDialog";
import { sections } from "./list";
import { Row } from "./Row";
import type { Conversations } from "./useConversations";

interface SidebarProps {
  me: Me;
  conversations: Conversations;
  current: string | undefined;
  isInInbox: boolean;
  /** How many approvals wait for this person: `3`, `99+`, or nothing. */
  waiting: string;
  isArchive: boolean;
  /** On a narrow screen it is a drawer. */
  isOpen: boolean;
  onArchive(isArchive: boolean): void;
  onClose(): void;
  onSearch(): void;
  onAccount(): void;
  onSignedOut(): void;
}

export function Sidebar(props: SidebarProps) {
  const { conversations, current, isInInbox, waiting, isArchive, isOpen, onArchive, onSearch, onClose, me } = props;
  const [deleting, setDeleting] = useState<string>();
  const isNarrow = useNarrow();
  const closer = useRef<HTMLButtonElement>(null);
  const groups = useMemo(() => sections(conversations.items, new Date()), [conversations.items]);
  const victim = conversations.items.find(({ id }) => id === deleting);

  useEffect(() => {
    if (!isOpen) return;
    const opener = document.activeElement;
    closer.current?.focus();
    const onKey = (event: KeyboardEvent) => {
      // A menu or a dialog above it is closed first.
      if (event.key === "Escape" && !document.querySelector(":popover-open, dialog[open]")) onClose();
    };
    addEventListener("keydown", onKey);
    return () => {
      removeEventListener("keydown", onKey);
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, [isOpen, onClose]);

  const startNew = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey) return;
    event.preventDefault();
    go({ at: "new" });
    onClose();
    setTimeout(() => document.getElementById("composer")?.focus());
  };

  return (
    <>
      <div className="scrim" onClick={onClose} aria-hidden />
      <nav className="sidebar" aria-label="Conversations" inert={isNarrow && !isOpen}>
        <header className="sidebar-head">
          <Logo />
          <span className="wordmark">Weir</span>
          <button ref={closer} type="button" className="icon-button only-narrow" aria-label="Close the list" onClick={onClose}>
            <X aria-hidden />
          </button>
        </header>
        {isArchive ? (
          <button type="button" className="sidebar-action" onClick={() => onArchive(false)}>
            <ArrowLeft aria-hidden /> Archive
          </button>
        ) : (
          <a href="/" className="sidebar-action" onClick={startNew}>
            <SquarePen aria-hidden /> New conversation
          </a>
        )}
        <SearchField onOpen={onSearch} />
        {(waiting !== "" || isInInbox || me.scopes.includes("approvals:decide")) && (
          <PageLink to={{ at: "approvals" }} className="sidebar-action inbox-link" label={waiting === "" ? "Approvals" : `Approvals, ${waiting} waiting`} isCurrent={isInInbox}>
            <Inbox aria-hidden /> Approvals {waiting !== "" && <span className="count">{waiting}</span>}
          </PageLink>
        )}
        <div className="sidebar-list" aria-busy={conversations.isLoading}>
          {groups.map(({ heading, items }) => (
            <section key={heading} aria-label={heading}>
              <h2>{heading}</h2>
              <ul>
                {items.map((conversation) => (
                  <Row
                    key={conversation.id}
                    conversation={conversation}
                    isCurrent={conversation.id === current}
                    isUnread={conversations.unread.has(conversation.id)}
                    onRename={conversations.rename}
                    onArchive={conversations.archive}
                    onDelete={setDeleting}
                    onOpened={onClose}
                  />
                ))}
              </ul>
            </section>
          ))}
          {conversations.isLoading && (
            <p className="sidebar-note">
              <Waiting label="Loading" />
            </p>
          )}
          {conversations.problem && <p className="sidebar-note">{conversations.problem}</p>}
          {!conversations.isLoading && !conversations.problem && groups.length === 0 && (
            <p className="sidebar-note">{isArchive ? "Nothing is archived." : "Your conversations appear here."}</p>
          )}
          {conversations.hasMore && (
            <button type="button" className="button quiet wide" onClick={conversations.more}>
              Show more
            </button>
          )}
        </div>
        <Account {...props} />
      </nav>
      {victim && (
        <DeleteDialog
          conversation={victim}
          onClose={() => setDeleting(undefined)}
          onDelete={async () => {
            await conversations.remove(victim.id);
            if (victim.id === current) go({ at: "new" }, { replace: true });
          }}
        />
      )}
    </>
  );
}

function Account({ me, onArchive, onAccount, onSignedOut }: SidebarProps) {
  const theme = useTheme();
  const [problem, setProblem] = useState<string>();
  const leave = () =>
    void signOut().then(
      () => {
        go({ at: "sign-in" }, { replace: true });
        onSignedOut();
      },
      (error: unknown) => setProblem(inWords(error)),
    );
  return (
    <footer className="sidebar-foot">
      {problem && (
        <p role="alert" className="sidebar-note">
          {problem}
        </p>
      )}
      <Menu
        label={`${me.user.name}: account and settings`}
        className="account-button"
        groups={[
          {
            items: [
              { label: "Sessions, keys and rules", icon: KeyRound, onSelect: onAccount },
              { label: "Archive", icon: Archive, onSelect: () => onArchive(true) },
            ],
          },
          {
            heading: "Appearance",
            items: [
              { label: "As the system", icon: Monitor, checked: theme === "system", onSelect: () => setTheme("system") },
              { label: "Light", icon: Sun, checked: theme === "light", onSelect: () => setTheme("light") },
              { label: "Dark", icon: Moon, checked: theme === "dark", onSelect: () => setTheme("dark") },
            ],
          },
          { items: [{ label: "Sign out", icon: LogOut, onSelect: leave }] },
        ]}
      >
        <span className="avatar" aria-hidden>
          {[...me.user.name][0]?.toUpperCase()}
        </span>
        <span className="account-name">
          {me.user.name}
          <small>{me.workspace.name}</small>
        </span>
      </Menu>
    </footer>
  );
}

function useNarrow(): boolean {
  const query = "(max-width: 760px)";
  const [isNarrow, setNarrow] = useState(() => matchMedia(query).matches);
  useEffect(() => {
    const media = matchMedia(query);
    const changed = () => setNarrow(media.matches);
    media.addEventListener("change", changed);
    return () => media.removeEventListener("change", changed);
  }, []);
  return isNarrow;
}

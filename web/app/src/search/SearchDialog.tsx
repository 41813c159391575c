/**
 * Search over everything that one may see. Results are plain links: the arrow keys go from the field through them and
 * back, Enter in the field opens the first, letters typed on a link go to the field.
 */

import { Search, X } from "lucide-react";
import { useEffect, useLayoutEffect, useRef, useSyncExternalStore, type KeyboardEvent, type MouseEvent } from "react";
import type { Catalogue } from "../chat/catalogue";
import type { Route } from "../route";
import { queryOf, widened, type Ask } from "./ask";
import { Filters, type Here } from "./Filters";
import type { Finder } from "./finder";
import { Hit } from "./Hit";
import { Nothing, Standing } from "./Standing";

interface SearchDialogProps {
  finder: Finder;
  ask: Ask;
  here: Here | undefined;
  catalogue: Catalogue;
  onAsk(ask: Ask): void;
  onOpen(route: Route): void;
  onClose(): void;
}

export function SearchDialog({ finder, ask, here, catalogue, onAsk, onOpen, onClose }: SearchDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const field = useRef<HTMLInputElement>(null);
  const list = useRef<HTMLUListElement>(null);
  const found = useSyncExternalStore(finder.subscribe, () => finder.found);
  const { items } = found;
  useModal(dialog, field);
  useEffect(() => finder.ask(queryOf(ask, new Date())), [finder, ask]);
  useEffect(() => () => finder.giveUp(), [finder]);

  /** From a button that goes with what it did. */
  const askFromList = (ask: Ask) => {
    field.current?.focus();
    onAsk(ask);
  };
  const again = () => finder.ask(queryOf(ask, new Date()), { atOnce: true });
  const links = () => [...(list.current?.querySelectorAll<HTMLElement>(".hit > a") ?? [])];
  const more = async () => {
    const before = items.length;
    await finder.more();
    requestAnimationFrame(() => links()[before]?.focus());
  };
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.nativeEvent.isComposing) return;
    const all = links();
    const at = all.findIndex((link) => link === event.target);
    const isField = event.target === field.current;
    if (!isField && at < 0) return;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, ...(isField ? {} : { Home: 0, End: all.length - 1 }) }[event.key];
    if (to !== undefined) {
      event.preventDefault();
      (to < 0 ? field.current : all[Math.min(to, all.length - 1)])?.focus();
    } else if (isField && event.key === "Enter") {
      event.preventDefault();
      if (found.isSearching || items.length === 0) again();
      else all[0]?.click();
    } else if (!isField && event.key.length === 1 && event.key !== " " && !event.ctrlKey && !event.metaKey && !event.altKey) {
      // The letter goes where the focus is by then.
      field.current?.focus();
    }
  };
  const onBackdrop = (event: MouseEvent) => {
    if (event.target === dialog.current) onClose();
  };
  return (
    <dialog
      ref={dialog}
      className="search-dialog"
      aria-label="Search"
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
      onMouseDown={onBackdrop}
      onKeyDown={onKeyDown}
    >
      <div className="search">
        <div className="search-head" role="search">
          <Search aria-hidden />
          <input
            ref={field}
            type="text"
            role="searchbox"
            aria-label="Search everything that was said"
            aria-describedby="search-keys"
            placeholder="Search everything that was said"
            autoComplete="off"
            spellCheck={false}
            enterKeyHint="search"
            maxLength={MOST}
            value={ask.text}
            onChange={({ target }) => onAsk({ ...ask, text: target.value })}
          />
          <span id="search-keys" className="unseen">
            Results come as you type. Down goes to them, Enter opens the first, Escape closes.
          </span>
          <button type="button" className="icon-button" aria-label="Close the search" onClick={onClose}>
            <X aria-hidden />
          </button>
        </div>
        <Filters ask={ask} here={here} catalogue={catalogue} onAsk={onAsk} />
        <Standing found={found} onAgain={again} />
        <div className="search-results" aria-busy={found.isSearching}>
          {items.length > 0 ? (
            <ul ref={list} aria-label="Results">
              {items.map((item, at) => (
                <Hit key={at} item={item} isFirst={at === 0} onOpen={onOpen} onOthers={(where) => askFromList({ ...ask, where, isGrouped: false })} />
              ))}
            </ul>
          ) : (
            <Nothing found={found} ask={ask} onAgain={again} onWiden={() => askFromList(widened(ask))} />
          )}
          {found.next !== undefined && (
            <button type="button" className="button quiet wide" disabled={found.isTurning} onClick={() => void more()}>
              {found.isTurning ? "Loading" : found.trouble ? "That did not work. Try again" : "Show more"}
            </button>
          )}
        </div>
      </div>
    </dialog>
  );
}

/** As many characters as the server takes. */
const MOST = 1000;

/** Open for as long as it is there; the focus goes back to where it was, unless it went on to what was found. */
function useModal(dialog: React.RefObject<HTMLDialogElement | null>, field: React.RefObject<HTMLInputElement | null>): void {
  useLayoutEffect(() => {
    const opener = document.activeElement;
    dialog.current?.showModal();
    field.current?.focus();
    field.current?.select();
    return () => {
      dialog.current?.close();
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus({ preventScroll: true });
    };
  }, [dialog, field]);
}

/** Where one begins to search: it looks like a field, and opens one. */

import { Search } from "lucide-react";
import { useEffect } from "react";

export function SearchField({ onOpen }: { onOpen(): void }) {
  return (
    <button type="button" className="sidebar-action search-field" aria-haspopup="dialog" aria-keyshortcuts={isMac() ? "Meta+K" : "Control+K"} onClick={onOpen}>
      <Search aria-hidden /> <span>Search</span> <kbd aria-hidden>{isMac() ? "⌘K" : "Ctrl K"}</kbd>
    </button>
  );
}

/** The same keys wherever one is; but nothing opens above another dialog. */
export function useSearchKeys(onKeys: () => void): void {
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      const isIt = event.key.toLowerCase() === "k" && (isMac() ? event.metaKey && !event.ctrlKey : event.ctrlKey && !event.metaKey);
      if (!isIt || event.shiftKey || event.altKey || event.isComposing) return;
      event.preventDefault();
      if (!document.querySelector("dialog[open]:not(.search-dialog)")) onKeys();
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, [onKeys]);
}

function isMac(): boolean {
  return /Mac|iPhone|iPad/.test(navigator.platform);
}

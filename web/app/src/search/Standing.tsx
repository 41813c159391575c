/** How a search stands, in a line that is always there; and what is said where there is nothing to list. */

import { CloudOff, SearchX } from "lucide-react";
import { inWords } from "../server";
import { isNarrowed, type Ask } from "./ask";
import type { Found } from "./finder";

export function Standing({ found, onAgain }: { found: Found; onAgain(): void }) {
  return (
    <div className="search-standing">
      <p role="status">{standingOf(found)}</p>
      {found.isIndexing && !found.isSearching && (
        <button type="button" className="link" onClick={onAgain}>
          Look again
        </button>
      )}
    </div>
  );
}

export function standingOf({ query, items, next, isSearching, isRelaxed, isIndexing, isPartial, trouble }: Found): string {
  if (trouble?.isOffline) return "Offline";
  if (isSearching) return "Searching…";
  if (!query || trouble) return "";
  const count = `${items.length}${next === undefined ? "" : "+"} ${items.length === 1 && next === undefined ? "result" : "results"}`;
  return [
    items.length === 0 ? "No results" : count,
    isRelaxed && items.length > 0 ? "nothing has all of the words; these have some of them" : "",
    isIndexing ? "older messages are still being indexed, there may be more" : "",
    isPartial ? "the search took too long, there may be more" : "",
  ]
    .filter((words) => words !== "")
    .join(" · ");
}

interface NothingProps {
  found: Found;
  ask: Ask;
  onAgain(): void;
  onWiden(): void;
}

export function Nothing({ found: { query, trouble, isSearching }, ask, onAgain, onWiden }: NothingProps) {
  if (trouble) {
    return (
      <div className="search-nothing" role="alert">
        <CloudOff aria-hidden />
        <p>
          {inWords(trouble.error)} {trouble.isTriedAgain && "Trying again."}
        </p>
        <button type="button" className="button small" onClick={onAgain}>
          Try now
        </button>
      </div>
    );
  }
  if (query && !isSearching) {
    return (
      <div className="search-nothing">
        <SearchX aria-hidden />
        <p>{isNarrowed(ask) ? "Nothing was found with these filters." : "Nothing was found. Other words may help, or fewer."}</p>
        {isNarrowed(ask) && (
          <button type="button" className="button small" onClick={onWiden}>
            Search everywhere
          </button>
        )}
      </div>
    );
  }
  // What was typed is on its way.
  if (isSearching) return null;
  return (
    <dl className="search-hints" aria-label="How to search">
      <dt>blue sky</dt>
      <dd>both words, in whatever form</dd>
      <dt>“blue sky”</dt>
      <dd>exactly this</dd>
      <dt>sky -blue</dt>
      <dd>without a word</dd>
      <dt>sky OR sea</dt>
      <dd>one of them</dd>
      <dt>blu*</dt>
      <dd>whatever begins so</dd>
    </dl>
  );
}

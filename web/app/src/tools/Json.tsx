/** A text that a program wrote, whole: laid out where it is JSON, and verbatim. */

import { memo, useMemo, useState } from "react";
import { Exact } from "../look/Exact";
import { size } from "../look/exact";
import { laidOut } from "./json";

interface JsonProps {
  /** What it is: `Arguments`. */
  label: string;
  text: string;
}

export const Json = memo(function Json({ label, text }: JsonProps) {
  const laid = useMemo(() => laidOut(text), [text]);
  const [isVerbatim, setVerbatim] = useState(false);
  const [isWide, setWide] = useState(false);
  const shown = laid && !isVerbatim ? laid.text : text;
  const isLong = shown.length > LONG || shown.split("\n").length > LINES;
  return (
    <figure className="json">
      <figcaption>
        <span>{label}</span>
        <small>{size(text)}</small>
        {laid && laid.text !== text && (
          <button type="button" className="link" aria-pressed={isVerbatim} onClick={() => setVerbatim(!isVerbatim)}>
            {isVerbatim ? "Laid out" : "Verbatim"}
          </button>
        )}
        {isLong && (
          <button type="button" className="link" aria-expanded={isWide} onClick={() => setWide(!isWide)}>
            {isWide ? "In a box" : "All at once"}
          </button>
        )}
      </figcaption>
      {laid && laid.repeated.length > 0 && (
        <p className="warning" role="note">
          Stands more than once, and only the last one counts: <Exact text={[...new Set(laid.repeated)].join(", ")} />
        </p>
      )}
      <pre tabIndex={0} role="region" aria-label={label} dir="ltr" data-wide={isWide || undefined}>
        <Exact text={shown} />
      </pre>
    </figure>
  );
});

const LONG = 2_000;
const LINES = 16;

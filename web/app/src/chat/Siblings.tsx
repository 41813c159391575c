import type { Siblings as Known } from "@weir/client";

/** Which one of several this is. Nothing where there is only one. */
export function Siblings({ siblings, what }: { siblings: Known | undefined; what: string }) {
  if (!siblings || siblings.count < 2) return null;
  const text = `${siblings.index + 1}/${siblings.count}`;
  return (
    <span className="siblings" role="img" aria-label={`${what} ${siblings.index + 1} of ${siblings.count}`}>
      ‹ {text} ›
    </span>
  );
}

import type { Siblings as Known } from "@weir/client";
import { ChevronLeft, ChevronRight } from "lucide-react";
import { useBranches } from "./branches";

/** Which one of several this is, and the way to the others. Nothing where there is only one. */
export function Siblings({ siblings, what }: { siblings: Known | undefined; what: string }) {
  const branches = useBranches();
  if (!siblings || siblings.count < 2) return null;
  const { count, index, ids } = siblings;
  const step = (by: number, label: string, icon: React.ReactNode) => {
    const to = ids[index + by];
    return (
      <button type="button" className="icon-button small" aria-label={label} title={label} disabled={!to} onClick={() => to && branches?.show(to)}>
        {icon}
      </button>
    );
  };
  return (
    <span className="siblings" role="group" aria-label={`${what} ${index + 1} of ${count}`}>
      {step(-1, `The ${what} before`, <ChevronLeft aria-hidden />)}
      <span aria-hidden>
        {index + 1}/{count}
      </span>
      {step(1, `The next ${what}`, <ChevronRight aria-hidden />)}
    </span>
  );
}

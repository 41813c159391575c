import type { MouseEvent, ReactNode } from "react";
import { go, pathOf, type Route } from "../route";

interface PageLinkProps {
  to: Route;
  className?: string;
  label?: string;
  isCurrent?: boolean;
  children: ReactNode;
}

/** A link to another place of the page; the browser's own ways to open one work as ever. */
export function PageLink({ to, className, label, isCurrent = false, children }: PageLinkProps) {
  const follow = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button !== 0) return;
    event.preventDefault();
    go(to);
  };
  return (
    <a href={pathOf(to)} className={className} aria-label={label} aria-current={isCurrent ? "page" : undefined} onClick={follow}>
      {children}
    </a>
  );
}

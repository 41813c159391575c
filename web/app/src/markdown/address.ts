/** Where a link goes, and whether it may. */

export interface Address {
  /** As the browser would read it: what was checked is what is followed. */
  href: string;
  /** For people: the host, or who a mail goes to. */
  target: string;
}

const ALLOWED = new Set(["http:", "https:", "mailto:"]);

/** Whole addresses only: one without a host would be of this page's own. */
export function addressOf(text: string): Address | undefined {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !ALLOWED.has(url.protocol)) return undefined;
  const target = url.protocol === "mailto:" ? url.pathname : url.host;
  return target === "" ? undefined : { href: url.href, target };
}

/** The text says where it goes by itself. */
export function says(text: string, { href, target }: Address): boolean {
  const said = text.trim().replace(/\/$/, "");
  const plain = href.replace(/\/$/, "");
  return [plain, plain.replace(/^(?:https?:\/\/|mailto:)/, ""), target].includes(said);
}

/** The page's own server. The cookie signs in. */

import { Api, UnreachableError, WeirError } from "@weir/client";

export const api = new Api({ backoff: { least: 250, most: 5_000 } });

/** What went wrong, for a person. */
export function inWords(error: unknown): string {
  if (error instanceof UnreachableError) return "The server cannot be reached.";
  if (error instanceof WeirError) {
    const [first] = error.problem.errors ?? [];
    return sentence(first ? `${first.pointer.replace(/^\//, "")}: ${first.detail}` : error.problem.detail);
  }
  return "Something went wrong.";
}

export function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(begun) ? begun : `${begun}.`;
}

export function isSignedOut(error: unknown): boolean {
  return error instanceof WeirError && error.status === 401;
}

export function isGone(error: unknown): boolean {
  return error instanceof WeirError && error.status === 404;
}

export function isForbidden(error: unknown): boolean {
  return error instanceof WeirError && error.status === 403;
}

/** Where the page is. Every place has an address of its own, and the browser's own history. */

import { useSyncExternalStore } from "react";

export type Route =
  | { at: "setup" }
  | { at: "sign-in" }
  | { at: "new" }
  /** A message in it is shown on its branch, whichever is the current one. */
  | { at: "conversation"; id: string; message?: string }
  | { at: "approvals" }
  | { at: "approval"; id: string };

/** Of a path and what may follow it after a question mark. */
export function routeOf(address: string): Route {
  const [path = "", search = ""] = address.split("?", 2);
  const conversation = /^\/c\/([A-Za-z0-9_]+)\/?$/.exec(path)?.[1];
  if (conversation) {
    const message = new URLSearchParams(search).get("message") ?? "";
    return { at: "conversation", id: conversation, ...(/^[A-Za-z0-9_]+$/.test(message) ? { message } : {}) };
  }
  const approval = /^\/approvals\/([A-Za-z0-9_]+)\/?$/.exec(path)?.[1];
  if (approval) return { at: "approval", id: approval };
  if (/^\/approvals\/?$/.test(path)) return { at: "approvals" };
  if (/^\/setup\/?$/.test(path)) return { at: "setup" };
  if (/^\/sign-in\/?$/.test(path)) return { at: "sign-in" };
  return { at: "new" };
}

export function pathOf(route: Route): string {
  switch (route.at) {
    case "setup":
      return "/setup";
    case "sign-in":
      return "/sign-in";
    case "new":
      return "/";
    case "conversation":
      return route.message === undefined ? `/c/${route.id}` : `/c/${route.id}?message=${route.message}`;
    case "approvals":
      return "/approvals";
    case "approval":
      return `/approvals/${route.id}`;
  }
}

const MOVED = "weir:moved";

export function go(route: Route, { replace = false } = {}): void {
  const path = pathOf(route);
  if (path === address()) return;
  if (replace) history.replaceState(null, "", path);
  else history.pushState(null, "", path);
  dispatchEvent(new Event(MOVED));
}

/** The address leads to the end of that conversation again, if one is still in it. */
export function leaveMessage(id: string): void {
  const route = routeOf(address());
  if (route.at === "conversation" && route.id === id) go({ at: "conversation", id }, { replace: true });
}

export function useRoute(): Route {
  return routeOf(useSyncExternalStore(onMove, address));
}

function address(): string {
  return location.pathname + location.search;
}

/** The code of a setup link. It is taken out of the address at once, so that it stays in no history. */
export function takeSetupCode(): string {
  const code = new URLSearchParams(location.hash.slice(1)).get("code") ?? "";
  if (location.hash !== "") history.replaceState(null, "", location.pathname);
  return code;
}

function onMove(moved: () => void): () => void {
  addEventListener("popstate", moved);
  addEventListener(MOVED, moved);
  return () => {
    removeEventListener("popstate", moved);
    removeEventListener(MOVED, moved);
  };
}

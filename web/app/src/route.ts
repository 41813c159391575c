/** Where the page is. Every place has an address of its own, and the browser's own history. */

import { useSyncExternalStore } from "react";

export type Route = { at: "setup" } | { at: "sign-in" } | { at: "new" } | { at: "conversation"; id: string };

export function routeOf(path: string): Route {
  const conversation = /^\/c\/([A-Za-z0-9_]+)\/?$/.exec(path)?.[1];
  if (conversation) return { at: "conversation", id: conversation };
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
      return `/c/${route.id}`;
  }
}

const MOVED = "weir:moved";

export function go(route: Route, { replace = false } = {}): void {
  const path = pathOf(route);
  if (path === location.pathname) return;
  if (replace) history.replaceState(null, "", path);
  else history.pushState(null, "", path);
  dispatchEvent(new Event(MOVED));
}

export function useRoute(): Route {
  return routeOf(useSyncExternalStore(onMove, () => location.pathname));
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

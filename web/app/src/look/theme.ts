/** Dark, light, or as the system has it. */

import { useSyncExternalStore } from "react";
import { keep, recall } from "../keep";

export type Theme = "system" | "light" | "dark";

const NAME = "weir.theme";
const CHANGED = "weir:theme";

export function theme(): Theme {
  const kept = recall(NAME);
  return kept === "light" || kept === "dark" ? kept : "system";
}

export function setTheme(theme: Theme): void {
  keep(NAME, theme === "system" ? null : theme);
  showTheme();
  dispatchEvent(new Event(CHANGED));
}

/** The style sheet does the rest. */
export function showTheme(): void {
  document.documentElement.dataset["theme"] = theme();
}

export function useTheme(): Theme {
  return useSyncExternalStore((changed) => {
    // Another tab changed it.
    const stored = () => {
      showTheme();
      changed();
    };
    addEventListener(CHANGED, changed);
    addEventListener("storage", stored);
    return () => {
      removeEventListener(CHANGED, changed);
      removeEventListener("storage", stored);
    };
  }, theme);
}

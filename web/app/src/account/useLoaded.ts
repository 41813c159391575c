import { useCallback, useEffect, useState } from "react";
import { inWords } from "../server";

/** What a call answers, and calling it again. The function must stay the same. */
export function useLoaded<T>(load: () => Promise<T>): { found: T | undefined; problem: string | undefined; reload(): void } {
  const [found, setFound] = useState<T>();
  const [problem, setProblem] = useState<string>();
  const reload = useCallback(() => {
    load().then(
      (found) => {
        setFound(found);
        setProblem(undefined);
      },
      (error: unknown) => setProblem(inWords(error)),
    );
  }, [load]);
  useEffect(reload, [reload]);
  return { found, problem, reload };
}

/** `3 minutes ago`, in the reader's language. */
export function ago(time: string, now = Date.now()): string {
  const words = new Intl.RelativeTimeFormat(undefined, { numeric: "auto" });
  const seconds = (Date.parse(time) - now) / 1000;
  const units: [Intl.RelativeTimeFormatUnit, number][] = [
    ["day", 86_400],
    ["hour", 3_600],
    ["minute", 60],
  ];
  for (const [unit, size] of units) {
    if (Math.abs(seconds) >= size) return words.format(Math.round(seconds / size), unit);
  }
  return words.format(0, "minute");
}

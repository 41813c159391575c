/** Waiting between tries: doubling, with full jitter, so that a thousand clients don't come back at once. */

export interface Backoff {
  /** Milliseconds before the first retry, and the most before any. */
  least: number;
  most: number;
}

export const DEFAULT_BACKOFF: Backoff = { least: 250, most: 15_000 };

/** How long to wait before that retry (the first is 0). `random` is in [0, 1). */
export function delay(backoff: Backoff, retry: number, random: number): number {
  const ceiling = Math.min(backoff.most, backoff.least * 2 ** Math.min(retry, 20));
  return backoff.least / 2 + random * (ceiling - backoff.least / 2);
}

/** Ends early, without an error, when the signal says stop, or when the network is said to be back. */
export function sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const network = typeof globalThis.addEventListener === "function" ? globalThis : undefined;
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      network?.removeEventListener("online", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    if (signal?.aborted) return done();
    signal?.addEventListener("abort", done, { once: true });
    network?.addEventListener("online", done, { once: true });
  });
}

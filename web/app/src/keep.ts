/** What this browser remembers. Where it may not, nothing breaks. */

export function recall(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

export function keep(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    // A private window, or no room.
  }
}

/** Forgets whatever begins with one of these. */
export function forget(...prefixes: string[]): void {
  try {
    for (const name of Object.keys(localStorage)) {
      if (prefixes.some((prefix) => name.startsWith(prefix))) localStorage.removeItem(name);
    }
  } catch {
    // There was nothing to forget.
  }
}

/** What became another line between two texts: from the first difference to the last. Pure. */

export interface Changes {
  before: readonly string[];
  after: readonly string[];
}

export function changes(before: string, after: string): Changes {
  const [old, now] = [before.split("\n"), after.split("\n")];
  let head = 0;
  while (head < old.length && head < now.length && old[head] === now[head]) head += 1;
  let tail = 0;
  const rest = Math.min(old.length, now.length) - head;
  while (tail < rest && old.at(-1 - tail) === now.at(-1 - tail)) tail += 1;
  return { before: old.slice(head, old.length - tail), after: now.slice(head, now.length - tail) };
}

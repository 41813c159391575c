/** Which branch a message is on. Pure. */

import type { TreeNode } from "@weir/client";

/** Where the newest branch below a message ends, as the server goes down it; nothing where there is no such message. */
export function endBelow(tree: readonly TreeNode[], id: string): string | undefined {
  if (!tree.some((node) => node.id === id)) return undefined;
  const newest = new Map<string, string>();
  for (const { id, parent_id } of tree) {
    if (parent_id != null && id > (newest.get(parent_id) ?? "")) newest.set(parent_id, id);
  }
  let end = id;
  for (let next = newest.get(end); next !== undefined; next = newest.get(end)) end = next;
  return end;
}

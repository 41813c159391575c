/** How much of an approval's arguments its row shows. Pure. */

import { argsThatRun, type Approval } from "@weir/client";

/** More is read on its own page. */
const SHOWN_CHARS = 400;

export interface Preview {
  text: string;
  /** So many characters are not in it. */
  left: number;
}

export function preview(approval: Approval): Preview {
  const characters = [...argsThatRun(approval)];
  return { text: characters.slice(0, SHOWN_CHARS).join(""), left: Math.max(0, characters.length - SHOWN_CHARS) };
}

/** What was not read is not approved. */
export function isWhollyShown(approval: Approval): boolean {
  return preview(approval).left === 0;
}

/** What the server says with a decision that does not count. Pure. */

import { WeirError, type Approval } from "@weir/client";
import type { Misfit } from "../tools/schema";

/** The approval as it is by now. */
export function approvalIn(error: unknown): Approval | undefined {
  if (!(error instanceof WeirError)) return undefined;
  return (error.problem as { approval?: Approval }).approval;
}

/** Where changed arguments do not fit the tool; pointers are into the arguments. */
export function misfitsIn(error: unknown): Misfit[] {
  if (!(error instanceof WeirError)) return [];
  const errors = error.problem.errors ?? [];
  return errors.filter(({ pointer }) => pointer.startsWith("/args")).map(({ pointer, detail }) => ({ pointer: pointer.slice("/args".length), detail }));
}

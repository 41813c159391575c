/** Somebody whom an approval names. */

import type { Approval } from "@weir/client";
import { Exact } from "../look/Exact";
import { nameOf, useMe } from "../me";
import { useNames } from "./names";

export function Name({ of: approval, id }: { of: Approval; id: string }) {
  const me = useMe();
  const name = useNames(approval, me.user.id).get(id);
  return name === undefined || me.user.id === id ? nameOf(me, id) : <Exact text={name} />;
}

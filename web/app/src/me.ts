/** Who is signed in here. */

import type { Approval, Me } from "@weir/client";
import { createContext, useContext } from "react";

const Context = createContext<Me | undefined>(undefined);

export const MeProvider = Context.Provider;

export function useMe(): Me {
  const me = useContext(Context);
  if (!me) throw new Error("nobody is signed in");
  return me;
}

const RANKS = ["viewer", "member", "admin", "owner"] as const satisfies readonly Me["role"][];

/** As far as roles say; who may write to a conversation is known to the server. */
export function mayDecide({ role }: Me, { required_role }: Approval): boolean {
  return required_role == null || RANKS.indexOf(role) >= RANKS.indexOf(required_role);
}

export function nameOf({ user }: Me, id: string): string {
  return user.id === id ? "you" : `someone else (…${id.slice(-6)})`;
}

/** Coming in and going out. */

import type { Me } from "@weir/client";
import { forget } from "../keep";
import { api } from "../server";

export function setUp(code: string, name: string, password: string): Promise<Me> {
  return api.json("/v1/auth/setup", { method: "POST", body: { code, name, password } });
}

export function signIn(name: string, password: string): Promise<Me> {
  return api.json("/v1/auth/login", { method: "POST", body: { name, password } });
}

/** What was not sent yet goes too: the next person here is perhaps another one. */
export async function signOut(): Promise<void> {
  await api.call("/v1/auth/logout", { method: "POST" });
  forget("weir.draft.", "weir.files.", "weir.sending.", "weir.model.", "weir.title.");
}

/** Where one is signed in, and the keys of one's programs. */

import type { ApprovalRule } from "@weir/client";
import { api } from "../server";

export interface Session {
  id: string;
  created_at: string;
  last_used_at: string;
  user_agent?: string | null;
  address?: string | null;
  /** The one that asks. */
  current: boolean;
}

export interface Key {
  id: string;
  user_id: string;
  name: string;
  /** How its secret begins. */
  prefix: string;
  permissions: string[];
  created_at: string;
  last_used_at?: string | null;
  expires_at?: string | null;
  revoked_at?: string | null;
}

export async function sessions(): Promise<Session[]> {
  return (await api.json<{ items: Session[] }>("/v1/auth/sessions")).items;
}

export async function endSession(id: string): Promise<void> {
  await api.call(`/v1/auth/sessions/${id}`, { method: "DELETE" });
}

export async function keys(): Promise<Key[]> {
  return (await api.json<{ items: Key[] }>("/v1/api-keys")).items;
}

/** The secret is in this answer, and nowhere else ever. */
export function createKey(name: string, expiresAt: Date | undefined): Promise<{ key: Key; secret: string }> {
  const body = { name, ...(expiresAt ? { expires_at: expiresAt.toISOString() } : {}) };
  return api.json("/v1/api-keys", { method: "POST", body });
}

export async function revokeKey(id: string): Promise<void> {
  await api.call(`/v1/api-keys/${id}`, { method: "DELETE" });
}

/** What an agent noted about this person. */
export interface Memory {
  id: string;
  agent: string;
  text: string;
  updated_at: string;
}

export async function memories(): Promise<Memory[]> {
  return (await api.json<{ items: Memory[] }>("/v1/memories")).items;
}

export async function changeMemory(id: string, text: string): Promise<void> {
  await api.json(`/v1/memories/${id}`, { method: "PATCH", body: { text } });
}

export async function forgetMemory(id: string): Promise<void> {
  await api.call(`/v1/memories/${id}`, { method: "DELETE" });
}

/** Those that still answer something, or would if their tool were as it was. */
export async function rules(): Promise<ApprovalRule[]> {
  const all: ApprovalRule[] = [];
  for (let after: string | undefined; ; ) {
    const { items, next } = await api.approvalRules({ limit: 200, ...(after === undefined ? {} : { after }) });
    all.push(...items);
    if (next == null) return all.filter(isInForce);
    after = next;
  }
}

export function isInForce({ revoked_at, expires_at }: ApprovalRule, now = Date.now()): boolean {
  return revoked_at == null && (expires_at == null || Date.parse(expires_at) > now);
}

import type { Approval } from "@weir/client";
import { WeirError } from "@weir/client";
import { expect, test } from "vitest";

import { isWhollyShown, preview } from "../../src/approvals/preview.ts";
import { append, awaiting, inFew, matches, PENDING, put, without } from "../../src/approvals/queue.ts";
import { approvalIn, misfitsIn } from "../../src/approvals/refusal.ts";
import { NOT_REMEMBERED, remembered } from "../../src/approvals/Remember.tsx";

function approval(id: string, more: object = {}): Approval {
  return { id, state: "pending", tool: "refund", args_text: "{}", votes: [], context: { agent: "default" }, ...more } as unknown as Approval;
}

const ids = (list: readonly Approval[]) => list.map(({ id }) => id);

test("a new one is put where its age belongs, and one that is known takes its place", () => {
  const list = [approval("a1"), approval("a3")];
  expect(ids(put(list, approval("a2"), PENDING, false))).toEqual(["a1", "a2", "a3"]);
  const again = put(list, approval("a3", { tool: "wipe" }), PENDING, false);
  expect(again.map(({ tool }) => tool)).toEqual(["refund", "wipe"]);
});

test("one that is decided leaves what waits", () => {
  expect(ids(put([approval("a1"), approval("a2")], approval("a1", { state: "denied" }), PENDING, false))).toEqual(["a2"]);
  expect(ids(without([approval("a1")], "a1"))).toEqual([]);
  const list = [approval("a1")];
  expect(without(list, "a9")).toBe(list);
});

test("what lies behind the loaded pages comes with its page", () => {
  const list = [approval("a1"), approval("a3")];
  expect(ids(put(list, approval("a9"), PENDING, true))).toEqual(["a1", "a3"]);
  expect(ids(put(list, approval("a2"), PENDING, true))).toEqual(["a1", "a2", "a3"]);
  expect(ids(append(list, [approval("a3"), approval("a4")]))).toEqual(["a1", "a3", "a4"]);
});

test("filters narrow", () => {
  expect(matches(approval("a1"), { state: "pending", agent: "default", tool: "refund" })).toBe(true);
  expect(matches(approval("a1"), { state: "pending", agent: "other" })).toBe(false);
  expect(matches(approval("a1"), { state: "pending", tool: "wipe" })).toBe(false);
  expect(matches(approval("a1"), { state: "denied" })).toBe(false);
});

test("what one has voted on no longer waits for one, and many are few", () => {
  expect(awaiting([approval("a1"), approval("a2", { votes: [{ user_id: "me" }] })], "me")).toBe(1);
  expect([inFew(7, false), inFew(100, false), inFew(50, true)]).toEqual(["7", "99+", "99+"]);
});

test("a row says how much it does not show", () => {
  expect(preview(approval("a1", { args_text: "x".repeat(400) }))).toEqual({ text: "x".repeat(400), left: 0 });
  expect(preview(approval("a1", { args_text: `${"🌊".repeat(400)}${"y".repeat(1200)}` }))).toEqual({ text: "🌊".repeat(400), left: 1200 });
  expect(isWhollyShown(approval("a1", { args_text: "x".repeat(401) }))).toBe(false);
  const changed = { votes: [{ user_id: "u", changed: { args_text: "{}", args_hash: "h" } }] };
  expect(isWhollyShown(approval("a1", { args_text: "x".repeat(401), ...changed }))).toBe(true);
});

test("what is remembered has an end, unless a person says otherwise", () => {
  const now = new Date("2026-11-21T00:00:00Z");
  expect(remembered(NOT_REMEMBERED, now)).toBeUndefined();
  expect(remembered({ ...NOT_REMEMBERED, isOn: true }, now)).toEqual({ scope: "conversation", match: "exact", expires_at: "2026-11-22T00:00:00.000Z" });
  expect(remembered({ isOn: true, scope: "workspace", match: "tool", until: "always" }, now)).toEqual({ scope: "workspace", match: "tool" });
});

test("a refusal says what is so by now, and where arguments do not fit", () => {
  const problem = { type: "approval-closed", title: "", status: 409, detail: "", approval: approval("a1", { state: "denied" }) };
  expect(approvalIn(new WeirError(problem))?.state).toBe("denied");
  expect(approvalIn(new Error("no"))).toBeUndefined();
  const invalid = { type: "invalid", title: "", status: 422, detail: "", errors: [{ pointer: "/args/order", detail: "is short" }, { pointer: "/reason", detail: "long" }] };
  expect(misfitsIn(new WeirError(invalid))).toEqual([{ pointer: "/order", detail: "is short" }]);
});

import type { FoldedCall, Me } from "@weir/client";
import { renderToStaticMarkup } from "react-dom/server";
import { expect, test } from "vitest";

import { MeProvider } from "../../src/me.ts";
import { CallCard } from "../../src/tools/CallCard.tsx";

const me = { user: { id: "user_ada", name: "Ada" }, role: "member" } as Me;
const part = { type: "tool_call" as const, call_id: "call_1", name: "refund", args_text: '{"order":"7"}' };
const approval = {
  id: "appr_1", state: "pending", tool: "refund", args_text: '{"order":"7"}', args_hash: "h", approvals: 1, votes: [],
  expires_at: "2999-01-01T00:00:00.000Z", requested_at: "2026-11-21T00:00:00.000Z",
  context: { agent: "default", requested_by: "user_ada", recent: [], sibling_calls: [], tool: { source: "http", description: "<b>Refund</b>", schema: {} } },
};

function drawn(call: object, { isLive = true, wasRetried = false } = {}): string {
  const whole = { id: "call_1", tool: "refund", args_text: part.args_text, state: "started", ...call } as FoldedCall;
  return renderToStaticMarkup(
    <MeProvider value={me}>
      <CallCard part={part} call={whole} isWritten={false} isLive={isLive} wasRetried={wasRetried} />
    </MeProvider>,
  );
}

test("progress is shown while it runs, as a length where there is one, and its words as text", () => {
  const html = drawn({ progress: { message: "<i>half</i>", fraction: 0.5 } });
  expect(html).toContain('<progress max="1" value="0.5" aria-label="How far it has come">');
  expect(html).toContain("&lt;i&gt;half&lt;/i&gt;");
  expect(drawn({ progress: { message: "begun" } })).not.toContain("<progress");
  expect(drawn({ state: "succeeded", output: "ok", progress: { fraction: 1 } })).not.toContain("<progress");
});

test("what a running tool asks is a form that says who asks", () => {
  const schema = { type: "object", properties: { size: { type: "string", enum: ["s", "l"] }, gift: { type: "boolean" }, n: { type: "integer" } }, required: ["size"] };
  const html = drawn({ question: { id: "q_1", message: "Which <size>?", schema } });
  expect(html).toContain("Which &lt;size&gt;?");
  expect(html).toContain("asks, not Weir. Give it no password.");
  expect(html).toMatch(/<select[^>]*><option value="" selected="">—<\/option><option value="s">s<\/option>/);
  expect(html).toMatch(/type="checkbox"/);
  expect(html).toMatch(/type="number" step="1"/);
  expect(html).not.toContain("going on");
  expect(drawn({ state: "succeeded", output: "", question: { id: "q_1", message: "late" } })).not.toContain("late");
});

test("an address is shown whole, and is a link only into the web", () => {
  const asks = (url: string) => drawn({ question: { id: "q_1", message: "Sign in", url } });
  expect(asks("https://bank.example/\u202Egnp")).toContain("⟨U+202E⟩");
  expect(asks("https://bank.example/")).toContain('<a href="https://bank.example/" target="_blank" rel="noopener noreferrer nofollow">');
  expect(asks("javascript:alert(1)")).not.toContain("<a ");
  expect(asks("javascript:alert(1)")).toContain("javascript:alert(1)");
});

test("who may not decide sees what is asked, and no buttons", () => {
  expect(drawn({ state: "pending", approval })).toContain(">Approve</button>");
  const strict = drawn({ state: "pending", approval: { ...approval, required_role: "admin" } });
  expect(strict).not.toContain(">Approve</button>");
  expect(strict).toContain("“admin”");
  expect(strict).toContain("&lt;b&gt;Refund&lt;/b&gt;");
});

test("a turn that has ended asks nobody any more", () => {
  for (const call of [{ state: "pending", approval }, { state: "pending", tool: "ask_user" }]) {
    const html = drawn(call, { isLive: false });
    expect(html).not.toMatch(/Approve|Don’t answer/);
  }
});

test("what a turn left unknown is put on record afterwards, and not tried again", () => {
  const unknown = { state: "unknown", error: "the turn ended while the tool ran" };
  const html = drawn(unknown, { isLive: false });
  expect(html).toContain("It happened");
  expect(html).not.toContain("Try again");
  expect(drawn({ ...unknown, resolved: "failed" }, { isLive: false })).not.toContain("It happened");
  // Of an imported one nothing is said at all.
  expect(drawn({ state: "unknown" }, { isLive: false })).not.toContain("It happened");
});

test("what nobody knows is settled once", () => {
  const unknown = { state: "unknown", error: "the server stopped while the tool ran" };
  expect(drawn(unknown)).toContain("Nobody knows whether it happened.");
  for (const html of [drawn({ ...unknown, resolved: "succeeded", output: "it did" }), drawn({ ...unknown, resolved: "failed" }), drawn(unknown, { wasRetried: true })]) {
    expect(html).not.toContain("Nobody knows");
  }
  expect(drawn({ ...unknown, resolved: "succeeded", output: "it did" })).toContain("happened, says a person");
});

test("arguments that people changed stand beside those of the model", () => {
  const html = drawn({ state: "succeeded", output: "ok", args_text: '{"order":"8"}', rule: "refund" });
  expect(html).toContain("Arguments as the model wrote them");
  expect(html).toContain("Rule: <code>refund</code>");
});

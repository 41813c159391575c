/** Tools and approvals, as people meet them: nothing runs without a yes, and what is decided is what was seen. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Locator, Page } from "playwright-core";

import { launch, Person } from "./harness/browser.js";
import { until } from "./harness/wait.js";
import { Weir } from "./harness/weir.js";
import { Workshop } from "./harness/workshop.js";

const REFUND_SCHEMA = '{ type = "object", properties = { order = { type = "string" }, amount = { type = "number" } }, required = ["order"] }';

let browser: Browser;
let workshop: Workshop;
let weir: Weir;
let ada: Person;

before(async () => {
  browser = await launch();
  workshop = await Workshop.start();
  const config = workshop.config([
    { name: "refund", schema: REFUND_SCHEMA },
    { name: "look", idempotent: true, policy: '"allow"' },
    { name: "ship", policy: '"allow"' },
    { name: "wipe", policy: '{ ask = "admin" }' },
  ]);
  weir = await Weir.start({ config });
  ada = await Person.arrive(browser, { viewport: { width: 1100, height: 800 } });
  await ada.signIn(weir);
});
after(async () => {
  await browser.close();
  await weir.end();
  await workshop.end();
});

interface Calls {
  tool: string;
  args: unknown;
}

/** A new conversation whose model makes these calls. */
async function ask(page: Page, calls: readonly Calls[]): Promise<void> {
  await page.goto(weir.url);
  await page.getByLabel("Your message", { exact: true }).fill(JSON.stringify(calls));
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/c\/conv_/);
}

function panel(page: Page, tool = "refund"): Locator {
  return page.getByRole("group", { name: `May ${tool} run?` });
}

function card(page: Page, tool = "refund"): Locator {
  return page.getByRole("region", { name: `Tool ${tool}` });
}

function answer(page: Page): Locator {
  return page.locator(".answer");
}

function stateOf(page: Page, tool = "refund"): Promise<string> {
  return card(page, tool).locator(".tool-state").first().innerText();
}

async function pendingCount(): Promise<number> {
  return (await weir.json<{ items: unknown[] }>("/v1/approvals")).items.length;
}

async function refunds(): Promise<unknown[]> {
  return workshop.ran.map(({ args }) => args["order"]);
}

/** What runs in tests before counts no more. */
function forget(): void {
  workshop.ran.length = 0;
}

test("nothing runs before the yes, over a reload and a kill -9, and once after it, however often one clicks", async () => {
  forget();
  const page = await ada.page();
  await ask(page, [{ tool: "refund", args: { order: "7", amount: 12.5 } }]);
  await panel(page).waitFor();
  const shown = await panel(page).getByRole("region", { name: "Arguments", exact: true }).innerText();
  assert.equal(shown, '{\n  "order": "7",\n  "amount": 12.5\n}');
  await until("the count in the title", async () => (await page.title()).startsWith("(1) "));
  await page.reload();
  await panel(page).waitFor();
  await weir.kill9();
  await weir.restart();
  await page.reload();
  await panel(page).waitFor();
  assert.deepEqual(workshop.ran, []);

  await panel(page).getByRole("button", { name: "Approve", exact: true }).dblclick();
  await answer(page).getByText("told: ran with").waitFor();
  assert.equal(await panel(page).count(), 0);
  assert.equal(await stateOf(page), "done");
  assert.equal(workshop.ran.length, 1);
  await until("the count to go", async () => !(await page.title()).startsWith("("));

  await card(page).locator("summary").click();
  await card(page).getByText("Approved by you").waitFor();
  await card(page).getByRole("region", { name: "Result" }).getByText('"order": "7"').waitFor({ timeout: 5_000 }).catch(() => undefined);
  assert.match(await card(page).getByRole("region", { name: "Result" }).innerText(), /ran with/);
  await page.close();
});

test("a no with a reason reaches the model, and the tool never runs", async () => {
  forget();
  const page = await ada.page();
  await ask(page, [{ tool: "refund", args: { order: "8" } }]);
  await panel(page).getByRole("button", { name: "Deny…" }).click();
  await page.keyboard.type("not on a Sunday");
  await panel(page).getByRole("button", { name: "Deny", exact: true }).click();
  await answer(page).getByText("told: a person did not allow this call: not on a Sunday").waitFor();
  assert.equal(await stateOf(page), "denied");
  await page.reload();
  await card(page).getByText("a person did not allow this call: not on a Sunday").waitFor();
  assert.deepEqual(await refunds(), []);
  await page.close();
});

test("arguments are edited as JSON that is checked here and by the server, and what runs is what was written", async () => {
  forget();
  const page = await ada.page();
  await ask(page, [{ tool: "refund", args: { order: "9", amount: 1000 } }]);
  await panel(page).getByRole("button", { name: "Edit arguments…" }).click();
  const box = panel(page).getByLabel("Arguments, as JSON");
  assert.equal(await box.inputValue(), '{\n  "order": "9",\n  "amount": 1000\n}');
  const approve = panel(page).getByRole("button", { name: "Approve with these arguments" });
  await box.fill('{"order": 9, "amount": "much"}');
  await panel(page).getByText("has to be a number").waitFor();
  await panel(page).getByText("/order has to be a text").waitFor();
  assert.equal(await approve.isDisabled(), true);
  await box.fill('{"order": "9"');
  await panel(page).getByText("not JSON").waitFor();
  await box.fill('{"order": "9", "amount": 10}');
  await approve.click();
  await answer(page).getByText(/^told: [^]*ran with/).waitFor();
  assert.deepEqual(workshop.ran.map(({ args }) => args), [{ order: "9", amount: 10 }]);
  await card(page).locator("summary").click();
  await card(page).getByRole("region", { name: "Arguments as the model wrote them" }).getByText("1000").waitFor();
  await page.close();
});

test("what is decided in one tab is shown in the other", async () => {
  forget();
  const [one, other] = [await ada.page(), await ada.page()];
  await ask(one, [{ tool: "refund", args: { order: "10" } }]);
  await panel(one).waitFor();
  await other.goto(one.url());
  await panel(other).waitFor();
  await panel(other).getByRole("button", { name: "Approve", exact: true }).click();
  for (const page of [one, other]) await answer(page).getByText("told: ran with").waitFor();
  assert.equal(await stateOf(one), "done");
  assert.deepEqual(await refunds(), ["10"]);
  await one.close();
  await other.close();
});

test("arguments that somebody changes meanwhile are shown before anything is decided", async () => {
  forget();
  const config = workshop.config([{ name: "refund", schema: REFUND_SCHEMA, policy: '{ ask = "member", approvals = 2 }' }]);
  const strict = await Weir.start({ config });
  const bob = await Person.arrive(browser);
  await bob.signIn(strict, "Bob");
  const page = await bob.page();
  await page.goto(strict.url);
  await page.getByLabel("Your message", { exact: true }).fill(JSON.stringify([{ tool: "refund", args: { order: "1", amount: 5 } }]));
  await page.keyboard.press("Enter");
  await panel(page).getByText("0 of 2 approvals").waitFor();
  const { items } = await strict.json<{ items: { id: string; args_hash: string }[] }>("/v1/approvals");
  const [approval] = items;
  assert.ok(approval);
  const { token } = await strict.json<{ token: string }>("/v1/auth/tokens", { method: "POST", body: { subject: "carol", role: "member", ttl: 3000 } });
  const decide = { decision: "approve", args_hash: approval.args_hash, args: { order: "1", amount: 5000 } };
  await strict.json(`/v1/approvals/${approval.id}/decide`, { method: "POST", body: decide, token });

  await panel(page).getByText("The arguments were changed").waitFor();
  assert.equal(await panel(page).getByRole("button", { name: "Approve", exact: true }).count(), 0);
  assert.match(await panel(page).getByRole("region", { name: "What was changed" }).innerText(), /"amount": 5\n[^]*"amount": 5000/);
  await panel(page).getByRole("button", { name: "Look at what would run now" }).click();
  await panel(page).getByText("1 of 2 approvals").waitFor();
  await panel(page).getByRole("button", { name: "Approve", exact: true }).click();
  await answer(page).getByText(/^told: [^]*ran with/).waitFor();
  assert.deepEqual(workshop.ran.map(({ args }) => args), [{ order: "1", amount: 5000 }]);
  await bob.leave();
  await strict.end();
});

test("a call that a kill left unknown is settled by a person, or done again after another yes", async () => {
  forget();
  workshop.hold();
  const page = await ada.page();
  await ask(page, [{ tool: "ship", args: { order: "11" } }]);
  await until("the tool to run", () => workshop.ran.length === 1);
  await until("the page to say so", async () => (await stateOf(page, "ship")) === "running");
  await weir.kill9();
  await weir.restart();
  workshop.release();
  const settle = page.getByRole("group", { name: "What became of ship?" });
  await settle.waitFor();
  await page.reload();
  await settle.getByText("Nobody knows whether it happened.").waitFor();
  await settle.getByRole("button", { name: "Try again" }).click();
  await panel(page, "ship").getByRole("button", { name: "Approve", exact: true }).click();
  await answer(page).getByText("told: ran with").waitFor();
  assert.deepEqual(await refunds(), ["11", "11"]);
  assert.deepEqual(await card(page, "ship").locator(".tool-state").allInnerTexts(), ["outcome unknown, tried again", "done"]);
  await page.close();
});

test("a call that was cut off with its turn is put on record afterwards, and not done again", async () => {
  forget();
  workshop.hold();
  const page = await ada.page();
  await ask(page, [{ tool: "ship", args: { order: "12" } }]);
  await until("the tool to run", () => workshop.ran.length === 1);
  await page.getByRole("button", { name: "Stop" }).click();
  const settle = page.getByRole("group", { name: "What became of ship?" });
  await settle.waitFor();
  workshop.release();
  await page.reload();
  await settle.waitFor();
  assert.equal(await settle.getByRole("button", { name: "Try again" }).count(), 0);
  await settle.getByRole("button", { name: "It happened" }).click();
  await settle.waitFor({ state: "detached" });
  assert.equal(await stateOf(page, "ship"), "happened, says a person");
  await page.reload();
  await card(page, "ship").waitFor();
  assert.deepEqual([await stateOf(page, "ship"), await settle.count()], ["happened, says a person", 0]);
  assert.deepEqual(await refunds(), ["12"]);
  await page.close();
});

test("the inbox shows what waits over all conversations, live, and several are denied at once", async () => {
  forget();
  const page = await ada.page();
  await page.goto(`${weir.url}/approvals`);
  await page.getByText("Nothing waits for you.").waitFor();
  const other = await ada.page();
  for (const order of ["20", "21", "22"]) {
    await ask(other, [{ tool: "refund", args: { order } }]);
    await panel(other).waitFor();
  }
  const rows = page.locator(".inbox-row");
  await until("three rows", async () => (await rows.count()) === 3);
  await until("the count beside the navigation", async () => (await page.getByRole("link", { name: "Approvals, 3 waiting" }).count()) === 1);
  assert.match(await page.title(), /^\(3\) Approvals/);
  assert.match(await rows.first().innerText(), /"order":"20"/);

  await page.getByLabel("Tool", { exact: true }).selectOption("wipe");
  await page.getByText("Nothing of this kind waits for you.").waitFor();
  await page.getByLabel("Tool", { exact: true }).selectOption("");
  await until("three rows", async () => (await rows.count()) === 3);

  // One of them is decided elsewhere while it is selected here.
  await rows.nth(0).getByRole("checkbox").check();
  await rows.nth(1).getByRole("checkbox").check();
  await page.getByText("2 selected").waitFor();
  await page.getByRole("button", { name: "Deny…" }).click();
  await page.getByLabel("Why not?").fill("closed for today");
  await page.getByRole("button", { name: "Deny 2" }).click();
  await until("one row", async () => (await rows.count()) === 1);
  assert.equal(await pendingCount(), 1);
  await page.getByLabel("State", { exact: true }).selectOption("denied");
  await page.getByText("Denied by you: closed for today").first().waitFor();

  await page.getByLabel("State", { exact: true }).selectOption("pending");
  await rows.first().getByRole("link", { name: "refund" }).click();
  await page.waitForURL(/\/approvals\/appr_/);
  await page.getByRole("link", { name: "Open the conversation" }).waitFor();
  await panel(page).getByRole("button", { name: "Approve", exact: true }).click();
  await page.getByText("Approved by you.").waitFor();
  await until("the tool to run", () => workshop.ran.length === 1);
  assert.deepEqual(await refunds(), ["22"]);
  await page.getByRole("link", { name: "All approvals" }).click();
  await page.getByText("Nothing waits for you.").waitFor();
  await page.close();
  await other.close();
});

test("an admin decides about a call in somebody's private conversation, and reads no more than that", async () => {
  forget();
  const minted = await weir.json<{ token: string }>("/v1/auth/tokens", { method: "POST", body: { subject: "carol", role: "member", ttl: 3000 } });
  const carol = { token: minted.token };
  const text = JSON.stringify([{ tool: "wipe", args: { order: "30" } }]);
  const { conversation } = await weir.json<{ conversation: { id: string } }>("/v1/conversations", { method: "POST", body: { message: { text } }, ...carol });
  const page = await ada.page();
  await page.goto(`${weir.url}/approvals`);
  const row = page.locator(".inbox-row");
  await row.getByRole("link", { name: "wipe" }).click();
  await panel(page, "wipe").waitFor();
  await page.getByText("for carol").waitFor();
  await page.locator('.recent [data-role="user"]').getByText('"order":"30"').waitFor();
  assert.equal(await page.getByRole("link", { name: "Open the conversation" }).count(), 0);
  assert.equal((await weir.call(`/v1/conversations/${conversation.id}`)).status, 404);
  assert.equal((await weir.json<{ items: unknown[] }>("/v1/approvals", carol)).items.length, 0);
  // One is at the address of an e-mail, and signs in there.
  const address = page.url();
  const late = await Person.arrive(browser);
  const knock = await late.page();
  await knock.goto(address);
  await knock.getByLabel("Name").fill("Ada");
  await knock.getByLabel("Password").fill("correct horse battery");
  await knock.keyboard.press("Enter");
  await panel(knock, "wipe").waitFor();
  assert.equal(knock.url(), address);

  await panel(page, "wipe").getByRole("button", { name: "Approve", exact: true }).click();
  await page.getByText("Approved by you.").waitFor();
  await knock.getByText("Approved by you.").waitFor();
  await until("the tool to run", () => workshop.ran.length === 1);
  await late.leave();
  await page.close();
});

test("100 KB of arguments are wholly reachable, and nothing in them hides", async () => {
  forget();
  const page = await ada.page();
  const filler = Array.from({ length: 9_000 }, (_, at) => `line ${at}`).join(" ");
  const hidden = "\u202Etxt.exe\u202C \u200Bpаypal \u0007";
  const args = { order: `${filler} ${hidden} ${filler}`.slice(0, 102_000), end: "THE END" };
  await ask(page, [{ tool: "refund", args }]);
  const box = panel(page).getByRole("region", { name: "Arguments", exact: true });
  await box.waitFor();
  const shown = await box.innerText();
  const written = JSON.stringify(args, null, 2).replace(/[\u202E\u202C\u200B]/g, (mark) => `⟨U+${mark.charCodeAt(0).toString(16).toUpperCase()}⟩`);
  assert.equal(shown, written);
  assert.match(await panel(page).locator(".json figcaption").first().innerText(), /102,0\d\d characters/);
  assert.equal(await box.locator(".exact-mixed").innerText(), "pаypal");
  await box.focus();
  await page.keyboard.press("End");
  await until("its end on the screen", () => box.evaluate((box) => box.scrollHeight - box.scrollTop - box.clientHeight < 2));
  assert.equal(await page.evaluate(() => /[\u202E\u200B]/.test(document.querySelector(".approval")?.textContent ?? "")), false);

  await page.goto(`${weir.url}/approvals`);
  await page.getByText(/and [\d,]+ more characters/).waitFor();
  await page.locator(".inbox-row").getByRole("checkbox").check();
  assert.equal(await page.getByRole("button", { name: "Approve", exact: true }).isDisabled(), true);
  await page.getByText("Some arguments are too long to be seen here.").waitFor();
  await page.getByRole("button", { name: "Deny…" }).click();
  await page.getByRole("button", { name: "Deny 1" }).click();
  await page.getByText("Nothing waits for you.").waitFor();
  await page.close();
});

test("hostile names, arguments and outputs are text", async () => {
  forget();
  const markup = `<img src=x onerror=alert(1)><script>alert(2)</script>"'><a href="javascript:alert(3)">x</a>`;
  const before = { ...ada.record, dialogs: ada.record.dialogs.length, violations: ada.record.violations.length };
  workshop.answer = () => markup;
  const page = await ada.page();
  await ask(page, [
    { tool: "refund", args: { order: markup } },
    { tool: "look", args: { order: markup } },
    { tool: markup, args: markup },
  ]);
  await panel(page).getByRole("button", { name: "Approve", exact: true }).click();
  await answer(page).getByText("told:").waitFor();
  for (const summary of await page.locator(".call summary").all()) await summary.click();
  assert.equal(await page.locator(".call").locator("img, script, a, iframe, svg:not(.lucide)").count(), 0);
  assert.ok((await card(page, "look").getByRole("region", { name: "Result" }).innerText()).includes(markup));
  assert.equal(ada.record.dialogs.length, before.dialogs);
  assert.equal(ada.record.violations.length, before.violations);
  workshop.answer = (args) => `ran with ${JSON.stringify(args)}`;
  await page.close();
});

test("all of it can be done with the keyboard, and a new question takes the focus from nobody", async () => {
  forget();
  const page = await ada.page();
  await ask(page, [{ tool: "refund", args: { order: "40" } }]);
  await panel(page).waitFor();
  assert.equal(await page.evaluate(() => document.activeElement?.id), "composer");
  const approve = panel(page).getByRole("button", { name: "Approve", exact: true });
  for (let tabs = 0; tabs < 60 && !(await approve.evaluate((button) => button === document.activeElement)); tabs += 1) {
    await page.keyboard.press("Shift+Tab");
  }
  await page.keyboard.press("Enter");
  await answer(page).getByText("told: ran with").waitFor();
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), "SUMMARY");
  assert.deepEqual(await refunds(), ["40"]);
  await page.close();
});

test("a yes that is remembered is not asked for again, until it is revoked where one's rules are listed", async () => {
  forget();
  const page = await ada.page();
  await ask(page, [{ tool: "refund", args: { order: "50" } }]);
  await panel(page).getByLabel("Don’t ask again").check();
  await panel(page).getByLabel("Where").selectOption("workspace");
  await panel(page).getByLabel("How long").selectOption("week");
  await panel(page).getByRole("button", { name: "Approve and remember" }).click();
  await answer(page).getByText("told: ran with").waitFor();
  await ask(page, [{ tool: "refund", args: { order: "50" } }]);
  await answer(page).getByText("told: ran with").waitFor();
  assert.deepEqual(await refunds(), ["50", "50"]);
  await ask(page, [{ tool: "refund", args: { order: "51" } }]);
  await panel(page).waitFor();

  await page.getByRole("button", { name: /account and settings/ }).click();
  await page.getByRole("menuitem", { name: "Sessions, keys and rules" }).click();
  const rules = page.getByRole("region", { name: "Remembered approvals" });
  await rules.getByText("everywhere in the workspace, these arguments").waitFor();
  await rules.getByText("expires in 7 days").waitFor();
  await rules.getByRole("button", { name: "Revoke refund" }).click();
  await rules.getByRole("button", { name: "Really revoke" }).click();
  await rules.getByText("Every call that needs a yes is asked about.").waitFor();
  await ask(page, [{ tool: "refund", args: { order: "50" } }]);
  await panel(page).waitFor();
  assert.deepEqual(await refunds(), ["50", "50"]);
  await page.close();
});

test("the agent's question is answered by a choice or in words, once, over a reload", async () => {
  const page = await ada.page();
  const question = { question: "Which colour?", choices: ["Teal", "Orange"] };
  await ask(page, [{ tool: "ask_user", args: question }]);
  const form = page.getByRole("form", { name: "Which colour?" });
  await form.waitFor();
  await page.reload();
  assert.match(await stateOf(page, "ask_user"), /asks you/);
  await form.getByRole("button", { name: "Orange" }).dblclick();
  await answer(page).getByText("told: Orange").waitFor();

  await ask(page, [{ tool: "ask_user", args: { ...question, multiple: true } }]);
  await form.getByLabel("Teal").check();
  await form.getByLabel("Or in your own words").fill("and a little <b>red</b>");
  await page.keyboard.press("Enter");
  await answer(page).getByText("told: Teal and a little <b>red</b>").waitFor();

  await ask(page, [{ tool: "ask_user", args: question }]);
  await form.getByRole("button", { name: "Don’t answer" }).click();
  await answer(page).getByText("the person did not want to answer").first().waitFor();
  await page.close();
});

test("what is written while people are asked waits for its turn", async () => {
  forget();
  const page = await ada.page();
  await ask(page, [{ tool: "refund", args: { order: "60" } }]);
  await panel(page).waitFor();
  await page.getByLabel("Your message", { exact: true }).fill("and then?");
  await page.keyboard.press("Enter");
  await page.locator(".queue").getByText("and then?").waitFor();
  await panel(page).getByRole("button", { name: "Approve", exact: true }).click();
  await answer(page).getByText("told: ran with").waitFor();
  await answer(page).getByText("told: and then?").waitFor();
  await page.close();
});

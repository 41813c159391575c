import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import type { Browser, Page } from "playwright-core";

import { launch, Person } from "./harness/browser.js";
import { assertOnlyGrew, assertShowsWhatIsStored, shown, stored } from "./harness/transcript.js";
import { until } from "./harness/wait.js";
import { ROOT_KEY, Weir } from "./harness/weir.js";

let browser: Browser;
let weir: Weir;
let ada: Person;

before(async () => {
  [browser, weir] = await Promise.all([launch(), Weir.start()]);
  ada = await Person.arrive(browser);
});
after(async () => {
  await browser.close();
  await weir.end();
});
beforeEach(() => {
  ada.record.violations.length = 0;
  ada.record.requests.length = 0;
});

const counted = (to: number) => Array.from({ length: to }, (_, at) => at + 1).join(", ");
const composer = (page: Page) => page.getByLabel("Your message", { exact: true });
const complete = (page: Page) => page.locator('.answer[data-last][data-standing="complete"]').waitFor({ timeout: 30_000 });

async function send(page: Page, text: string): Promise<void> {
  await composer(page).fill(text);
  await composer(page).press("Enter");
}

/** A new conversation that begins with these words; its id. */
async function begin(page: Page, text: string): Promise<string> {
  await page.goto(weir.url);
  await send(page, text);
  await page.waitForURL(/\/c\/conv_/);
  return page.url().split("/").at(-1) ?? "";
}

async function answerReaches(page: Page, bytes: number): Promise<void> {
  await until(`${bytes} bytes of answer`, async () => ((await shown(page)).slice(1).map(({ text }) => text).join("").length >= bytes));
}

/** What the policy stopped, and whom the page asked beside its own server. */
function assertQuiet(): void {
  assert.deepEqual(ada.record.violations, []);
  assert.deepEqual(ada.record.requests.filter((request) => !request.includes(` ${weir.url}/`)), []);
}

test("from the setup link to an answer that outlives a reload, a killed server and a second tab", async () => {
  const page = await ada.page();
  await page.goto(await weir.setupLink());
  await page.getByLabel("Name").waitFor();
  assert.equal(page.url(), `${weir.url}/setup`, "the code stays in no address");
  await page.getByLabel("Name").fill("Ada");
  await page.getByLabel("Password").fill("correct horse battery");
  await page.getByRole("button", { name: "Start" }).click();
  await page.getByText("What is on your mind?").waitFor();

  const id = await begin(page, "count to 300");
  await answerReaches(page, 60);
  const beforeReload = await shown(page);
  await page.reload();
  await answerReaches(page, 160);
  assertOnlyGrew(beforeReload, await shown(page));

  await weir.kill9();
  await page.getByText("Offline.").waitFor();
  const beforeRestart = await shown(page);
  await weir.restart();
  await answerReaches(page, 400);
  await page.getByText("Offline.").waitFor({ state: "detached" });
  assertOnlyGrew(beforeRestart, await shown(page));

  const tab = await ada.page();
  await tab.goto(page.url());
  await answerReaches(tab, 500);
  await Promise.all([complete(page), complete(tab)]);
  for (const seen of [page, tab]) {
    await assertShowsWhatIsStored(seen, weir, id);
    await seen.getByText("Cut off here, and resumed").waitFor();
  }
  const answer = (await stored(weir, id)).slice(1).map(({ text }) => text);
  assert.equal(answer.length, 2, "one attempt before the kill, one after it");
  assert.equal(answer.join(""), counted(300));
  assertQuiet();
});

test("what was written survives a reload and a server that is not there, and is sent once", async () => {
  const page = await ada.page();
  const id = await begin(page, "count to 2");
  await complete(page);
  await composer(page).fill("count to 3");
  await page.reload();
  await until("the draft", async () => (await composer(page).inputValue()) === "count to 3");

  // The first try is heard, and its answer never comes back.
  let tries = 0;
  await page.route(`**/v1/conversations/${id}/messages`, async (route) => {
    if (route.request().method() !== "POST") return route.continue();
    tries += 1;
    if (tries === 1) await route.fetch();
    return tries === 1 ? route.abort() : route.continue();
  });
  await composer(page).press("Enter");
  await until("a second try", () => tries >= 2);
  await until("the box to be empty", async () => (await composer(page).inputValue()) === "");
  await page.unroute(`**/v1/conversations/${id}/messages`);
  await complete(page);
  await assertShowsWhatIsStored(page, weir, id);
  assert.deepEqual((await stored(weir, id)).map(({ text }) => text), ["count to 2", "1, 2", "count to 3", "1, 2, 3"]);

  await weir.kill9();
  await send(page, "count to 4");
  await page.getByText("Your message is still here.").waitFor({ timeout: 40_000 });
  assert.equal(await composer(page).inputValue(), "count to 4");
  await weir.restart();
  await page.getByRole("button", { name: "Send it again" }).click();
  await until("its answer", async () => (await stored(weir, id)).at(-1)?.text === "1, 2, 3, 4");
  await assertShowsWhatIsStored(page, weir, id);
  assert.equal((await stored(weir, id)).length, 6);
});

test("messages wait for their turn, can be changed and withdrawn, and an answer can be stopped", async () => {
  const page = await ada.page();
  const id = await begin(page, "count to 1000");
  await answerReaches(page, 30);
  await send(page, "count to 7");
  await send(page, "count to 8");
  const waiting = page.getByRole("list", { name: "Messages that wait" }).getByRole("listitem");
  await until("two that wait", async () => (await waiting.count()) === 2);
  await waiting.nth(0).getByRole("button", { name: "Edit this message" }).click();
  await page.getByLabel("Message that waits").fill("count to 5");
  await page.getByLabel("Message that waits").press("Enter");
  await waiting.nth(0).getByText("count to 5").waitFor();
  await waiting.nth(1).getByRole("button", { name: "Withdraw this message" }).click();
  await until("one that waits", async () => (await waiting.count()) === 1);
  await page.reload();
  await waiting.nth(0).getByText("count to 5").waitFor();

  await page.getByRole("button", { name: "Stop the answer" }).click();
  await page.getByText("Stopped").waitFor();
  await complete(page);
  await assertShowsWhatIsStored(page, weir, id);
  const lines = (await stored(weir, id)).map(({ text }) => text);
  assert.deepEqual([lines[0], ...lines.slice(2)], ["count to 1000", "count to 5", "1, 2, 3, 4, 5"]);
  assert.ok(counted(1000).startsWith(lines[1] ?? "-") && lines[1] !== counted(1000), lines[1]);
});

test("a long conversation is loaded in pages, and what one reads stays where it is", async () => {
  const { conversation } = await weir.json<{ conversation: { id: string } }>("/v1/conversations", { method: "POST", body: { title: "Long" } });
  for (let n = 0; n < 40; n += 1) {
    const sent = await fetch(`${weir.url}/v1/conversations/${conversation.id}/messages`, {
      method: "POST",
      headers: { Authorization: `Bearer ${ROOT_KEY}`, "Content-Type": "application/json", Prefer: "wait=20" },
      body: JSON.stringify({ text: `count to ${(n % 5) + 1}` }),
    });
    assert.equal(sent.status, 200);
  }
  const page = await ada.page();
  await page.goto(`${weir.url}/c/${conversation.id}`);
  await until("the newest page", async () => (await shown(page)).length === 50);
  const frame = page.getByRole("region", { name: "Messages" });
  const fromEnd = () => frame.evaluate((frame) => frame.scrollHeight - frame.clientHeight - frame.scrollTop);
  await until("the end to be in sight", async () => (await fromEnd()) < 2);

  await frame.evaluate((frame) => frame.scrollTo(0, 40));
  await page.getByRole("button", { name: "Jump to latest" }).waitFor();
  const first = (await shown(page))[0]?.id ?? "";
  const top = () => page.locator(`[data-message-id="${first}"]`).evaluate((message) => message.getBoundingClientRect().top);
  const before = await top();
  await page.getByRole("button", { name: "Load earlier messages" }).click();
  await until("the older page", async () => (await shown(page)).length === 80);
  const moved = Math.abs((await top()) - before);
  assert.ok(moved < 60, `what was read moved by ${moved} pixels`);
  await assertShowsWhatIsStored(page, weir, conversation.id);

  await page.getByRole("button", { name: "Jump to latest" }).click();
  await until("the end to be in sight", async () => (await fromEnd()) < 2);
  // Who has scrolled up is not taken away by what comes below.
  await frame.evaluate((frame) => frame.scrollTo(0, 0));
  await page.getByRole("button", { name: "Jump to latest" }).waitFor();
  await weir.json(`/v1/conversations/${conversation.id}/messages`, { method: "POST", body: { text: "count to 30" } });
  await until("the new answer", async () => (await shown(page)).at(-1)?.text === counted(30));
  assert.equal(await frame.evaluate((frame) => frame.scrollTop), 0);
});

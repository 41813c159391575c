import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";

import { launch, Person } from "./harness/browser.js";
import { shown } from "./harness/transcript.js";
import { until } from "./harness/wait.js";
import { Weir } from "./harness/weir.js";

let browser: Browser;
let weir: Weir;
let ada: Person;

before(async () => {
  [browser, weir] = await Promise.all([launch(), Weir.start()]);
  ada = await Person.arrive(browser);
  await ada.signIn(weir);
});
after(async () => {
  await browser.close();
  await weir.end();
});

const dialog = (page: Page) => page.getByRole("dialog", { name: "Search" });
const field = (page: Page) => dialog(page).getByRole("searchbox");
const hits = (page: Page) => dialog(page).getByRole("list", { name: "Results" }).getByRole("link");
const texts = async (page: Page) => (await shown(page)).map(({ text }) => text);
const focused = (page: Page) => page.evaluate(() => document.activeElement?.textContent || document.activeElement?.getAttribute("aria-label"));
const headOf = async (id: string) => (await weir.json<{ head: string }>(`/v1/conversations/${id}/messages`)).head;

/** Once the page listens. */
async function search(page: Page): Promise<void> {
  await page.getByRole("button", { name: "Search", exact: true }).waitFor();
  await page.keyboard.press("Control+k");
}

async function make(title: string, text: string, token?: string): Promise<string> {
  const call = { method: "POST", body: { title, message: { text } }, ...(token ? { token } : {}) } as const;
  const { conversation, turn } = await weir.json<{ conversation: { id: string }; turn: { id: string } }>("/v1/conversations", call);
  await ended(turn.id, token);
  return conversation.id;
}

/** Says it below that message; the id of what was said. */
async function say(id: string, text: string, parent?: string | null): Promise<string> {
  const body = { text, ...(parent === undefined ? {} : { parent_id: parent }) };
  const sent = await weir.json<{ message_id: string; turn: { id: string } }>(`/v1/conversations/${id}/messages`, { method: "POST", body });
  await ended(sent.turn.id);
  return sent.message_id;
}

async function ended(turn: string, token?: string): Promise<void> {
  const state = async () => (await weir.json<{ state: string }>(`/v1/turns/${turn}`, token ? { token } : {})).state;
  await until("the answer", async () => (await state()) === "completed");
}

async function isIndexed(q: string, count: number): Promise<void> {
  const found = async () => (await weir.json<{ items: unknown[] }>(`/v1/search?q=${encodeURIComponent(q)}&role=user`)).items.length;
  await until(`${q} to be found`, async () => (await found()) === count);
}

/** A question that was asked in two ways; the second is the current one. */
async function twoBranches(title: string, first: string, second: string): Promise<{ id: string; first: string; second: string }> {
  const id = await make(title, first);
  const page = await weir.json<{ items: { id: string; role: string }[] }>(`/v1/conversations/${id}/messages`);
  const asked = page.items.find(({ role }) => role === "user")?.id ?? "";
  return { id, first: asked, second: await say(id, second, null) };
}

test("what was said is found as one types, marked, narrowed, and opened where it was said", async () => {
  await make("Rocks", "the zeolite 🪨 of the mountains");
  const other = await make("Stones", "a zeolite, and a zeolite's colour");
  await isIndexed("zeolite", 2);
  const page = await ada.page();
  await page.goto(weir.url);
  await page.getByRole("navigation").getByRole("button", { name: "Search" }).click();
  await dialog(page).getByText("both words, in whatever form").waitFor();
  // The demo model says again what it does not understand.
  await dialog(page).getByLabel("Who said it").selectOption("People");
  await field(page).pressSequentially("zeolit");
  await field(page).pressSequentially("e mountains");
  await until("one to be found", async () => (await hits(page).count()) === 1);
  await field(page).fill("ZEOLITE");
  await until("both to be found", async () => (await hits(page).count()) === 2);
  await dialog(page).getByText("2 results").waitFor();
  const marks = await dialog(page).locator("mark").allTextContents();
  assert.equal(marks.length, 3);
  for (const mark of marks) assert.match(mark, /^zeolite('s)?$/);

  await dialog(page).getByLabel("What it is").selectOption("Titles");
  await dialog(page).getByText("Nothing was found with these filters.").waitFor();
  await dialog(page).getByRole("button", { name: "Search everywhere" }).click();
  await until("more to be found", async () => (await hits(page).count()) >= 2);
  await dialog(page).getByLabel("One per conversation").check();
  await until("one of each", async () => (await hits(page).count()) === 2);

  await hits(page).filter({ hasText: "Stones" }).click();
  await page.waitForURL((url) => url.pathname === `/c/${other}` && url.searchParams.has("message"));
  await page.getByRole("heading", { name: "Stones" }).waitFor();
  await page.locator('[data-message-id][data-found]').waitFor();
  await page.locator('[data-message-id][data-found]').waitFor({ state: "detached" });
  assert.equal(await dialog(page).count(), 0);

  // It is offered again, where one is; and nothing of it is kept by the browser.
  await page.keyboard.press("Control+k");
  assert.equal(await field(page).inputValue(), "ZEOLITE");
  await dialog(page).getByLabel("Where").selectOption("This conversation");
  await until("only its own", async () => (await hits(page).filter({ hasText: "Rocks" }).count()) === 0 && (await hits(page).count()) > 0);
  assert.equal(await page.evaluate(() => (JSON.stringify(localStorage) + JSON.stringify(sessionStorage)).includes("ZEOLITE")), false);
  assert.deepEqual(ada.record.violations, []);
  await page.close();
});

test("a message of another branch is shown there, and the head stays", async () => {
  const { id, first, second } = await twoBranches("Branches", "count to 3 quagga", "count to 4");
  const head = await headOf(id);
  await isIndexed("quagga", 1);
  const page = await ada.page();
  await page.goto(`${weir.url}/c/${id}`);
  await until("the current branch", async () => (await texts(page)).join("|") === "count to 4|1, 2, 3, 4");
  await page.keyboard.press("Control+k");
  await field(page).fill("quagga");
  await hits(page).filter({ hasText: "another branch" }).click();
  const other = "count to 3 quagga|1, 2, 3";
  await until("the other branch", async () => (await texts(page)).join("|") === other);
  await page.getByText("This is not the current branch.").waitFor();
  assert.equal(new URL(page.url()).searchParams.get("message"), first);
  await until("the focus to be there", () => page.evaluate((id) => (document.activeElement as HTMLElement)?.dataset.messageId === id, first));
  assert.equal(await page.getByLabel("Your message", { exact: true }).count(), 0);
  assert.equal(await headOf(id), head);

  // The address leads there by itself, and the ways between the branches move nothing either.
  await page.reload();
  await until("the other branch again", async () => (await texts(page)).join("|") === other);
  await page.getByRole("button", { name: "The next version" }).click();
  await until("the current branch", async () => (await texts(page)).join("|") === "count to 4|1, 2, 3, 4");
  assert.equal(new URL(page.url()).searchParams.get("message"), second);
  await page.goBack();
  await until("the other branch once more", async () => (await texts(page)).join("|") === other);
  await page.getByRole("button", { name: "Back to the current one" }).click();
  await until("the current branch", async () => (await texts(page)).join("|") === "count to 4|1, 2, 3, 4");
  assert.equal(new URL(page.url()).search, "");
  await page.getByLabel("Your message", { exact: true }).waitFor();
  assert.equal(await headOf(id), head);

  await page.goBack();
  await page.getByRole("button", { name: "Continue from here" }).click();
  await page.getByLabel("Your message", { exact: true }).waitFor();
  assert.deepEqual(await texts(page), other.split("|"));
  assert.notEqual(await headOf(id), head);
  await page.getByLabel("Your message", { exact: true }).fill("count to 2");
  await page.keyboard.press("Enter");
  await until("it to go on there", async () => (await texts(page)).join("|") === `${other}|count to 2|1, 2`);
  assert.equal(new URL(page.url()).search, "");
  await page.close();
});

test("an old message of a long conversation is gone to, and one that is gone is said to be", async () => {
  const id = await make("Long", "count to 1 okapi");
  for (let n = 0; n < 28; n += 1) await say(id, "count to 1");
  await say(id, "count to 2");
  await isIndexed("okapi", 1);
  const page = await ada.page();
  await page.goto(`${weir.url}/c/${id}`);
  await page.getByText("count to 2", { exact: true }).waitFor();
  assert.equal(await page.getByText("count to 1 okapi").count(), 0);
  await page.keyboard.press("Control+k");
  await field(page).fill("okapi");
  await hits(page).filter({ hasText: "count to 1 okapi" }).click();
  const old = page.locator("[data-message-id]").filter({ hasText: "count to 1 okapi" });
  const isInSight = () =>
    old.evaluate((message) => {
      const frame = message.closest(".transcript")?.getBoundingClientRect();
      const { top, bottom } = message.getBoundingClientRect();
      return frame !== undefined && top >= frame.top && bottom <= frame.bottom;
    });
  await old.waitFor();
  await until("it to be in sight", isInSight);
  await page.getByRole("button", { name: "Jump to latest" }).waitFor();

  await page.goto(`${weir.url}/c/${id}?message=msg_01m7yavwt5enztys7ysrtcfz5s`);
  await page.getByText("is not here any more").waitFor();
  await page.getByRole("button", { name: "All right" }).click();
  await page.getByText("is not here any more").waitFor({ state: "detached" });
  assert.equal(new URL(page.url()).search, "");
  await page.close();
});

test("all of it is done with the keyboard, and Escape gives the focus back", async () => {
  const { id } = await twoBranches("Keys", "count to 2 axolotl", "count to 2 axolotl axolotl");
  await isIndexed("axolotl", 2);
  const page = await ada.page();
  await page.goto(`${weir.url}/c/${id}`);
  const box = page.getByLabel("Your message", { exact: true });
  await box.focus();
  await page.keyboard.press("Control+k");
  assert.equal(await focused(page), "Search everything that was said");
  await page.keyboard.type("axolotl");
  await dialog(page).getByLabel("Who said it").selectOption("People");
  await field(page).focus();
  await until("both", async () => (await hits(page).count()) === 2);
  await dialog(page).getByText("2 results").waitFor();
  const [first, second] = await hits(page).all();
  await page.keyboard.press("ArrowDown");
  assert.equal(await focused(page), await first?.textContent());
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  assert.equal(await focused(page), await second?.textContent());
  await page.keyboard.press("Home");
  await page.keyboard.press("ArrowUp");
  assert.equal(await focused(page), "Search everything that was said");
  await page.keyboard.press("ArrowDown");
  await page.keyboard.type("x");
  assert.equal(await field(page).inputValue(), "axolotlx");
  await page.keyboard.press("Backspace");
  await page.keyboard.press("Escape");
  await dialog(page).waitFor({ state: "detached" });
  assert.equal(await focused(page), "Your message");

  await page.keyboard.press("Control+k");
  await page.keyboard.type("-axolotl count keys OR axolotl");
  await page.keyboard.press("Control+a");
  await page.keyboard.type("axolotl");
  await dialog(page).getByText("2 results").waitFor();
  const there = await hits(page).first().getAttribute("href");
  await page.keyboard.press("Enter");
  await page.waitForURL((url) => url.pathname + url.search === there);
  await until("the focus to be on the message", () => page.evaluate(() => (document.activeElement as HTMLElement).dataset.messageId !== undefined));
  await page.close();
});

test("what belongs to somebody else is not found, and nothing says that it is there", async () => {
  const { token } = await weir.json<{ token: string }>("/v1/auth/tokens", { method: "POST", body: { subject: "carol", role: "member", ttl: 3000 } });
  const id = await make("Hers", "the pangolin is mine", token);
  await until("her to find it", async () => (await weir.json<{ items: unknown[] }>("/v1/search?q=pangolin", { token })).items.length > 0);
  const page = await ada.page();
  await page.goto(weir.url);
  await search(page);
  await field(page).fill("pangolin");
  await dialog(page).getByText("Nothing was found.").waitFor();
  await page.goto(`${weir.url}/c/${id}?message=msg_01m7yavwt5enztys7ysrtcfz5s`);
  await page.getByText("There is no such conversation here.").waitFor();
  await page.close();
});

test("without a server it says so, and goes on when there is one", async () => {
  await isIndexed("zeolite", 2);
  const page = await ada.page();
  await page.goto(weir.url);
  await search(page);
  await weir.kill9();
  await field(page).fill("zeolite");
  await dialog(page).getByText("The server cannot be reached.").waitFor();
  await dialog(page).getByRole("status").getByText("Offline").waitFor();
  await weir.restart();
  await until("it to be found", async () => (await hits(page).count()) >= 2);
  await page.close();
});

test("on a phone it fills the screen, and nothing overflows", async () => {
  const page = await ada.page();
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto(weir.url);
  await page.getByRole("button", { name: "Open the list of conversations" }).click();
  await page.getByRole("button", { name: "Search" }).click();
  await field(page).fill("zeolite");
  await until("some to be found", async () => (await hits(page).count()) >= 2);
  const box = await dialog(page).boundingBox();
  assert.deepEqual([box?.width, box?.height], [390, 844]);
  assert.equal(await dialog(page).evaluate((dialog) => dialog.scrollWidth > dialog.clientWidth), false);
  await page.keyboard.press("Escape");
  await until("the focus to come back", async () => (await focused(page))?.trim() === "Search Ctrl K");
  await page.getByRole("navigation").getByRole("button", { name: "Search" }).click();
  await until("them to be there again", async () => (await hits(page).count()) >= 2);
  await hits(page).first().click();
  await page.locator("[data-message-id]").first().waitFor();
  await until("the drawer to close", () => page.locator(".sidebar").evaluate((drawer) => (drawer as HTMLElement).inert));
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth > innerWidth), false);
  await page.close();
});

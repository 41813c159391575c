import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";

import { launch, Person } from "./harness/browser.js";
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

const list = (page: Page) => page.getByRole("navigation", { name: "Conversations" });
const entry = (page: Page, title: string) =>
  list(page).getByRole("link", { name: new RegExp(`^${title}( answering| has a new answer)?$`) });

async function make(title: string): Promise<string> {
  const body = { title, message: { text: "count to 1" } };
  return (await weir.json<{ conversation: { id: string } }>("/v1/conversations", { method: "POST", body })).conversation.id;
}

async function choose(page: Page, title: string, action: string): Promise<void> {
  await entry(page, title).hover();
  await list(page).getByRole("button", { name: `Options of ${title}` }).click();
  await page.getByRole("menuitem", { name: action }).click();
}

test("the list is live in every tab: made, renamed, archived, taken back, deleted", async () => {
  const [page, tab] = [await ada.page(), await ada.page()];
  await Promise.all([page.goto(weir.url), tab.goto(weir.url)]);
  await page.getByText("Your conversations appear here.").waitFor();
  await tab.getByText("Your conversations appear here.").waitFor();
  const id = await make("First");
  await make("Second");
  for (const seen of [page, tab]) {
    await entry(seen, "First").waitFor();
    await entry(seen, "Second").waitFor();
  }

  await choose(page, "First", "Rename");
  await page.getByLabel("Name of the conversation").fill("Renamed");
  await page.getByLabel("Name of the conversation").press("Enter");
  for (const seen of [page, tab]) await entry(seen, "Renamed").waitFor();

  await choose(page, "Renamed", "Archive");
  for (const seen of [page, tab]) await entry(seen, "Renamed").waitFor({ state: "detached" });
  await page.getByRole("button", { name: /account and settings/ }).click();
  await page.getByRole("menuitem", { name: "Archive" }).click();
  await entry(page, "Renamed").waitFor();
  assert.equal(await entry(page, "Second").count(), 0);
  await choose(page, "Renamed", "Take out of the archive");
  await entry(tab, "Renamed").waitFor();
  await list(page).getByRole("button", { name: "Archive" }).click();

  // The other tab has it open when it goes.
  await tab.goto(`${weir.url}/c/${id}`);
  await tab.getByRole("heading", { name: "Renamed" }).waitFor();
  await choose(page, "Renamed", "Delete…");
  await page.getByRole("button", { name: "Keep it" }).click();
  assert.equal((await weir.call(`/v1/conversations/${id}`)).status, 200);
  await choose(page, "Renamed", "Delete…");
  await page.getByRole("button", { name: "Delete", exact: true }).click();
  for (const seen of [page, tab]) await entry(seen, "Renamed").waitFor({ state: "detached" });
  await tab.getByText("This conversation was deleted.").waitFor();
  assert.equal((await weir.call(`/v1/conversations/${id}`)).status, 404);
  assert.deepEqual(ada.record.violations, []);
});

test("on a phone nothing overflows, and the list is a drawer that the keyboard leaves", async () => {
  await make("A conversation with a rather long title that does not fit on a phone at all");
  const page = await ada.page();
  await page.setViewportSize({ width: 390, height: 844 });
  await page.goto(weir.url);
  await page.getByLabel("Your message", { exact: true }).fill("what do you show");
  await page.keyboard.press("Enter");
  await page.locator('.answer[data-standing="complete"]').waitFor();
  const tooWide = () => page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  assert.equal(await tooWide(), false);

  const drawer = page.locator(".sidebar");
  assert.equal(await drawer.evaluate((drawer) => (drawer as HTMLElement).inert), true);
  await page.getByRole("button", { name: "Open the list of conversations" }).click();
  await entry(page, "A conversation with a rather long title that does not fit on a phone at all").waitFor();
  const focused = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label"));
  assert.equal(await focused(), "Close the list");
  await page.keyboard.press("Escape");
  await until("the drawer to close", () => drawer.evaluate((drawer) => (drawer as HTMLElement).inert));
  await until("the focus to come back", async () => (await focused()) === "Open the list of conversations");
  await page.getByRole("button", { name: "Open the list of conversations" }).click();
  await entry(page, "Second").click();
  await page.getByRole("heading", { name: "Second" }).waitFor();
  await until("the drawer to close", () => drawer.evaluate((drawer) => (drawer as HTMLElement).inert));
  assert.equal(await tooWide(), false);
});

test("everything is reached with the keyboard", async () => {
  const page = await ada.page();
  await page.goto(weir.url);
  await entry(page, "Second").waitFor();
  await page.evaluate(() => {
    document.body.tabIndex = -1;
    document.body.focus();
  });
  await page.keyboard.press("Tab");
  const focused = () => page.evaluate(() => document.activeElement?.textContent || document.activeElement?.getAttribute("aria-label"));
  assert.equal(await focused(), "Skip to the message box");
  await page.keyboard.press("Enter");
  assert.equal(await focused(), "Your message");

  await page.getByRole("button", { name: "Agent and model" }).focus();
  await page.keyboard.press("Enter");
  await until("the menu to have the focus", () => page.evaluate(() => document.activeElement?.role === "menuitemradio"));
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("End");
  assert.equal(await focused(), "High");
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Agent and model" }).getByText("high").waitFor();
  await page.getByLabel("Your message", { exact: true }).fill("count to 3");
  await page.keyboard.press("Enter");
  await page.getByText("Reasoned").waitFor();
});

test("dark and light are chosen, and remembered", async () => {
  const page = await ada.page();
  await page.emulateMedia({ colorScheme: "light" });
  await page.goto(weir.url);
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  await until("light", async () => (await paper()) === "rgb(253, 253, 252)");
  await page.getByRole("button", { name: /account and settings/ }).click();
  await page.getByRole("menuitemradio", { name: "Dark" }).click();
  assert.equal(await paper(), "rgb(19, 23, 22)");
  await page.reload();
  await until("dark", async () => (await paper()) === "rgb(19, 23, 22)");
});

test("keys are shown once; a session that is ended is signed out; who signs out leaves nothing", async () => {
  const page = await ada.page();
  await page.goto(weir.url);
  const away = await Person.arrive(browser);
  const other = await away.page();
  await other.goto(weir.url);
  await other.getByLabel("Name").fill("Ada");
  await other.getByLabel("Password").fill("not the password");
  await other.getByRole("button", { name: "Sign in" }).click();
  await other.getByText("The name or the password is wrong.").waitFor();
  await other.getByLabel("Password").fill("correct horse battery");
  await other.getByRole("button", { name: "Sign in" }).click();
  await other.getByLabel("Your message", { exact: true }).waitFor();

  await page.getByRole("button", { name: /account and settings/ }).click();
  await page.getByRole("menuitem", { name: "Sessions, keys and rules" }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name of a new key").fill("robot");
  await dialog.getByRole("button", { name: "Make a key" }).click();
  const secret = await dialog.getByLabel("The new API key").inputValue();
  assert.equal((await weir.call("/v1/me", { token: secret })).status, 200);
  await dialog.getByRole("button", { name: "Close" }).click();
  await page.getByRole("button", { name: /account and settings/ }).click();
  await page.getByRole("menuitem", { name: "Sessions, keys and rules" }).click();
  await dialog.getByText("robot").waitFor();
  assert.equal((await page.content()).includes(secret), false);
  await dialog.getByRole("button", { name: "Revoke robot" }).click();
  await dialog.getByRole("button", { name: "Really revoke" }).click();
  await dialog.getByText("robot").waitFor({ state: "detached" });
  assert.equal((await weir.call("/v1/me", { token: secret })).status, 401);

  await dialog.getByRole("button", { name: "Sign out" }).click();
  await other.getByRole("heading", { name: "Sign in to Weir" }).waitFor({ timeout: 10_000 });
  await dialog.getByRole("button", { name: "Close" }).click();

  await page.getByLabel("Your message", { exact: true }).fill("nobody else reads this");
  await page.getByRole("button", { name: /account and settings/ }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in to Weir" }).waitFor();
  assert.equal((await ada.context.request.get(`${weir.url}/v1/me`)).status(), 401);
  assert.equal(await page.evaluate(() => JSON.stringify(localStorage).includes("nobody else")), false);
});

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";

import { launch, Person } from "./harness/browser.js";
import { assertShowsWhatIsStored, shown } from "./harness/transcript.js";
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

const texts = async (page: Page) => (await shown(page)).map(({ text }) => text);

async function reads(page: Page, expected: string[]): Promise<void> {
  await until(`the page to read ${expected.join(" | ")}`, async () => (await texts(page)).join("|") === expected.join("|"));
  await page.locator('.answer[data-last][data-standing="complete"]').waitFor();
}

async function begin(page: Page, text: string): Promise<string> {
  await page.goto(weir.url);
  await page.getByLabel("Your message", { exact: true }).fill(text);
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/c\/conv_/);
  return page.url().split("/").at(-1) ?? "";
}

test("a message asked in other words and an answer given again are branches, seen in every tab", async () => {
  const page = await ada.page();
  const id = await begin(page, "count to 2");
  await reads(page, ["count to 2", "1, 2"]);
  const tab = await ada.page();
  await tab.goto(page.url());
  await reads(tab, ["count to 2", "1, 2"]);

  await page.getByRole("button", { name: "Edit" }).click();
  const editor = page.getByLabel("Your message in other words");
  assert.equal(await editor.inputValue(), "count to 2");
  await editor.fill("count to 3");
  await editor.press("Enter");
  await reads(page, ["count to 3", "1, 2, 3"]);
  await reads(tab, ["count to 3", "1, 2, 3"]);

  await page.getByRole("button", { name: "Answer again" }).click();
  await page.getByRole("group", { name: "answer 2 of 2" }).waitFor();
  await reads(page, ["count to 3", "1, 2, 3"]);

  // Back to the first version, with the answer that it had.
  await page.getByRole("button", { name: "The version before" }).click();
  await reads(page, ["count to 2", "1, 2"]);
  await reads(tab, ["count to 2", "1, 2"]);
  await page.reload();
  await reads(page, ["count to 2", "1, 2"]);
  await assertShowsWhatIsStored(page, weir, id);
});

test("a fork goes on in a conversation of its own", async () => {
  const page = await ada.page();
  await begin(page, "count to 4");
  await reads(page, ["count to 4", "1, 2, 3, 4"]);
  const origin = page.url();
  await page.getByRole("button", { name: "Fork here" }).click();
  await page.waitForURL((url) => url.href !== origin);
  await reads(page, ["count to 4", "1, 2, 3, 4"]);
  await page.getByLabel("Your message", { exact: true }).fill("count to 1");
  await page.keyboard.press("Enter");
  await reads(page, ["count to 4", "1, 2, 3, 4", "count to 1", "1"]);
  await page.goto(origin);
  await reads(page, ["count to 4", "1, 2, 3, 4"]);
});

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";

import { launch, Person } from "./harness/browser.js";
import { assertShowsWhatIsStored, shown } from "./harness/transcript.js";
import { freePort, until } from "./harness/wait.js";
import { Weir } from "./harness/weir.js";

let browser: Browser;
let weir: Weir;
let ada: Person;

before(async () => {
  browser = await launch();
  // Nobody listens there.
  const port = await freePort();
  const config = `
[providers.demo]
kind = "demo"

[providers.gone]
kind = "openai-chat"
base_url = "http://127.0.0.1:${port}/v1"
api_key = "none"

[agents.careful]
name = "Careful"
description = "Never goes on by itself"
provider = "demo"
recovery = "fail"
suggestions = ["count to 9"]

[agents.unlucky]
name = "Unlucky"
provider = "gone"
model = "some-model"
`;
  weir = await Weir.start({ config });
  ada = await Person.arrive(browser);
  await ada.signIn(weir);
});
after(async () => {
  await browser.close();
  await weir.end();
});

async function begin(page: Page, agent: string, text: string): Promise<string> {
  await page.goto(weir.url);
  await page.getByRole("button", { name: "Agent and model" }).click();
  await page.getByRole("menuitemradio", { name: agent }).click();
  await page.getByLabel("Your message", { exact: true }).fill(text);
  await page.keyboard.press("Enter");
  await page.waitForURL(/\/c\/conv_/);
  return page.url().split("/").at(-1) ?? "";
}

test("an answer that was cut says so, at once and after a reload, and does not look complete", async () => {
  const page = await ada.page();
  const id = await begin(page, "Careful", "count to 500");
  await until("some of the answer", async () => ((await shown(page))[1]?.text.length ?? 0) > 40);
  await weir.kill9();
  await weir.restart();
  const ending = page.getByText("Interrupted: the answer was cut here and is not complete.");
  await ending.waitFor();
  await page.reload();
  await ending.waitFor();
  assert.equal(await page.locator('.answer[data-standing="complete"]').count(), 0);
  await assertShowsWhatIsStored(page, weir, id);
});

test("an answer that never came says why, at once and after a reload, and the next agent answers", async () => {
  const page = await ada.page();
  const id = await begin(page, "Unlucky", "hello");
  const ending = page.locator('.answer[data-last] .ending.bad');
  await ending.waitFor({ timeout: 60_000 });
  const said = (await ending.textContent()) ?? "";
  await page.reload();
  await ending.waitFor();
  assert.equal(await ending.textContent(), said);
  const { items } = await weir.json<{ items: { turn_id: string }[] }>(`/v1/conversations/${id}/messages`);
  const turn = await weir.json<{ problem: { title: string } }>(`/v1/turns/${items[0]?.turn_id ?? ""}`);
  assert.ok(said.includes(turn.problem.title), said);

  await page.getByRole("button", { name: "Agent and model" }).click();
  await page.getByRole("menuitemradio", { name: "Careful" }).click();
  await page.getByRole("button", { name: "Agent and model" }).getByText("Careful").waitFor();
  await page.getByLabel("Your message", { exact: true }).fill("count to 4");
  await page.keyboard.press("Enter");
  await until("an answer", async () => (await shown(page)).at(-1)?.text === "1, 2, 3, 4");
});

test("suggestions are put into the box, to be changed or sent", async () => {
  const page = await ada.page();
  await page.goto(weir.url);
  await page.getByRole("button", { name: "count to 9" }).click();
  const box = page.getByLabel("Your message", { exact: true });
  await until("the words in the box", async () => (await box.inputValue()) === "count to 9");
  await box.press("Enter");
  await until("the answer", async () => (await shown(page)).at(-1)?.text === "1, 2, 3, 4, 5, 6, 7, 8, 9");
});

/** `examples/embed` as it stands there: a page on another origin, with tokens that live for a second. */

import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";

import { launch, Person } from "./harness/browser.js";
import { Shop, shopConfig } from "./harness/shop.js";
import { stored } from "./harness/transcript.js";
import { freePort, until } from "./harness/wait.js";
import { Weir } from "./harness/weir.js";

let browser: Browser;
let weir: Weir;
let shop: Shop;
/** The same product on an origin that nobody allowed. */
let stranger: Shop;

before(async () => {
  const port = await freePort();
  weir = await Weir.start({ config: shopConfig(port) });
  [browser, shop, stranger] = await Promise.all([launch(), Shop.start(weir, port), Shop.start(weir)]);
});
after(async () => {
  await browser.close();
  await Promise.all([shop.end(), stranger.end()]);
  await weir.end();
});

for (const [transport, query] of [["SSE", ""], ["a WebSocket", "?socket"]] as const) {
  test(`a page on another origin sends, follows and renews its token over ${transport}, also over a kill`, async () => {
    const person = await Person.arrive(browser);
    const page = await person.page();
    let sockets = 0;
    page.on("websocket", () => (sockets += 1));
    await page.goto(`${shop.url}/${query}`);
    await page.locator("button:enabled").waitFor();
    const before = (await shown(page)).length;
    await page.getByLabel("Your message").fill("count to 600");
    await page.getByRole("button", { name: "Send" }).click();
    await until("the middle of the answer", async () => (await shown(page)).slice(before + 1).join("").length > 300);
    const middle = await shown(page);
    await weir.kill9();
    await page.getByText("Connecting again").waitFor();
    await weir.restart();
    await until("the end of the answer", async () => (await shown(page)).at(-1)?.endsWith(" 600") ?? false);
    const end = await shown(page);
    middle.forEach((text, at) => assert.ok(end[at]?.startsWith(text), "nothing that was shown is gone"));

    const token = await shop.token();
    const { items } = await weir.json<{ items: { id: string }[] }>("/v1/conversations", { token });
    assert.equal(items.length, 1, "the same name is the same conversation");
    const lines = await stored(weir, items[0]?.id ?? "", token);
    assert.deepEqual(end, lines.map(({ text }) => text), "what is shown is what is stored");

    const renewed = person.record.requests.filter((request) => request.endsWith("/weir-token")).length;
    assert.ok(renewed >= 2, `${renewed} tokens`);
    assert.equal(sockets > 0, query === "?socket");
    assert.deepEqual(await person.context.cookies(), []);
    await person.leave();
  });
}

test("an origin that is not allowed gets nothing, though its token is good", async () => {
  const token = await stranger.token();
  assert.equal((await weir.call("/v1/me", { token })).status, 200);

  const person = await Person.arrive(browser);
  const page = await person.page();
  await page.goto(stranger.url);
  await page.getByText("The chat is closed").waitFor();
  assert.ok(person.record.errors.some((error) => error.includes("CORS")), person.record.errors.join("\n"));
  assert.equal(await socketFrom(page, token), "refused");
  await page.goto(shop.url);
  assert.equal(await socketFrom(page, token), "opened");
  await person.leave();
});

test("no other origin uses a cookie, not even one that is allowed", async () => {
  const person = await Person.arrive(browser);
  await person.signIn(weir);
  const page = await person.page();
  await page.goto(shop.url);
  const create = (mode: RequestMode) =>
    page.evaluate(
      ([url, mode]) =>
        fetch(`${url}/v1/conversations`, { method: "POST", body: "{}", credentials: "include", mode: mode as RequestMode }).then(
          ({ type, status }) => `${type} ${status}`,
          () => "refused",
        ),
      [weir.url, mode],
    );
  const before = await conversations();
  assert.equal(await create("cors"), "refused");
  // What needs no leave to be sent is refused by the server, and what it says is kept from the page.
  assert.equal(await create("no-cors"), "refused");
  assert.equal(await conversations(), before);
  await person.leave();
});

test("the server itself refuses other names and foreign pages, whatever a browser lets through", async () => {
  assert.equal(await status({ Host: "evil.test" }), 421);
  assert.equal(await status({ Host: "evil.test", Authorization: `Bearer ${await shop.token()}` }), 421);
  const person = await Person.arrive(browser);
  await person.signIn(weir);
  const [cookie] = await person.context.cookies();
  const signedIn = { Cookie: `${cookie?.name}=${cookie?.value}`, "Content-Type": "application/json" };
  assert.equal(await status({ ...signedIn, Origin: weir.url }, "POST"), 201);
  assert.equal(await status({ ...signedIn, Origin: shop.url }, "POST"), 403);
  assert.equal(await status({ ...signedIn, "Sec-Fetch-Site": "cross-site" }, "POST"), 403);
  assert.equal(await status(signedIn, "POST"), 403);
  await person.leave();
});

function shown(page: Page): Promise<string[]> {
  return page.locator("#messages li").allTextContents();
}

/** Whether a page there may open a socket. */
function socketFrom(page: Page, token: string): Promise<string> {
  return page.evaluate(
    ([url, token]) =>
      new Promise<string>((resolve) => {
        const socket = new WebSocket(`${url?.replace("http", "ws")}/v1/socket`);
        socket.onopen = () => {
          socket.send(JSON.stringify({ op: "auth", token }));
          socket.send(JSON.stringify({ op: "ping" }));
        };
        socket.onmessage = () => resolve("opened");
        socket.onclose = () => resolve("refused");
      }),
    [weir.url, token],
  );
}

async function conversations(): Promise<number> {
  return (await weir.json<{ items: unknown[] }>("/v1/conversations")).items.length;
}

/** As no browser would ask. */
function status(headers: Record<string, string>, method = "GET"): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const asked = request(`${weir.url}/v1/conversations`, { method, headers }, (response) => {
      response.resume();
      resolve(response.statusCode);
    });
    asked.on("error", reject);
    asked.end(method === "POST" ? "{}" : undefined);
  });
}

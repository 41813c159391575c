/** Behind a TLS proxy with a name of its own, as an operator sets it up. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser } from "playwright-core";

import { launch, Person } from "./harness/browser.js";
import { Proxy } from "./harness/proxy.js";
import { assertOnlyGrew, assertShowsWhatIsStored, shown } from "./harness/transcript.js";
import { freePort, until } from "./harness/wait.js";
import { Weir } from "./harness/weir.js";

const NAME = "chat.weir.test";

let url: string;
let browser: Browser;
let weir: Weir;
let proxy: Proxy;

before(async () => {
  const port = await freePort();
  url = `https://${NAME}:${port}`;
  weir = await Weir.start({ config: `[server]\npublic_url = "${url}"\ntrusted_proxies = ["127.0.0.1"]\n` });
  proxy = await Proxy.start(NAME, port, weir.port);
  browser = await launch(`--host-resolver-rules=MAP ${NAME} 127.0.0.1`);
});
after(async () => {
  await browser.close();
  await proxy.end();
  await weir.end();
});

test("behind a TLS proxy one sets up, chats over a WebSocket, and goes on after a restart", async () => {
  const person = await Person.arrive(browser, { ignoreHTTPSErrors: true });
  const page = await person.page();
  const sockets: string[] = [];
  page.on("websocket", (socket) => sockets.push(socket.url()));

  const link = await weir.setupLink();
  assert.ok(link.startsWith(`${url}/setup#code=`), link);
  await page.goto(link);
  await page.getByLabel("Name").fill("Ada");
  await page.getByLabel("Password").fill("correct horse battery");
  await page.getByRole("button", { name: "Start" }).click();
  await page.getByLabel("Your message", { exact: true }).fill("count to 200");
  await page.getByLabel("Your message", { exact: true }).press("Enter");
  await page.waitForURL(/\/c\/conv_/);
  const id = page.url().split("/").at(-1) ?? "";
  assert.equal(page.url(), `${url}/c/${id}`);

  const answered = async () => (await shown(page)).slice(1).map(({ text }) => text).join("").length;
  await until("the middle of the answer", async () => (await answered()) > 150);
  const middle = await shown(page);
  await weir.kill9();
  await weir.restart();
  await page.locator('.answer[data-last][data-standing="complete"]').waitFor({ timeout: 60_000 });
  assertOnlyGrew(middle, await shown(page));
  await assertShowsWhatIsStored(page, weir, id);

  const [cookie, ...others] = await person.context.cookies();
  assert.deepEqual(others, []);
  const { name, domain, path, secure, httpOnly, sameSite } = cookie ?? {};
  assert.deepEqual(
    { name, domain, path, secure, httpOnly, sameSite },
    { name: "__Host-weir_session", domain: NAME, path: "/", secure: true, httpOnly: true, sameSite: "Lax" },
  );
  assert.ok(sockets.length > 0 && sockets.every((socket) => socket === `${url.replace("https", "wss")}/v1/socket`), sockets.join(" "));
  assert.deepEqual(person.record.violations, []);
  assert.deepEqual(person.record.requests.filter((request) => !request.includes(` ${url}/`)), []);
});

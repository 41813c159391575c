/** Hostile texts at every prefix, under the policy that the server sends: nothing runs, and nothing leaves. */

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";

import { launch, Person, type Record } from "./harness/browser.js";
import { hostsLookedUp } from "./harness/netlog.js";
import { Upstream } from "./harness/upstream.js";
import { until } from "./harness/wait.js";
import { Weir } from "./harness/weir.js";
import { PAYLOADS } from "./hostile/payloads.js";

const BUILT = new URL("./hostile-page/", import.meta.url);

interface Drawn {
  prefixes: number;
  findings: { text: string; prefix: number; what: string }[];
}

type Headers = { [name: string]: string };
type Hostile = Window & { draw(text: string): Promise<Drawn>; pwned?: unknown };

let upstream: Upstream;
let weir: Weir;
const logs = mkdtempSync(join(tmpdir(), "weir-netlog-"));

before(async () => {
  upstream = await Upstream.start((asked) => PAYLOADS.filter((_, at) => at % SHARES === Number(/^share (\d+)$/.exec(asked)?.[1])));
  weir = await Weir.start({
    config: `
[providers.mock]
kind = "openai-chat"
base_url = "${upstream.url}/v1"
api_key = "none"
[agents.default]
provider = "mock"
model = "mock"
`,
  });
});
after(async () => {
  await weir.end();
  await upstream.end();
  rmSync(logs, { recursive: true, force: true });
});

/** So many answers carry all payloads. */
const SHARES = 12;

test("the traps catch what a page without our care does", async () => {
  const careless = `<body><img src="https://evil.test/a.png" onerror="window.pwned=1"><script>alert(1)</script>`;
  const hosts = await watched("traps", async (browser) => {
    const { record, page } = await visitor(browser);
    await serve(page, weir, careless, {});
    await until("the script to run", async () => (await marks(page)).pwned);
    assert.deepEqual(record.dialogs, ["1"]);
    assert.ok(record.requests.includes("GET https://evil.test/a.png"));
    // Under the page's policy the same does nothing, and is told.
    await page.unrouteAll();
    await serve(page, weir, careless, await policy(weir));
    await until("two violations", () => record.violations.length >= 2);
    assert.equal((await marks(page)).pwned, false);
  });
  assert.deepEqual(hosts, ["evil.test"]);
});

test(`${PAYLOADS.length} hostile texts at every prefix: no script runs, no request leaves`, async (context) => {
  const hosts = await watched("prefixes", async (browser) => {
    const { record, page } = await visitor(browser);
    await serveBuilt(page, weir);
    let prefixes = 0;
    for (const text of PAYLOADS) {
      const drawn = await page.evaluate((text) => (window as unknown as Hostile).draw(text), text);
      assert.deepEqual(drawn.findings, []);
      prefixes += drawn.prefixes;
      const { pwned, at } = await marks(page);
      assert.equal(pwned, false, `a script ran: ${JSON.stringify(text)}`);
      assert.equal(at, `${weir.url}/hostile/`, `the page was left: ${JSON.stringify(text)}`);
      assertQuiet(record, [`${weir.url}/hostile/`], text);
    }
    context.diagnostic(`${PAYLOADS.length} texts, ${prefixes} prefixes, each as it streams and as it was cut`);
  });
  assert.deepEqual(hosts, []);
});

test("the page itself shows all of them as they stream from a provider, and stays as it is", async () => {
  const hosts = await watched("page", async (browser) => {
    const { person, record, page } = await visitor(browser);
    await person.signIn(weir);
    for (let share = 0; share < SHARES; share += 1) {
      const { conversation } = await weir.json<{ conversation: { id: string } }>("/v1/conversations", {
        method: "POST",
        body: { title: `Share ${share}`, message: { text: `share ${share}` } },
      });
      await page.goto(`${weir.url}/c/${conversation.id}`);
      await page.waitForSelector(".markdown");
      const ended = () => page.evaluate(() => document.body.textContent.includes("end of the share"));
      await until("the end of the answer", ended);
      const { pwned, at } = await marks(page);
      assert.equal(pwned, false);
      assert.equal(at, `${weir.url}/c/${conversation.id}`);
      const foreign = "script, img, iframe, svg, style, link, object, embed, form, video, audio, [style]";
      assert.equal(await page.locator(`.markdown :is(${foreign})`).count(), 0);
    }
    assertQuiet(record, [`${weir.url}/`], "the page");
  });
  assert.deepEqual(hosts, []);
});

async function visitor(browser: Browser): Promise<{ person: Person; record: Record; page: Page }> {
  const person = await Person.arrive(browser);
  return { person, record: person.record, page: await person.page() };
}

/** The names that the browser looked up meanwhile, also by itself: a name alone can carry a secret away. */
async function watched(name: string, visit: (browser: Browser) => Promise<void>): Promise<string[]> {
  const log = join(logs, `${name}.json`);
  const browser = await launch(`--log-net-log=${log}`);
  try {
    await visit(browser);
  } finally {
    await browser.close();
  }
  return hostsLookedUp(log);
}

function assertQuiet({ requests, violations, dialogs, errors }: Record, ours: string[], about: string): void {
  const foreign = requests.filter((request) => !ours.some((address) => request.split(" ")[1]?.startsWith(address)));
  assert.deepEqual({ foreign, violations, dialogs, errors }, { foreign: [], violations: [], dialogs: [], errors: [] }, about);
}

function marks(page: Page): Promise<{ pwned: boolean; at: string }> {
  return page.evaluate(() => ({ pwned: "pwned" in window && typeof window.pwned === "number", at: location.href }));
}

/** What the server sends with its page. */
async function policy(weir: Weir): Promise<Headers> {
  const { headers } = await fetch(weir.url);
  const names = ["content-security-policy", "cross-origin-opener-policy", "referrer-policy", "x-content-type-options", "x-dns-prefetch-control"];
  const policy = Object.fromEntries(names.map((name) => [name, headers.get(name)]).filter(([, value]) => value !== null)) as Headers;
  assert.match(policy["content-security-policy"] ?? "", /script-src 'self'/);
  return policy;
}

async function serve(page: Page, { url }: Weir, body: string, headers: Headers): Promise<void> {
  await page.route(`${url}/hostile/`, (route) => route.fulfill({ body, headers, contentType: "text/html" }));
  await page.goto(`${url}/hostile/`);
}

/** The test's own page, as if the server had it. */
async function serveBuilt(page: Page, weir: Weir): Promise<void> {
  const headers = await policy(weir);
  await page.route(`${weir.url}/hostile/**`, (route) => {
    const path = new URL(route.request().url()).pathname.replace("/hostile/", "") || "index.html";
    const contentType = path.endsWith(".js") ? "text/javascript" : path.endsWith(".css") ? "text/css" : "text/html";
    return route.fulfill({ body: readFileSync(new URL(path, BUILT)), headers, contentType });
  });
  await page.goto(`${weir.url}/hostile/`);
  await page.waitForFunction(() => "draw" in window);
}

/** Makes the pictures of the README anew, in `docs/`: `make docs-images`. ImageMagick puts the moving one together. */

import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";

import { launch, Person } from "./harness/browser.js";
import { shown } from "./harness/transcript.js";
import { until } from "./harness/wait.js";
import { Weir } from "./harness/weir.js";

const DOCS = fileURLToPath(new URL("../../../docs/", import.meta.url));
/** ImageMagick 6 of Debian. */
const CONVERT = process.env.CONVERT_BIN ?? "/usr/bin/convert";
const QUESTION = "What can you show me in markdown?";
const OTHERS = ["Release notes for 2.4", "Why is the build slow?", "Letter to the landlord", "Regex for ISO dates", "A week in Lisbon"];

async function main(): Promise<void> {
  mkdirSync(DOCS, { recursive: true });
  const [browser, weir] = [await launch(), await Weir.start()];
  try {
    for (const title of OTHERS) await weir.json("/v1/conversations", { method: "POST", body: { title } });
    const answered = await screenshots(browser, weir);
    await animation(browser, weir, answered);
  } finally {
    await browser.close();
    await weir.end();
  }
}

/** In light and in dark; the cookies of whom they show. */
async function screenshots(browser: Browser, weir: Weir): Promise<Cookies> {
  const wide = { viewport: { width: 1200, height: 760 } };
  const person = await Person.arrive(browser, { ...wide, colorScheme: "light" });
  await person.signIn(weir);
  const page = await person.page();
  await ask(page, weir, QUESTION);
  await ended(page);
  const id = page.url().split("/").at(-1) ?? "";
  await weir.json(`/v1/conversations/${id}`, { method: "PATCH", body: { title: "A tour of the demo" } });
  const cookies = await person.context.cookies();
  const looks: [string, BrowserContextOptions][] = [
    ["page-light", { ...wide, colorScheme: "light" }],
    ["page-dark", { ...wide, colorScheme: "dark" }],
  ];
  for (const [name, look] of looks) {
    const visitor = await Person.arrive(browser, look);
    await visitor.context.addCookies(cookies);
    const seen = await visitor.page();
    await seen.goto(page.url());
    await ended(seen);
    await seen.locator(".transcript").evaluate((frame) => frame.scrollTo(0, 0));
    await seen.waitForTimeout(500);
    const file = join(DOCS, `${name}.png`);
    await seen.screenshot({ path: file });
    execFileSync(CONVERT, [file, "-strip", "+dither", "-colors", "128", "-define", "png:compression-level=9", file]);
    report(file);
    await visitor.leave();
  }
  await person.leave();
  return cookies;
}

type Cookies = Awaited<ReturnType<Person["context"]["cookies"]>>;

/** An answer whose server is killed in the middle of it. */
async function animation(browser: Browser, weir: Weir, cookies: Cookies): Promise<void> {
  const person = await Person.arrive(browser, { viewport: { width: 820, height: 470 }, colorScheme: "light" });
  await person.context.addCookies(cookies);
  const page = await person.page();
  const frames = mkdtempSync(join(tmpdir(), "weir-frames-"));
  const film = new Film(page, frames);
  await ask(page, weir, "count to 120");
  await until("the first words", async () => (await answer(page)).length > 10);
  await film.shoot("", async () => (await answer(page)).length > 190);
  await weir.kill9();
  await page.getByText("Offline.").waitFor();
  await film.shoot("$ kill -9 $(pidof weir)", 9);
  const restarted = weir.restart();
  await film.shoot("$ weir", async () => (await answer(page)).length > 230);
  await restarted;
  await film.shoot("", async () => (await page.locator('.answer[data-last][data-standing="complete"]').count()) > 0);
  await film.shoot("no gap, nothing twice", 15);
  const file = join(DOCS, "resume.gif");
  execFileSync(CONVERT, ["-delay", "20", "-loop", "0", ...film.files, "+dither", "-colors", "64", "-layers", "OptimizePlus", file]);
  report(file);
  rmSync(frames, { recursive: true });
  await person.leave();
}

class Film {
  readonly files: string[] = [];

  constructor(
    private readonly page: Page,
    private readonly directory: string,
  ) {}

  /** Pictures under a caption, so many or until something is reached. */
  async shoot(caption: string, until: number | (() => Promise<boolean>)): Promise<void> {
    await this.caption(caption);
    const first = this.files.length;
    const isOver = async () => (typeof until === "number" ? this.files.length - first >= until : until());
    while (!(await isOver())) {
      const file = join(this.directory, `${String(this.files.length).padStart(3, "0")}.png`);
      await this.page.screenshot({ path: file });
      this.files.push(file);
      await this.page.waitForTimeout(120);
    }
  }

  private caption(text: string): Promise<void> {
    return this.page.evaluate((text) => {
      const bar = document.getElementById("caption") ?? document.body.appendChild(document.createElement("div"));
      bar.id = "caption";
      bar.textContent = text;
      Object.assign(bar.style, {
        position: "fixed", right: "1.5rem", bottom: "8rem", zIndex: "99", padding: "0.5rem 0.875rem", borderRadius: "0.5rem",
        background: "#1b1d21", color: "#8ee29b", font: "600 15px/1.4 monospace", display: text === "" ? "none" : "block",
      });
    }, text);
  }
}

async function ask(page: Page, weir: Weir, text: string): Promise<void> {
  await page.goto(weir.url);
  const composer = page.getByLabel("Your message", { exact: true });
  await composer.fill(text);
  await composer.press("Enter");
  await page.waitForURL(/\/c\/conv_/);
}

function ended(page: Page): Promise<void> {
  return page.locator('.answer[data-last][data-standing="complete"]').waitFor({ timeout: 60_000 });
}

async function answer(page: Page): Promise<string> {
  return (await shown(page)).slice(1).map(({ text }) => text).join("");
}

function report(file: string): void {
  console.log(`${file}: ${Math.round(statSync(file).size / 1024)} KB`);
}

await main();

/** Debian's Chromium, headless, and people with a browser of their own in it. */

import { chromium, type Browser, type BrowserContext, type BrowserContextOptions, type Page } from "playwright-core";

import type { Weir } from "./weir.js";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export function launch(...flags: string[]): Promise<Browser> {
  const executablePath = process.env.CHROMIUM_BIN ?? "/usr/bin/chromium";
  return chromium.launch({ executablePath, headless: true, args: [...FLAGS, ...flags] });
}

/** What a person's pages did, all of them together. */
export interface Record {
  /** Every request, whatever became of it: `GET http://...`. */
  requests: string[];
  /** What their content security policies stopped: `<directive> <address>`. */
  violations: string[];
  /** Errors in the console and exceptions that nobody caught. */
  errors: string[];
  /** `alert` and its kin; they are dismissed. */
  dialogs: string[];
}

/** Somebody with cookies and storage of their own, whose pages are recorded. */
export class Person {
  private constructor(
    readonly context: BrowserContext,
    readonly record: Record,
  ) {}

  static async arrive(browser: Browser, options: BrowserContextOptions = {}): Promise<Person> {
    const context = await browser.newContext(options);
    context.setDefaultTimeout(20_000);
    const record: Record = { requests: [], violations: [], errors: [], dialogs: [] };
    await context.exposeBinding("weirViolation", (_, text: string) => record.violations.push(text));
    await context.addInitScript(() => {
      const report = (window as unknown as { weirViolation(text: string): void }).weirViolation;
      document.addEventListener("securitypolicyviolation", (event) => {
        report(`${event.effectiveDirective} ${event.blockedURI}`);
      });
    });
    context.on("request", (request) => record.requests.push(`${request.method()} ${request.url()}`));
    context.on("console", (message) => {
      if (message.type() === "error") record.errors.push(message.text());
    });
    context.on("weberror", (thrown) => record.errors.push(String(thrown.error())));
    context.on("dialog", (dialog) => {
      record.dialogs.push(dialog.message());
      void dialog.dismiss().catch(() => undefined);
    });
    return new Person(context, record);
  }

  page(): Promise<Page> {
    return this.context.newPage();
  }

  /** Signs in without the page: every page of this person carries the cookie from then on. */
  async signIn(weir: Weir, name = "Ada", password = "correct horse battery"): Promise<void> {
    const answer = await this.context.request.post(`${weir.url}/v1/auth/setup`, {
      headers: { Origin: weir.url },
      data: { code: await weir.setupCode(), name, password },
    });
    if (!answer.ok()) throw new Error(`setup: ${answer.status()} ${await answer.text()}`);
  }

  leave(): Promise<void> {
    return this.context.close();
  }
}

/** The example of an embedding product (`examples/embed`), with its page on an origin of its own. */

import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { freePort, until } from "./wait.js";
import type { Weir } from "./weir.js";

export const SHOP_SECRET = "a secret that the shop shares with weir";

const EXAMPLE = new URL("../../../../examples/embed/", import.meta.url);

/** The configuration of the example, for a page on that port. */
export function shopConfig(port: number): string {
  const config = readFileSync(new URL("weir.toml", EXAMPLE), "utf8");
  assert.match(config, /:3000"/);
  return config.replace(":3000", `:${port}`).replace('secret_env = "SHOP_SECRET"', `secret = "${SHOP_SECRET}"`);
}

export class Shop {
  private constructor(
    private readonly child: ChildProcess,
    readonly url: string,
  ) {}

  static async start(weir: Weir, port?: number): Promise<Shop> {
    port ??= await freePort();
    const child = spawn(process.execPath, [fileURLToPath(new URL("server.mjs", EXAMPLE))], {
      env: { PORT: String(port), WEIR_URL: weir.url, SHOP_SECRET, TOKEN_SECONDS: "1" },
      stdio: ["ignore", "ignore", "inherit"],
    });
    const shop = new Shop(child, `http://127.0.0.1:${port}`);
    await until("the shop", async () => (await fetch(shop.url).catch(() => undefined))?.ok ?? false);
    return shop;
  }

  /** What the shop signs for its customer. */
  async token(): Promise<string> {
    return (await fetch(`${this.url}/weir-token`)).text();
  }

  async end(): Promise<void> {
    const ended = once(this.child, "exit");
    this.child.kill();
    await ended;
  }
}

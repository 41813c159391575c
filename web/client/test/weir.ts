/** The real server with its demo model, in a directory of its own. `WEIR_BIN` says where the binary is. */

import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const ROOT_KEY = "root-key-of-the-tests-of-the-client-package";

export class Weir {
  private child: ChildProcess | undefined;

  private constructor(
    private readonly directory: string,
    private readonly port: number,
  ) {}

  static async start(): Promise<Weir> {
    const weir = new Weir(mkdtempSync(join(tmpdir(), "weir-client-")), await freePort());
    await weir.restart();
    return weir;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async restart(): Promise<void> {
    const binary = process.env.WEIR_BIN;
    assert.ok(binary, "WEIR_BIN names the server's binary");
    const environment = { PATH: process.env.PATH ?? "", WEIR_ROOT_KEY: ROOT_KEY, OPENAI_API_KEY: "" };
    const config = ["serve", "--data", this.directory, "--listen", `127.0.0.1:${this.port}`];
    this.child = spawn(binary, config, { cwd: this.directory, env: environment, stdio: "ignore" });
    const deadline = Date.now() + 20_000;
    while (!(await fetch(`${this.url}/readyz`).then(({ ok }) => ok, () => false))) {
      assert.ok(Date.now() < deadline, "the server is not ready");
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async kill9(): Promise<void> {
    if (!this.child) return;
    const ended = once(this.child, "exit");
    this.child.kill("SIGKILL");
    await ended;
    this.child = undefined;
  }

  async end(): Promise<void> {
    await this.kill9();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(typeof address === "object" && address);
  server.close();
  await once(server, "close");
  return address.port;
}

export async function until(what: string, reached: () => boolean | Promise<boolean>, within = 30_000): Promise<void> {
  const deadline = Date.now() + within;
  while (!(await reached())) {
    assert.ok(Date.now() < deadline, `gave up waiting for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** The real server with its demo model, in a directory of its own. `WEIR_BIN` says where the binary is. */

import assert from "node:assert/strict";
import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

import { freePort, until } from "./wait.js";

/** An API key of the owner, for what a test does behind the page's back. */
export const ROOT_KEY = "root-key-of-the-tests-in-the-browser";

export interface WeirOptions {
  /** `weir.toml`. Absent: nothing is configured, and the demo model answers. */
  config?: string;
  port?: number;
}

export interface StoredMessage {
  id: string;
  role: string;
  status: string;
  parts?: { type: string; text?: string }[];
}

export class Weir {
  private child: ChildProcess | undefined;

  private constructor(
    private readonly directory: string,
    readonly port: number,
  ) {}

  static async start({ config = "", port }: WeirOptions = {}): Promise<Weir> {
    const weir = new Weir(mkdtempSync(join(tmpdir(), "weir-e2e-")), port ?? (await freePort()));
    writeFileSync(join(weir.directory, "weir.toml"), config);
    await weir.restart();
    return weir;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Starts it on the same port and data. */
  async restart(): Promise<void> {
    assert.equal(this.child, undefined, "it runs already");
    const child = spawn(binary(), ["serve", ...this.settings()], {
      cwd: this.directory,
      env: { PATH: process.env.PATH ?? "", WEIR_ROOT_KEY: ROOT_KEY },
      stdio: ["ignore", "ignore", "inherit"],
    });
    this.child = child;
    await until("the server to be ready", async () => {
      assert.equal(child.exitCode, null, "the server ended");
      return (await fetch(`${this.url}/readyz`).catch(() => undefined))?.ok ?? false;
    });
  }

  /** As a crash does: nothing is said to anyone, nothing is written any more. */
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

  /** What `weir setup-link` prints, while the server runs: `<address>/setup#code=...`. */
  async setupLink(): Promise<string> {
    const command = ["setup-link", ...this.settings()];
    const { stdout } = await promisify(execFile)(binary(), command, { cwd: this.directory });
    const link = /\S*\/setup#code=\S+/.exec(stdout)?.[0];
    assert.ok(link, `no link in: ${stdout}`);
    return new URL(link, this.url).href;
  }

  async setupCode(): Promise<string> {
    return new URL(await this.setupLink()).hash.replace("#code=", "");
  }

  /** A call of the API, as the owner unless another token is given. */
  async call(path: string, { method = "GET", body, token = ROOT_KEY }: Call = {}): Promise<Response> {
    return fetch(`${this.url}${path}`, {
      method,
      headers: { Authorization: `Bearer ${token}`, ...(body === undefined ? {} : { "Content-Type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  }

  async json<T>(path: string, call: Call = {}): Promise<T> {
    const response = await this.call(path, call);
    assert.ok(response.ok, `${call.method ?? "GET"} ${path}: ${response.status} ${response.ok ? "" : await response.text()}`);
    return (await response.json()) as T;
  }

  private settings(): string[] {
    const config = join(this.directory, "weir.toml");
    return ["--config", config, "--data", join(this.directory, "data"), "--listen", `127.0.0.1:${this.port}`];
  }
}

export interface Call {
  method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  body?: unknown;
  token?: string;
}

function binary(): string {
  const binary = process.env.WEIR_BIN;
  assert.ok(binary, "WEIR_BIN names the server's binary");
  return binary;
}

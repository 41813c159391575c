/** Waiting for what happens elsewhere. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:net";

export async function until(what: string, reached: () => boolean | Promise<boolean>, within = 30_000): Promise<void> {
  const deadline = Date.now() + within;
  while (!(await reached())) {
    assert.ok(Date.now() < deadline, `gave up waiting for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(typeof address === "object" && address);
  server.close();
  await once(server, "close");
  return address.port;
}

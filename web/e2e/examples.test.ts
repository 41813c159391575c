/** The examples that need no browser, as they stand there. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { until } from "./harness/wait.js";
import { ROOT_KEY, Weir } from "./harness/weir.js";

test("the Python example prints an answer whole, over a kill of the server", async () => {
  const weir = await Weir.start();
  try {
    const script = fileURLToPath(new URL("../../../examples/python/chat.py", import.meta.url));
    const environment = { PATH: process.env.PATH ?? "", WEIR_URL: weir.url, WEIR_KEY: ROOT_KEY };
    const child = spawn("python3", [script, "count to 200"], { env: environment, stdio: ["ignore", "pipe", "inherit"] });
    let printed = "";
    child.stdout.on("data", (chunk: Buffer) => (printed += chunk.toString()));
    const exited = once(child, "exit");
    await until("the middle of the answer", () => printed.length > 200);
    await weir.kill9();
    await weir.restart();
    assert.deepEqual(await exited, [0, null]);
    assert.equal(printed, `${Array.from({ length: 200 }, (_, at) => at + 1).join(", ")}\n`);
  } finally {
    await weir.end();
  }
});

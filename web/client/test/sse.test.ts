import assert from "node:assert/strict";
import { test } from "node:test";

import { readSse, SseParser } from "../src/sse.js";

const STREAM =
  'retry: 1500\n\nid: 3.7\nevent: part.delta\ndata: {"text":"grün 🌊"}\n\n: ping\n\nevent: caught_up\ndata: {}\n\nid: 3.9\r\nevent: x\r\ndata:a\r\ndata: b\r\n\r\n';
const EVENTS = [
  { id: "3.7", event: "part.delta", data: '{"text":"grün 🌊"}' },
  { event: "caught_up", data: "{}" },
  { id: "3.9", event: "x", data: "a\nb" },
];

test("events are whole wherever the bytes are cut", async () => {
  const bytes = new TextEncoder().encode(STREAM);
  for (let cut = 0; cut <= bytes.length; cut += 1) {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(bytes.slice(0, cut));
        controller.enqueue(bytes.slice(cut));
        controller.close();
      },
    });
    const events = [];
    for await (const event of readSse(body, 1000)) events.push(event);
    assert.deepEqual(events, EVENTS, `cut at ${cut}`);
  }
});

test("an event without its end is none", () => {
  assert.deepEqual(new SseParser().push("id: 1.2\nevent: a\ndata: {"), []);
});

test("a silent connection is dead", async () => {
  const body = new ReadableStream<Uint8Array>({});
  await assert.rejects(async () => {
    for await (const _ of readSse(body, 10)) assert.fail("nothing was sent");
  }, /silent/);
});

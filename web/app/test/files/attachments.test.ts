import { UnreachableError } from "@weir/client";
import { beforeEach, expect, test, vi } from "vitest";

import { messageOf } from "../../src/chat/said.ts";
import { Attachments, inBytes } from "../../src/files/attachments.ts";
import { upload, type StoredFile, type Upload } from "../../src/files/upload.ts";
import { storage } from "../storage.ts";

/** A server that answers when the test says so. */
class Server {
  readonly asked: { name: string; resolve(id: string): Promise<void>; reject(error: unknown): Promise<void>; progress(fraction: number): void; signal: AbortSignal }[] = [];

  readonly upload: Upload = (file, progress, signal) =>
    new Promise<StoredFile>((resolve, reject) => {
      const settled = () => new Promise<void>((done) => setTimeout(done));
      this.asked.push({
        name: file.name,
        progress,
        signal,
        resolve: (id) => (resolve({ id, name: file.name, media_type: file.type, size: file.size }), settled()),
        reject: (error) => (reject(error), settled()),
      });
    });
}

let server: Server;
let attachments: Attachments;
beforeEach(() => {
  vi.stubGlobal("localStorage", storage());
  server = new Server();
  attachments = new Attachments("place", server.upload);
});

const file = (name: string) => new File(["12345"], name, { type: "text/plain" });
const states = ({ items }: Attachments) => items.map(({ name, state }) => [name, state]);

test("files are on their way at once, say how far, and go with the message once they are there", async () => {
  attachments.add([file("a.txt"), file("b.txt")]);
  server.asked[0]?.progress(0.5);
  expect(states(attachments)).toEqual([["a.txt", { is: "sending", fraction: 0.5 }], ["b.txt", { is: "sending", fraction: 0 }]]);
  expect(attachments.isComplete).toBe(false);
  await server.asked[1]?.resolve("file_2");
  await server.asked[0]?.resolve("file_1");
  expect([attachments.ids, attachments.isComplete]).toEqual([["file_1", "file_2"], true]);
});

test("what was not taken stays, says why, and can be sent again", async () => {
  attachments.add([file("a.txt")]);
  await server.asked[0]?.reject(new UnreachableError(undefined));
  expect(states(attachments)).toEqual([["a.txt", { is: "failed", problem: "The server cannot be reached." }]]);
  expect(attachments.isComplete).toBe(false);
  attachments.retry(attachments.items[0]?.key ?? 0);
  await server.asked[1]?.resolve("file_1");
  expect(attachments.ids).toEqual(["file_1"]);
});

test("one that is removed is no longer sent, and does not come back", async () => {
  attachments.add([file("a.txt")]);
  attachments.remove(attachments.items[0]?.key ?? 0);
  expect(server.asked[0]?.signal.aborted).toBe(true);
  await server.asked[0]?.resolve("file_1");
  expect(attachments.items).toEqual([]);
});

test("what is there survives a reload, and what went with a message does not", async () => {
  attachments.add([file("a.txt"), file("b.txt")]);
  await server.asked[0]?.resolve("file_1");
  const reloaded = new Attachments("place", server.upload);
  expect([reloaded.ids, reloaded.items.map(({ name, size }) => [name, size])]).toEqual([["file_1"], [["a.txt", 5]]]);
  reloaded.clear();
  expect(new Attachments("place", server.upload).items).toEqual([]);
});

test("who looks is told of every change", async () => {
  const told = vi.fn();
  const stop = attachments.subscribe(told);
  attachments.add([file("a.txt")]);
  await server.asked[0]?.resolve("file_1");
  expect(told).toHaveBeenCalledTimes(2);
  stop();
  attachments.clear();
  expect(told).toHaveBeenCalledTimes(2);
});

test("a message has its text and its files; without files it is a text", () => {
  expect(messageOf({ text: "hi", fileIds: [] })).toEqual({ text: "hi" });
  expect(messageOf({ text: "hi", fileIds: ["f1"] })).toEqual({ parts: [{ type: "text", text: "hi" }, { type: "file", file_id: "f1" }] });
  expect(messageOf({ text: " ", fileIds: ["f1"] })).toEqual({ parts: [{ type: "file", file_id: "f1" }] });
});

test("sizes are said in few digits", () => {
  expect([0, 999, 1000, 12_345, 123_456_789].map(inBytes)).toEqual(["0 bytes", "999 bytes", "1 KB", "12.3 KB", "123 MB"]);
});

/** As much of it as an upload uses. */
class Request {
  static last: Request;
  upload: { onprogress?: (event: { loaded: number; total: number }) => void } = {};
  onload?: () => void;
  onerror?: () => void;
  onabort?: () => void;
  status = 0;
  response: unknown;
  readonly opened: string[] = [];
  readonly headers: Record<string, string> = {};
  constructor() {
    Request.last = this;
  }
  open(...how: string[]) {
    this.opened.push(...how);
  }
  setRequestHeader(name: string, value: string) {
    this.headers[name] = value;
  }
  send() {}
  abort() {
    this.onabort?.();
  }
}

test("an upload is the file itself, under its name; refusals are said as the server says them", async () => {
  vi.stubGlobal("XMLHttpRequest", Request);
  const seen: number[] = [];
  const begin = () => upload(new File(["x"], "ä & b.png", { type: "image/png" }), (fraction) => seen.push(fraction), new AbortController().signal);
  const taken = begin();
  Request.last.upload.onprogress?.({ loaded: 1, total: 4 });
  Object.assign(Request.last, { status: 201, response: { id: "file_1" } }).onload?.();
  expect((await taken).id).toBe("file_1");
  expect([Request.last.opened, Request.last.headers, seen]).toEqual([["POST", "/v1/files?name=%C3%A4%20%26%20b.png"], { "Content-Type": "image/png" }, [0.25]]);

  const refused = begin();
  Object.assign(Request.last, { status: 413, response: { type: "too-large", title: "", status: 413, detail: "a file has at most 5 bytes here" } }).onload?.();
  await expect(refused).rejects.toThrow("at most 5 bytes");
  const cut = begin();
  Object.assign(Request.last, { status: 502, response: null }).onload?.();
  await expect(cut).rejects.toThrow("the server answered 502");
  const lost = begin();
  Request.last.onerror?.();
  await expect(lost).rejects.toThrow("cannot be reached");
});

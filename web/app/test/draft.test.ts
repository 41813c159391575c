import { beforeEach, expect, test, vi } from "vitest";

import { keyFor, loadDraft, saveDraft, sent } from "../src/chat/draft";
import { forget } from "../src/keep";
import { storage } from "./storage";

const way = ["demo", undefined];

beforeEach(() => vi.stubGlobal("localStorage", storage()));

test("a draft is kept for its conversation alone, until it is sent", () => {
  saveDraft("conv_1", "half a thou");
  expect([loadDraft("conv_1"), loadDraft("conv_2")]).toEqual(["half a thou", ""]);
  sent("conv_1");
  expect(loadDraft("conv_1")).toBe("");
});

test("a text whose outcome is not known keeps its key, and another text or place has another", () => {
  const key = keyFor("conv_1", "hello", way);
  expect(keyFor("conv_1", "hello", way)).toBe(key);
  expect(keyFor("conv_2", "hello", way)).not.toBe(key);
  expect(keyFor("conv_1", "hello!", way)).not.toBe(key);
});

test("the same text to another model is another send", () => {
  const key = keyFor("conv_1", "hello", way);
  expect(keyFor("conv_1", "hello", ["other", undefined])).not.toBe(key);
});

test("the same words after they were sent are another message", () => {
  const key = keyFor("conv_1", "hello", way);
  sent("conv_1");
  expect(keyFor("conv_1", "hello", way)).not.toBe(key);
});

test("what was kept by something else is no key", () => {
  localStorage.setItem("weir.sending.conv_1", "{broken");
  expect(keyFor("conv_1", "hello", way)).toMatch(/^[0-9a-f]{32}$/);
});

test("signing out forgets drafts and leaves the looks", () => {
  saveDraft("conv_1", "secret");
  localStorage.setItem("weir.theme", "dark");
  forget("weir.draft.", "weir.sending.");
  expect([loadDraft("conv_1"), localStorage.getItem("weir.theme")]).toEqual(["", "dark"]);
});

test("without storage nothing is kept, and nothing breaks", () => {
  vi.stubGlobal("localStorage", undefined);
  saveDraft("conv_1", "text");
  expect(loadDraft("conv_1")).toBe("");
  expect(keyFor("conv_1", "text", way)).toMatch(/^[0-9a-f]{32}$/);
});

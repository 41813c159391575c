import { beforeEach, expect, test, vi } from "vitest";

import { forgetBeginning, rememberBeginning, titleOf } from "../src/conversations/title";
import { storage } from "./storage";

beforeEach(() => vi.stubGlobal("localStorage", storage()));

test("a conversation is called by how it began, until it has a title", () => {
  rememberBeginning("conv_1", "why is the sky blue?\nand more");
  expect(titleOf({ id: "conv_1", title: null })).toBe("why is the sky blue?");
  expect(titleOf({ id: "conv_1", title: "The sky" })).toBe("The sky");
  expect(titleOf({ id: "conv_2" })).toBe("Untitled");
  forgetBeginning("conv_1");
  expect(titleOf({ id: "conv_1" })).toBe("Untitled");
});

import type { TreeNode } from "@weir/client";
import { expect, test } from "vitest";

import { endBelow } from "../src/chat/through";

const node = (id: string, parent_id: string | null) => ({ id, parent_id }) as TreeNode;
const tree = [node("1", null), node("2", "1"), node("3", "2"), node("4", "2"), node("5", "3"), node("6", "1"), node("7", null)];

test("a branch goes down to the newest end below a message", () => {
  expect(endBelow(tree, "3")).toBe("5");
  expect(endBelow(tree, "2")).toBe("4");
  expect(endBelow(tree, "1")).toBe("6");
  expect(endBelow(tree, "7")).toBe("7");
});

test("a message that is not in the tree is on no branch", () => {
  expect(endBelow(tree, "9")).toBeUndefined();
  expect(endBelow([], "1")).toBeUndefined();
});

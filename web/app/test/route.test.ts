import { expect, test } from "vitest";

import { pathOf, routeOf, type Route } from "../src/route";

test("every place has an address that leads back to it", () => {
  const routes: Route[] = [{ at: "new" }, { at: "setup" }, { at: "sign-in" }, { at: "conversation", id: "conv_01m7yavwt5enztys7ysrtcfz5s" }];
  expect(routes.map((route) => routeOf(pathOf(route)))).toEqual(routes);
});

test("what is no address of ours is a new conversation, and no id is made of it", () => {
  expect(["/c/", "/c/a/b", "/c/..%2f..", "/c/<b>", "/elsewhere"].map((path) => routeOf(path).at)).toEqual(Array(5).fill("new"));
  expect(routeOf("/c/conv_1/")).toEqual({ at: "conversation", id: "conv_1" });
});

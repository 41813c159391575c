import { expect, test } from "vitest";

import { pathOf, routeOf, type Route } from "../src/route";

test("every place has an address that leads back to it", () => {
  const routes: Route[] = [
    { at: "new" },
    { at: "setup" },
    { at: "sign-in" },
    { at: "conversation", id: "conv_01m7yavwt5enztys7ysrtcfz5s" },
    { at: "conversation", id: "conv_01m7yavwt5enztys7ysrtcfz5s", message: "msg_01m7yavwt5enztys7ysrtcfz5s" },
    { at: "approvals" },
    { at: "approval", id: "appr_01m7yavwt5enztys7ysrtcfz5s" },
  ];
  expect(routes.map((route) => routeOf(pathOf(route)))).toEqual(routes);
});

test("what is no address of ours is a new conversation, and no id is made of it", () => {
  expect(["/c/", "/c/a/b", "/c/..%2f..", "/c/<b>", "/approvals/a/b", "/elsewhere"].map((path) => routeOf(path).at)).toEqual(Array(6).fill("new"));
  expect(routeOf("/c/conv_1/")).toEqual({ at: "conversation", id: "conv_1" });
});

test("a link to a message says which, and nothing else in an address is taken for one", () => {
  expect(pathOf({ at: "conversation", id: "conv_1", message: "msg_2" })).toBe("/c/conv_1?message=msg_2");
  expect(routeOf("/c/conv_1?other=1&message=msg_2")).toEqual({ at: "conversation", id: "conv_1", message: "msg_2" });
  for (const search of ["", "?", "?message", "?message=", "?message=a%2Fb", "?message=%22%5D"]) {
    expect(routeOf(`/c/conv_1${search}`)).toEqual({ at: "conversation", id: "conv_1" });
  }
  expect(routeOf("/approvals?message=msg_2")).toEqual({ at: "approvals" });
});

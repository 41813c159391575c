import { expect, test } from "vitest";

import { check } from "../../src/approvals/EditArgs.tsx";
import { misfits } from "../../src/tools/schema.ts";

const REFUND = {
  type: "object",
  properties: {
    order: { type: "string" },
    amount: { type: "number" },
    how: { enum: ["card", "cash"] },
    lines: { type: "array", items: { type: "object", properties: { n: { type: "integer" } }, required: ["n"] } },
  },
  required: ["order"],
  additionalProperties: false,
};

test("what fits has no misfits", () => {
  expect(misfits(REFUND, { order: "7", amount: 1.5, how: "cash", lines: [{ n: 1 }] })).toEqual([]);
});

test("each misfit is named by where it stands", () => {
  const wrong = { amount: "1", how: "gold", extra: true, "a/b": 1, lines: [{ n: 1.5 }, {}] };
  expect(misfits(REFUND, wrong)).toEqual([
    { pointer: "/order", detail: "is missing" },
    { pointer: "/amount", detail: "has to be a number" },
    { pointer: "/how", detail: 'has to be one of "card", "cash"' },
    { pointer: "/extra", detail: "is not known here" },
    { pointer: "/a~1b", detail: "is not known here" },
    { pointer: "/lines/0/n", detail: "has to be a whole number" },
    { pointer: "/lines/1/n", detail: "is missing" },
  ]);
  expect(misfits(REFUND, [])).toEqual([{ pointer: "", detail: "has to be an object" }]);
});

test("names of Object itself are no properties", () => {
  expect(misfits(REFUND, { order: "7", constructor: 1 })).toEqual([{ pointer: "/constructor", detail: "is not known here" }]);
  expect(misfits({ type: "object", required: ["toString"] }, {})).toEqual([{ pointer: "/toString", detail: "is missing" }]);
});

test("several types, and what is not understood", () => {
  expect(misfits({ type: ["string", "null"] }, null)).toEqual([]);
  expect(misfits({ type: ["string", "null"] }, 1)).toEqual([{ pointer: "", detail: "has to be a text or null" }]);
  expect(misfits({ oneOf: [{ type: "string" }] }, 1)).toEqual([]);
});

test("edited arguments are sent only if they are an object that fits", () => {
  expect(check('{"order":"8"}', REFUND)).toEqual({ args: { order: "8" }, misfits: [] });
  expect(check("[]", REFUND).args).toBeUndefined();
  expect(check('{"order":"8"', REFUND).misfits[0]?.detail).toMatch(/not JSON/);
  expect(check('{"order":"7","order":"8"}', REFUND).misfits).toEqual([{ pointer: "", detail: '"order" stands more than once' }]);
});

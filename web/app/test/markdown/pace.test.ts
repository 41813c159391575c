import { expect, test } from "vitest";

import { Pace } from "../../src/markdown/pace.ts";

/** A clock that work moves on. */
function clockwork() {
  let now = 1000;
  return { clock: () => now, work: (milliseconds: number) => (now += milliseconds) };
}

test("what is drawn quickly is drawn each time", () => {
  const { clock, work } = clockwork();
  const pace = new Pace();
  pace.measured(() => work(5), clock);
  expect(pace.left(clock())).toBe(0);
});

test("what takes long rests three times as long", () => {
  const { clock, work } = clockwork();
  const pace = new Pace();
  pace.measured(() => work(40), clock);
  expect(pace.left(clock())).toBe(120);
  work(100);
  expect(pace.left(clock())).toBe(20);
  work(50);
  expect(pace.left(clock())).toBe(0);
});

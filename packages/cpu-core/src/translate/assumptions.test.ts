import { expect, test } from "vitest";
import { Assumptions } from "./assumptions.js";

const stateOf = (assumptions: Assumptions, header: number) => ({
  apart: assumptions.apart(header),
  roaming: assumptions.roaming(header),
  plain: assumptions.plain(header),
  judges: assumptions.mayJudge(header),
});

/** What nothing has been found wrong of. */
const RIGHT = { apart: false, roaming: false, plain: false, judges: true };

test("each mistake ends what it was about and nothing else, in its block alone", () => {
  const assumptions = new Assumptions();
  assumptions.wrong(1, "bytes");
  assumptions.wrong(2, "numbers");
  assumptions.wrong(3, "stack");
  expect(stateOf(assumptions, 1)).toEqual({ ...RIGHT, apart: true });
  expect(stateOf(assumptions, 2)).toEqual({ ...RIGHT, plain: true });
  expect(stateOf(assumptions, 3)).toEqual({ ...RIGHT, roaming: true });
  expect(stateOf(assumptions, 4)).toEqual(RIGHT);
});

test("MXCSR.PE may be misjudged once, since most programs set it once", () => {
  const assumptions = new Assumptions();
  assumptions.wrong(1, "inexact");
  expect(assumptions.mayJudge(1)).toBe(true);
  assumptions.wrong(1, "inexact");
  expect(assumptions.mayJudge(1)).toBe(false);
});

test("a block that is gone, or all of them, begin anew", () => {
  const assumptions = new Assumptions();
  for (const header of [1, 2])
    for (const mistake of ["bytes", "stack", "numbers", "inexact", "inexact"] as const) assumptions.wrong(header, mistake);
  assumptions.forget(1);
  expect(stateOf(assumptions, 1)).toEqual(RIGHT);
  assumptions.clear();
  expect(stateOf(assumptions, 2)).toEqual(RIGHT);
});

import { expect, test } from "vitest";
import { complaints } from "./verdict.js";

const run = (console: string, status: number | undefined) => ({ console, status, shutdown: false, end: "in the test" });

test("a run in which everything is ok has nothing to complain of", () => {
  expect(complaints(run("ok a\r\nok b: c\r\n2 passed, 0 failed\r\n", 1))).toEqual([]);
});

test("a failed line is a complaint, and one that is known to be wrong is not", () => {
  const outcome = run("ok a\nnot ok b: expected 1, got 2\n1 passed, 1 failed\n", 3);
  expect(complaints(outcome)).toEqual(["not ok b: expected 1, got 2"]);
  expect(complaints(outcome, [{ line: "b", reason: "" }])).toEqual([]);
  expect(complaints(outcome, [{ line: "b", reason: "", modes: ["64"] }], "32")).toHaveLength(1);
});

test("a line that is listed as wrong must be wrong", () => {
  expect(complaints(run("ok ab\n1 passed, 0 failed\n", 1), [{ line: "a*", reason: "" }])).toEqual(["listed as wrong, but right: a*"]);
});

test("a run that has to end by a triple fault does, and says nothing more", () => {
  const ended = (console: string, shutdown: boolean) =>
    complaints({ ...run(console, undefined), shutdown }, [], undefined, "shutdown").length;
  expect([ended("ok a\n", true), ended("ok a\n", false), ended("", true), ended("ok a\nnot ok b: expected 1, got 2\n", true)]).toEqual([
    0, 1, 1, 1,
  ]);
});

test.each([
  ["no lines", "", 1],
  ["no last line", "ok a\n", 1],
  ["a count that does not fit", "ok a\n2 passed, 0 failed\n", 1],
  ["nothing checked", "0 passed, 0 failed\n", 1],
  ["another end", "ok a\n1 passed, 0 failed\n", undefined],
  ["a status that does not fit", "ok a\n1 passed, 0 failed\n", 3],
])("a run with %s did not finish", (_, console, status) => {
  expect(complaints(run(console, status)).join()).toMatch(/did not finish \(in the test\)/);
});

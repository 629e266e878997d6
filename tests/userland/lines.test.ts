import { describe, expect, test } from "vitest";
import { differences } from "./runner/lines.js";

describe("lines of a program in two places", () => {
  test("equal lines have no differences", () => {
    expect(differences(["a: 1", "b: 2"], ["a: 1", "b: 2"], true)).toEqual([]);
  });

  test("a line that differs is shown as both have it", () => {
    expect(differences(["a: 1", "b: 2"], ["a: 1", "b: 3"], true)).toEqual(["- b: 2", "+ b: 3"]);
  });

  test("a missing line and another order are differences", () => {
    expect(differences(["a: 1", "b: 2"], ["a: 1"], true)).toEqual(["- b: 2"]);
    expect(differences(["a: 1", "b: 2"], ["b: 2", "a: 1"], true)).not.toEqual([]);
    expect(differences(["a: 1", "a: 1"], ["a: 1"], true)).not.toEqual([]);
  });

  test("what one kernel skips is not compared", () => {
    expect(differences(["skip ports: no ioperm"], ["ports open: 1"], true)).toEqual([]);
    expect(differences(["skip ports: no ioperm", "x: 1"], ["ports open: 1", "x: 2"], true)).toEqual(["- x: 1", "+ x: 2"]);
  });

  test("lines about the kernel are compared with the same kind of kernel only", () => {
    expect(differences(["kernel str: 0x40"], ["kernel str: 0x80"], true)).toHaveLength(2);
    expect(differences(["kernel str: 0x40"], ["kernel str: 0x80"], false)).toEqual([]);
  });
});

import { expect, test } from "vitest";
import { Repetition } from "./repetition.js";

const M = 1_000_000;

test("an interpreter that runs millions of instructions of few new blocks repeats itself", () => {
  const repetition = new Repetition();
  repetition.look(7 * M, 100);
  expect(repetition.found).toBe(false);
  repetition.look(9 * M, 1500);
  expect(repetition.found).toBe(true);
});

test("many new blocks end it at once, and it takes millions of instructions again", () => {
  const repetition = new Repetition();
  repetition.look(9 * M, 0);
  expect(repetition.found).toBe(true);
  repetition.look(9 * M + 10_000, 1700);
  expect(repetition.found).toBe(false);
  repetition.look(16 * M, 1800);
  expect(repetition.found).toBe(false);
  repetition.look(18 * M, 1800);
  expect(repetition.found).toBe(true);
});

test("what a boot decodes is not repetition", () => {
  const repetition = new Repetition();
  for (let millions = 1; millions < 100; millions++) {
    repetition.look(millions * M, millions * 350);
    expect(repetition.found).toBe(false);
  }
});

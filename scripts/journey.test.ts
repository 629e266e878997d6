// docs/journey.md names files, and names in them: each file is there, and each name in the files of its sentence.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "..");
const steps = readFileSync(join(root, "docs/journey.md"), "utf8")
  .split(/\n(?=\n|\d+\. )/)
  .map((paragraph) => paragraph.trim())
  .filter((paragraph) => /^\d+\. /.test(paragraph));
const isPath = (name: string): boolean => /^(packages|apps|tests|scripts)\//.test(name);

/** Names that are words of the instruction set, of an ABI or of an answer, and no symbols. */
const isWord = (name: string): boolean => /[" ]|--|^(0F 05|INVLPG_LOCAL|-EFAULT|under|boot\.accepts|architectural|InvalPage)$/.test(name);

test("the steps are numbered one by one", () => {
  expect(steps.map((step) => Number.parseInt(step, 10))).toEqual(steps.map((_, index) => index + 1));
  expect(steps.length).toBeGreaterThan(15);
});

describe.each(steps.map((step) => [step.split(".")[0]!, step] as const))("step %s", (_number, step) => {
  const names = [...step.matchAll(/`([^`]+)`/g)].map(([, name]) => name!);
  const files = names.filter(isPath);
  test("names files that are there", () => {
    expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  });

  test("names what is in them", () => {
    const text = files.map((file) => readFileSync(join(root, file), "utf8")).join("\n");
    const elsewhere = names.filter((name) => !isPath(name) && !isWord(name) && !new RegExp(`\\b${name}\\b`).test(text));
    expect(elsewhere).toEqual([]);
  });
});

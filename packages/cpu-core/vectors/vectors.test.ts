/** The recorded behaviour of a real CPU, a selection that stands for all of it (scripts/select-vectors.ts): every case must come out alike. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { createInstruction } from "../src/decode/instruction.js";
import type { TableRow } from "../src/interp/handlers.js";
import { differences } from "./compare.js";
import { VectorMachine } from "./driver.js";
import { parseVectors, type VectorFile } from "./format.js";
import { decodeCase, rowName, rows } from "./key.js";
import { notCovered } from "./not-covered.js";

const hex = (bytes: Uint8Array): string => [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
const open = (mode: 32 | 64): VectorFile =>
  parseVectors(gunzipSync(readFileSync(new URL(`./data/x86diff-${mode}.bin.gz`, import.meta.url))));
/** Fewer cases than this would mean that the selection was lost. */
const LEAST_CASES = { 32: 20_000, 64: 17_000 };

/** Failures by class: how many, and the first of them. */
async function failures(file: VectorFile): Promise<{ ran: number; byClass: Record<string, string> }> {
  const machine = await VectorMachine.create(file);
  const found = new Map<string, { count: number; first: string }>();
  let ran = 0;
  for (const test of file.cases()) {
    ran++;
    const differ = differences(test, file.mode, machine.run(test));
    if (differ.length === 0) continue;
    const entry = found.get(test.className) ?? { count: 0, first: `#${test.index} ${hex(test.code)}: ${differ.join("; ")}` };
    entry.count++;
    found.set(test.className, entry);
  }
  return { ran, byClass: Object.fromEntries([...found].map(([name, { count, first }]) => [name, `${count} failed, first ${first}`])) };
}

describe("recorded vectors", () => {
  for (const mode of [32, 64] as const) {
    it(`all ${mode}-bit cases end as they did on silicon`, { timeout: 120_000 }, async () => {
      const { ran, byClass } = await failures(open(mode));
      expect(byClass).toEqual({});
      expect(ran).toBeGreaterThan(LEAST_CASES[mode]);
    });
  }

  for (const mode of [32, 64] as const) {
    it(`every twelfth ${mode}-bit case ends so in translated code`, { timeout: 120_000 }, async () => {
      const file = open(mode);
      const machine = await VectorMachine.create(file, "jit");
      const differing: string[] = [];
      let ran = 0;
      for (const test of file.cases()) {
        if (test.index % 12 !== 0) continue;
        machine.run(test);
        const differ = differences(test, file.mode, machine.runAgain(test));
        if (differ.length > 0) differing.push(`#${test.index} ${hex(test.code)}: ${differ.join("; ")}`);
        ran++;
      }
      expect(differing).toEqual([]);
      expect(ran).toBeGreaterThan(LEAST_CASES[mode] / 20);
      expect(machine.translated).toBeGreaterThan(ran / 2);
    });
  }

  it("every row of the decode table has a case, but for the listed ones", () => {
    const taken = new Set<TableRow>();
    const instruction = createInstruction();
    for (const mode of [32, 64] as const) {
      for (const test of open(mode).cases()) {
        const { row } = decodeCase(test, mode, instruction);
        if (row !== undefined) taken.add(row);
      }
    }
    const missing = rows.filter((row) => !taken.has(row)).map(rowName);
    expect(missing.sort()).toEqual(Object.values(notCovered).flat().sort());
  });

  it("exceptions of every kind that user code can cause are among them", () => {
    const vectors = new Set<number>();
    for (const mode of [32, 64] as const) for (const test of open(mode).cases()) if (test.exception) vectors.add(test.exception.vector);
    expect([...vectors].sort((a, b) => a - b)).toEqual([0, 4, 5, 6, 13, 14, 16, 19]);
  });
});

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { reportChanges } from "./api-diff.js";
import { lockChanges, lockOf } from "./lock.js";
import { type Change, complaints, pendingWeights } from "./weights.js";

const report = (...lines: string[]): string => `## API Report\n\n\`\`\`ts\n\n${lines.join("\n\n")}\n\n\`\`\`\n`;
const weights = (changes: readonly Change[]): string[] => changes.map(({ weight, what }) => `${weight}: ${what}`);

describe("between two API reports", () => {
  const before = report(
    "// @public\nexport interface Op {\n    readonly name: string;\n    run(a: number): void;\n}",
    "// @public\nexport const table: {\n    readonly cpu: {\n        readonly halt: Op;\n    };\n};",
    "// @public\nexport class Chip {\n    reset(): void;\n}",
    "// @public\nexport function make(name: string): Op;",
    'export type Mode = "a" | "b";',
    "export { Chip as default }",
  );
  const changed = (from: string, to: string): string[] => {
    const after = before.replace(from, to);
    expect(after).not.toBe(before);
    return weights(reportChanges(before, after));
  };

  test("nothing differs when only comments and layout do", () => {
    expect(reportChanges(before, before.replaceAll("// @public", "// @public (undocumented)").replaceAll("    ", "  "))).toEqual([]);
  });

  test("what is gone is major", () => {
    expect(changed("export function make(name: string): Op;", "")).toEqual(["major: make is gone"]);
    expect(changed("    run(a: number): void;\n", "")).toEqual(["major: Op.run is gone"]);
    expect(changed("export { Chip as default }", "")).toEqual(["major: Chip as default is gone"]);
  });

  test("what has another type is major", () => {
    expect(changed("run(a: number)", "run(a: bigint)")[0]).toMatch(/^major: Op\.run has changed/);
    expect(changed('"a" | "b"', '"a" | "b" | "c"')[0]).toMatch(/^major: Mode has changed/);
    expect(changed("make(name: string)", "make(name: string, more?: number)")[0]).toMatch(/^major: make has changed/);
    expect(changed("interface Op {", "interface Op extends Other {")[0]).toMatch(/^major: Op has changed/);
    expect(changed("readonly name: string", "readonly name?: string")[0]).toMatch(/^major: Op\.name has changed/);
  });

  test("a new export is minor, and so is a new member of what the package itself gives", () => {
    expect(changed("export { Chip", "export const more: number;\n\nexport { Chip")).toEqual(["minor: more is new"]);
    expect(changed("reset(): void;", "reset(): void;\n    stop(): void;")).toEqual(["minor: Chip.stop is new"]);
    expect(changed("readonly halt: Op;", "readonly halt: Op;\n        readonly wait: Op;")).toEqual(["minor: table.cpu.wait is new"]);
  });

  test("what nobody can import comes and goes freely, but a change of it counts", () => {
    const more = (line: string): string => `${before}`.replace("export { Chip", `${line}\n\nexport { Chip`);
    expect(reportChanges(before, more("const hidden: number;"))).toEqual([]);
    expect(reportChanges(more("const hidden: number;"), before)).toEqual([]);
    expect(weights(reportChanges(more("const hidden: number;"), more("const hidden: string;")))[0]).toMatch(/^major: hidden has changed/);
  });

  test("a new member that others must write is major, an optional one is minor", () => {
    expect(changed("run(a", "readonly kind: string;\n    run(a")[0]).toMatch(/^major: Op\.kind is new, and whoever writes/);
    expect(changed("run(a", "readonly kind?: string;\n    run(a")).toEqual(["minor: Op.kind is new"]);
  });
});

describe("between two locks", () => {
  const lock = (...entries: [name: string, value: number, size?: number][]) =>
    lockOf({
      dir: "x",
      part: "x",
      abi: "1",
      entries: entries.map(([name, value, size]) => ({ kind: "field", name, value, ...(size === undefined ? {} : { size }) })),
    });
  const before = lock(["a", 0, 8], ["b", 8, 4]);

  test("a number that is gone or different may never be released, a new one is minor", () => {
    expect(weights(lockChanges(before, lock(["a", 0, 8])))).toEqual(["never: field b = 8 (4 bytes) is gone"]);
    expect(weights(lockChanges(before, lock(["a", 0, 8], ["b", 12, 4])))).toEqual(["never: field b was 8 (4 bytes) and is 12 (4 bytes)"]);
    expect(weights(lockChanges(before, lock(["a", 0, 4], ["b", 8, 4])))).toEqual(["never: field a was 0 (8 bytes) and is 0 (4 bytes)"]);
    expect(weights(lockChanges(before, lock(["a", 0, 8], ["b", 8, 4], ["c", 12])))).toEqual(["minor: field c = 12 is new"]);
  });

  test("the order of entries does not matter, and no name may stand twice", () => {
    expect(lock(["b", 8, 4], ["a", 0, 8])).toEqual(before);
    expect(() => lock(["a", 0], ["a", 1])).toThrow('"field a" stands twice');
  });
});

describe("pending changesets", () => {
  const root = mkdtempSync(join(tmpdir(), "paravane-weights-"));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  mkdirSync(join(root, ".changeset"));
  const put = (name: string, text: string): void => writeFileSync(join(root, ".changeset", name), text);
  put("README.md", '---\n"@p/a": major\n---\n');
  put("one.md", '---\n"@p/a": patch\n"@p/b": minor\n---\n\nBoth.\n');
  put("two.md", "---\n'@p/a': minor\n---\n\nMore: major words.\n");

  test("the heaviest of a package counts", () => {
    expect([...pendingWeights(root)]).toEqual([
      ["@p/a", "minor"],
      ["@p/b", "minor"],
    ]);
  });

  test("a change is let through by a changeset of its weight, and a broken promise to guests by none", () => {
    const pending = pendingWeights(root);
    expect(complaints("@p/a", [{ weight: "minor", what: "x is new" }], pending)).toEqual([]);
    expect(complaints("@p/a", [{ weight: "major", what: "x is gone" }], pending)).toEqual([
      "@p/a: x is gone; that needs a major changeset, and the heaviest is minor",
    ]);
    expect(complaints("@p/c", [{ weight: "minor", what: "x is new" }], pending)[0]).toContain("there is none");
    expect(complaints("@p/a", [{ weight: "never", what: "x is gone" }], new Map([["@p/a", "major"]]))[0]).toContain("does not change");
  });

  test("those that a pre-release has used do not count again", () => {
    put("pre.json", JSON.stringify({ mode: "pre", changesets: ["two"] }));
    expect(pendingWeights(root).get("@p/a")).toBe("patch");
  });
});

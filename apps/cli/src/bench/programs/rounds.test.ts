import { describe, expect, test } from "vitest";
import { plotSvg } from "../plot.js";
import { PROGRAMS, selected } from "./catalogue.js";
import { geometricMean, programMetrics } from "./columns.js";
import { type Measured, measure, NATIVE, type Runner } from "./rounds.js";
import { markdownTable, programTables } from "./tables.js";

const plan = { rounds: 3, sectionSeconds: 0.4, warmShare: 0.05, warmPatience: 2, warmSections: 6 };
const [program] = PROGRAMS;

/** A machine that takes `unitSeconds` a unit, and `cold` times as long for the first sections. */
function machine(unitSeconds: number, options: { cold?: number; coldSections?: number; checksum?: (count: number) => string } = {}) {
  const { cold = 1, coldSections = 0, checksum = (count) => `c${count}` } = options;
  const counts: number[] = [];
  const runner: Runner = {
    run: async (_name, count) => {
      counts.push(count);
      const seconds = count * unitSeconds * (counts.length <= coldSections ? cold : 1);
      return { thread: seconds, process: seconds * 1.5, checksum: checksum(count) };
    },
  };
  return { runner, counts };
}

describe("rounds", () => {
  test("every machine does the same work, as long as the slowest one needs for a section", async () => {
    const [slow, fast] = [machine(0.002), machine(0.0001)];
    const found = await measure(
      program!,
      new Map([
        ["slow", slow.runner],
        ["fast", fast.runner],
      ]),
      undefined,
      plan,
    );
    expect(found.count).toBe(200);
    expect(slow.counts.slice(-3)).toEqual([200, 200, 200]);
    expect(fast.counts.slice(-3)).toEqual([200, 200, 200]);
    expect(found.sections.get("slow")).toHaveLength(3);
    expect(found.wrong.size).toBe(0);
  });

  test("a machine that becomes faster while it warms up gets longer sections", async () => {
    const tiering = machine(0.0001, { cold: 20, coldSections: 5 });
    const { count } = await measure(program!, new Map([["ours", tiering.runner]]), undefined, plan);
    expect(count).toBeGreaterThan(2000);
    expect(count).toBeLessThan(6000);
  });

  test("one slow section in between does not end the warming up", async () => {
    const seconds = [0.4, 0.4, 0.3, 0.5, 0.2, 0.2, 0.2];
    const taken: number[] = [];
    const runner: Runner = {
      run: async () => {
        const thread = seconds[taken.length] ?? 0.2;
        taken.push(thread);
        return { thread, process: thread, checksum: "c" };
      },
    };
    await measure(program!, new Map([["ours", runner]]), undefined, { ...plan, sectionSeconds: 0.2 });
    expect(taken).toEqual([...seconds, 0.2, 0.2, 0.2, 0.2]);
  });

  test("a unit that takes longer than a section is one section", async () => {
    const slow = machine(3);
    expect((await measure(program!, new Map([["slow", slow.runner]]), undefined, plan)).count).toBe(1);
    expect(Math.max(...slow.counts)).toBe(1);
  });

  test("a wrong result is recorded with the machine's name", async () => {
    const [good, bad] = [machine(0.01), machine(0.01, { checksum: () => "bad" })];
    const found = await measure(
      program!,
      new Map([
        ["good", good.runner],
        ["bad", bad.runner],
      ]),
      machine(0.001).runner,
      plan,
    );
    expect([...found.wrong]).toEqual([["bad", "bad"]]);
  });

  test("the host's sections are scaled to the machines' units", async () => {
    const found = await measure(program!, new Map([["ours", machine(0.01).runner]]), machine(0.000001).runner, plan);
    expect(found.count).toBe(40);
    for (const { thread } of found.sections.get(NATIVE)!) expect(thread).toBeCloseTo(40 * 0.000001, 9);
  });
});

describe("columns", () => {
  const section = (thread: number) => ({ thread, process: thread * 2, checksum: "1" });
  const measured = (name: string, ours: number[], theirs: number[]): Measured => ({
    program: selected(name)![0]!,
    count: 10,
    checksum: "1",
    sections: new Map([
      ["paravane", ours.map(section)],
      ["qemu", theirs.map(section)],
      [NATIVE, ours.map(() => section(0.5))],
    ]),
    wrong: new Map(),
  });
  const both = [measured("calls", [2, 2], [1, 2]), measured("hashing", [8, 8], [1, 2])];
  const metrics = programMetrics("i386", ["paravane", "qemu"], both);
  const of = (name: string, unit: string) => metrics.find((entry) => entry.name === name && entry.unit === unit)!;

  test("a column is the geometric mean of its programs, round by round", () => {
    expect(geometricMean([2, 8])).toBeCloseTo(4);
    expect(of("compute, paravane : qemu, vCPU thread", "times").samples).toEqual([expect.closeTo(4), expect.closeTo(2)]);
    expect(of("compute, paravane, vCPU thread", "× native").median).toBeCloseTo(4);
  });

  test("ratios exist for threads, processes, and our thread against their process", () => {
    expect(of("calls, paravane's thread : qemu's process", "times").samples).toEqual([1, 0.5]);
    expect(of("calls, paravane, process", "µs a unit").median).toBeCloseTo(400_000);
  });

  test("tables have a row for each machine and program", () => {
    const text = programTables("i386", ["paravane", "qemu"], both, metrics).join("\n");
    expect(text).toMatch(/\| qemu, process +\|/);
    expect(text).toMatch(/\| hashing +\| +10 \|/);
  });

  test("a plot has a bar for each machine and column, with its range", () => {
    const conditions = { date: "d", node: "v", v8: "8", cpu: "A & B", processors: 2, cpuTimeOf: "main thread", load: [0, 0] as const };
    const svg = plotSvg(metrics, conditions);
    expect(svg.match(/fill='#0b6e4f'/g)).toHaveLength(2);
    expect(svg).toContain(">compute</text>");
    expect(svg).toContain("A &amp; B");
    expect(svg).not.toContain("NaN");
  });

  test("cells are lined up", () => {
    expect(markdownTable(["a", "number"], [["long text", "1"]])).toEqual([
      "| a         | number |",
      "| --------- | -----: |",
      "| long text |      1 |",
    ]);
  });
});

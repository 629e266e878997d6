// What the matrix says of each kind of guest, compared with what guests of our own do: every call, interception and operation is counted.
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { disagreements } from "../../apps/cli/src/abi/counts.js";
import { helloImage } from "../../apps/cli/src/guests/hello-image.js";
import { buildImage, INSTALL, installed } from "../system/runner/build.js";
import { buildKit, canBuild as canBuildKit } from "../kit/runner/build.js";
import { buildGuest, buildPvhGuest, canBuild } from "../xen/runner/build.js";
import { runCounted, sums } from "./run.js";

const NOTHING = { calls: 0, instructions: 0, functions: 0 };

test("a guest of the bare machine asks nobody for anything", { timeout: 60_000 }, async () => {
  const run = await runCounted("native", helloImage(), { commandLine: "hello", type: { at: "hello> ", text: "cpu\rline\rpoweroff\r" } });
  expect([run.end, disagreements(run.column, run.counts)]).toEqual(["poweroff", []]);
  expect([...run.counts.operations]).toEqual([]);
  expect(run.counts.sites).toBe(0);
});

describe.each([64, 32] as const)("PV guests of %i bits", (bits) => {
  test.skipIf(!canBuild(bits))("calls, page tables and traps are as the matrix says", { timeout: 90_000 }, async () => {
    const seen = new Set<string>();
    for (const name of ["calls", "paging", "traps", "second"]) {
      const run = await runCounted("xen/pv", await buildGuest(name, bits), { vcpus: name === "second" ? 2 : 1 });
      expect([name, run.end, disagreements(run.column, run.counts)]).toEqual([name, "poweroff", []]);
      // No operation ran or was called; what was emulated of it is an instruction that the guest tries.
      expect({ name, ...sums(run, "memory"), instructions: 0 }).toEqual({ name, ...NOTHING });
      expect({ name, ...sums(run, "none") }).toEqual({ name, ...NOTHING });
      expect({ name, ...sums(run, "native") }).toEqual({ name, ...NOTHING });
      expect(sums(run, "paravirtual").calls).toBeGreaterThan(10);
      for (const [operation, { calls, sites }] of run.counts.operations) {
        if (calls > 0) seen.add(operation);
        expect(sites, operation).toBeLessThanOrEqual(run.counts.sites);
      }
    }
    const expected = ["cpu.loadIdt", "mmu.writeCr3", "mmu.setPte", "mmu.flushTlbSingle", "smp.sendIpi", "smp.startupHook", "smp.shutdown"];
    expect(expected.filter((operation) => !seen.has(operation))).toEqual([]);
  });

  test.skipIf(!canBuild(bits))("privileged instructions are emulated where the matrix says so", { timeout: 90_000 }, async () => {
    const run = await runCounted("xen/pv", await buildGuest("privileged", bits));
    expect([run.end, sums(run, "native"), { ...sums(run, "memory"), instructions: 0 }]).toEqual(["poweroff", NOTHING, NOTHING]);
    const emulated = [...run.counts.operations].filter(([, { instructions }]) => instructions > 0).map(([operation]) => operation);
    for (const operation of ["cpu.readCr0", "cpu.writeCr4", "cpu.readMsr", "cpu.readPort", "cpu.cpuid"])
      expect(emulated).toContain(operation);
  });
});

test.skipIf(!canBuild(64))("PVH guests keep the processor to themselves and call for time and events", { timeout: 90_000 }, async () => {
  const seen = new Set<string>();
  for (const [name, paging] of [
    ["pvh", 4],
    ["pvh", 0],
    ["pvhevents", 4],
  ] as const) {
    const run = await runCounted("xen/pvh", await buildPvhGuest(name, paging));
    expect([name, run.end, disagreements(run.column, run.counts)]).toEqual([name, "poweroff", []]);
    for (const kind of ["memory", "none", "native"]) expect({ name, kind, ...sums(run, kind) }).toEqual({ name, kind, ...NOTHING });
    for (const [operation, { calls, instructions }] of run.counts.operations) if (calls + instructions > 0) seen.add(operation);
  }
  expect([...seen]).toEqual(expect.arrayContaining(["cpu.cpuid", "smp.shutdown"]));
});

describe.skipIf(!installed("gcc"))(`guests of VMI (needs ${INSTALL})`, () => {
  test.each([0, 1] as const)("every call from a kernel at CPL %i is as the matrix says", { timeout: 60_000 }, async (level) => {
    const folder = join(import.meta.dirname, "../vmi/calls");
    const settings = { defines: { LEVEL: String(level) } };
    const { bytes } = await buildImage({ title: "calls", folder, mode: "32p", suite: "quick", settings });
    const run = await runCounted(`vmi/cpl${level}`, bytes, { exitPort: 0xf4 });
    expect([run.end, disagreements(run.column, run.counts)]).toEqual(["exit 1", []]);
    expect([{ ...sums(run, "memory"), instructions: 0 }, sums(run, "none"), sums(run, "native")]).toEqual([NOTHING, NOTHING, NOTHING]);
    if (level === 0) expect(sums(run, "memory").instructions).toBe(0);
    const asked = run.column.rows.filter(({ operation }) => (run.counts.operations.get(operation)?.calls ?? 0) > 0);
    expect(asked.length).toBeGreaterThan(50);
    expect(run.counts.sites).toBeGreaterThan(0);
  });
});

describe.skipIf(!canBuildKit("32"))("one kernel, the guest kit, on two processors", () => {
  test.each(["native", "vmi/cpl0", "vmi/cpl1"])("is on %s as the matrix says", { timeout: 60_000 }, async (title) => {
    const run = await runCounted(title, await buildKit("32"), { vcpus: 2, exitPort: 0xf4 });
    expect([/\d+ passed, 0 failed/.test(run.console), disagreements(run.column, run.counts)], run.console.slice(-400)).toEqual([true, []]);
    for (const kind of ["none", "native"]) expect({ kind, ...sums(run, kind) }).toEqual({ kind, ...NOTHING });
    // The kit tries CLI, POPF and their like at CPL 1 too, where they are answered and counted apart.
    expect({ ...sums(run, "memory"), ...(title === "vmi/cpl1" ? { instructions: 0 } : {}) }).toEqual(NOTHING);
    const called = run.column.rows.filter(({ operation }) => (run.counts.operations.get(operation)?.calls ?? 0) > 0);
    if (title === "native") expect([...run.counts.operations]).toEqual([]);
    else expect(called.length).toBeGreaterThan(40);
  });
});

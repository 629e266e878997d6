import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Core, CoreDefinition, CoreEnvironment, PioBus, Vcpu } from "@paravane/paravirt-ops";
import { recordingBoard, recordingCore } from "@paravane/paravirt-ops/conformance";
import { afterAll, describe, expect, test } from "vitest";
import { grouped } from "../stats.js";
import { cpuProfile, foldedStacks } from "./cpuprofile.js";
import { Exits } from "./exits.js";
import { Profiler } from "./profile.js";
import { Sampler } from "./sampler.js";
import { IDLE, Samples } from "./samples.js";
import { mapSymbols, readSymbols, SymbolTable } from "./symbols.js";
import { textReport } from "./text-report.js";

const dir = mkdtempSync(join(tmpdir(), "paravane-profile-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const kernelAt = (address: bigint) => ({ address, level: 0, mode: "64-bit", root: 0x1000n });

/** A core of one vCPU that retires what it is asked to, a thousand instructions a millisecond, and walks through 64-bit kernel code. */
function walkingCore(clock: { ms: number }): CoreDefinition {
  let retired = 0;
  const registers = {
    segment: () => ({ selector: 0x10, base: 0n, limit: 0xffffffff, access: 0xa09b }),
    get: (name: string) =>
      name === "rip" ? 0xffffffff81000000n + BigInt(retired % 256) : name === "cr0" ? 0x80000001n : name === "cr3" ? 0x1000n : 0n,
    msr: () => 0n,
  };
  const vcpu = {
    id: 0,
    registers,
    get retired() {
      return retired;
    },
    run(budget: number) {
      retired += budget;
      clock.ms += budget / 1000;
      return "budget";
    },
  } as unknown as Vcpu;
  const core = { vcpus: [vcpu], guestMemory: { size: 0x100000 }, stats: () => ({ blocksDecoded: 7 }) } as unknown as Core;
  return { ...recordingCore(), name: "walking", create: async () => core };
}

const nothing = {} as CoreEnvironment;

describe("sampling", () => {
  test("runs are cut for samples, and whoever asked for them does not notice", async () => {
    const clock = { ms: 0 };
    const sampler = new Sampler(
      1,
      () => clock.ms,
      () => 0.5,
    );
    const [vcpu] = (await sampler.wrap(walkingCore(clock)).create(nothing)).vcpus;
    for (let turn = 0; turn < 10; turn++) expect(vcpu!.run(50_000)).toBe("budget");
    expect(vcpu!.retired).toBe(500_000);
    expect(sampler.exits.get("budget")).toBe(10);
    expect(sampler.samples.total).toBeGreaterThan(300);
    expect(sampler.samples.total).toBeLessThan(700);
    expect(sampler.samples.totalInstructions).toBeGreaterThan(490_000);
  });

  test("time in which nothing ran is idle", async () => {
    const clock = { ms: 0 };
    const sampler = new Sampler(
      1,
      () => clock.ms,
      () => 0.5,
    );
    const [vcpu] = (await sampler.wrap(walkingCore(clock)).create(nothing)).vcpus;
    vcpu!.run(100_000);
    clock.ms += 30;
    vcpu!.run(1);
    const { places, ms } = sampler.samples.timeline;
    expect(ms[places.indexOf(IDLE)]).toBe(30);
    expect(sampler.lostMs).toBe(0);
  });

  test("what the host did in the middle of a sample is not the guest's", async () => {
    const clock = { ms: 0 };
    const sampler = new Sampler(
      1,
      () => clock.ms,
      () => 0.5,
    );
    const walking = walkingCore(clock);
    const [vcpu] = (await sampler.wrap(walking).create(nothing)).vcpus;
    vcpu!.run(100_000);
    const { vcpus } = await walking.create(nothing);
    const inner = vcpus[0]!.run.bind(vcpus[0]);
    let interrupted = false;
    (vcpus[0] as { run: Vcpu["run"] }).run = (budget) => {
      if (!interrupted) clock.ms += 200;
      interrupted = true;
      return inner(budget);
    };
    vcpu!.run(100_000);
    expect(sampler.lostMs).toBeGreaterThan(190);
    expect(sampler.samples.totalMs).toBeLessThan(220);
  });

  test("the record stays bounded, and keeps the time", () => {
    const samples = new Samples({ places: 100, timeline: 256 });
    let thinned = 0;
    for (let i = 0; i < 1000; i++) if (samples.add(kernelAt(BigInt(i)), 1, 10)) thinned++;
    expect(samples.places.length).toBe(100);
    expect(samples.places.at(-1)!.mode).toBe("elsewhere");
    expect(thinned).toBeGreaterThan(0);
    expect(samples.timeline.ms.length).toBeLessThanOrEqual(256);
    expect(samples.timeline.ms.reduce((sum, ms) => sum + ms, 0)).toBe(1000);
    expect(samples.places.reduce((sum, { ms }) => sum + ms, 0)).toBe(1000);
  });

  test("a program's place is its own in each address space, the kernel's is one", () => {
    const samples = new Samples();
    for (const root of [1n, 2n]) {
      samples.add({ address: 0x8048000n, level: 3, mode: "32-bit", root }, 1, 1);
      samples.add({ address: 0xc1000000n, level: 0, mode: "32-bit", root }, 1, 1);
    }
    expect(samples.places).toHaveLength(3);
    expect(samples.spaces.get(2n)).toEqual({ ms: 2, instructions: 2, userMs: 1 });
  });
});

describe("exits", () => {
  test("accesses are counted by port and direction, and pass through", () => {
    const written: number[] = [];
    const bus = {
      attach: () => {},
      detach: () => {},
      read: () => 0x60,
      write: (port: number) => void written.push(port),
    } as unknown as PioBus;
    const exits = new Exits(() => 0);
    const board = exits.wrapBoard({ ...recordingBoard(), createBuses: () => ({ pio: bus, mmio: bus }) as never });
    const { pio, mmio } = board.createBuses();
    expect(pio.read(0x3fd, 1)).toBe(0x60);
    pio.write(0x3f8, 1, 65);
    mmio.write(0xfee000b0, 4, 0);
    mmio.write(0xfee00080, 4, 0);
    expect(written).toEqual([0x3f8, 0xfee000b0, 0xfee00080]);
    expect([...exits.counts].map(([name, { count }]) => [name, count])).toEqual([
      ["port 3fd read", 1],
      ["port 3f8 write", 1],
      ["memory fee00000 write", 2],
    ]);
  });

  test("operations and hypercalls are counted by name", () => {
    const exits = new Exits();
    exits.taps.operation!(0 as never, 0, "mmu", "flushTlbSingle", []);
    exits.taps.hypercall!(0 as never, 0, "sched_op", [], 0n);
    exits.taps.hypercall!(0 as never, 0, "sched_op", [], 0n);
    expect([...exits.operations]).toEqual([
      ["operation mmu.flushTlbSingle", 1],
      ["hypercall sched_op", 2],
    ]);
  });
});

describe("symbols", () => {
  const map = "ffffffff81000000 T _text\nffffffff81000100 t helper\nffffffff82000000 D data\nffffffff81c00000 T entry_SYSCALL_64\n";

  test("an address lies in the symbol before it", () => {
    const table = new SymbolTable(mapSymbols(map));
    expect(table.size).toBe(3);
    expect(table.find(0xffffffff81000108n)).toEqual({ name: "helper", offset: 8n });
    expect(table.find(0xffffffff80ffffffn)).toBeUndefined();
    expect(table.find(0xffffffff90000000n)).toBeUndefined();
  });

  test("a symbol of known size ends", () => {
    const table = new SymbolTable([{ name: "f", address: 0x1000n, size: 16 }]);
    expect(table.find(0x100fn)?.name).toBe("f");
    expect(table.find(0x1010n)).toBeUndefined();
  });

  test("a kernel that moved itself is found by its entry point", () => {
    const moved = new SymbolTable(mapSymbols(map)).movedTo([0xffffffffa5c00000n]);
    expect(moved.find(0xffffffffa5000100n)?.name).toBe("helper");
    expect(new SymbolTable(mapSymbols(map)).movedTo([0n]).find(0xffffffff81000100n)?.name).toBe("helper");
  });

  test("a file without symbols is refused, with a word on Debian's empty map", () => {
    const path = join(dir, "System.map");
    writeFileSync(path, "ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package\n");
    expect(() => readSymbols(path)).toThrow(/no symbols in it/);
    expect(() => readSymbols(join(dir, "none"))).toThrow(/there is no such file/);
  });
});

describe("reports", () => {
  const finished = async () => {
    const clock = { ms: 0 };
    const profiler = new Profiler(
      new Sampler(
        1,
        () => clock.ms,
        () => 0.5,
      ),
    );
    const core = await profiler
      .wrap({ core: walkingCore(clock), board: {} as never, backends: [] })
      .core.create({ ...nothing, msrs: {} as never, localInterrupts: {} as never });
    core.vcpus[0]!.run(200_000);
    clock.ms += 50;
    core.vcpus[0]!.run(200_000);
    const stats = { instructions: 400_000, core: core.stats() } as never;
    return profiler.finish(core, stats, [new SymbolTable(mapSymbols("ffffffff81000000 T walk\nffffffff81000080 T stroll\n"))]);
  };

  test("text names functions, modes and counters", async () => {
    const text = textReport(await finished());
    expect(text).toMatch(/walk {2}\(kernel\)/);
    expect(text).toMatch(/stroll {2}\(kernel\)/);
    expect(text).toContain("64-bit, ring 0");
    expect(text).toMatch(/7 {2}blocksDecoded/);
    expect(text).toContain("0.05 s idle");
  });

  test("a .cpuprofile is a tree with samples that point into it, idle time included", async () => {
    const { nodes, samples, timeDeltas, endTime } = JSON.parse(cpuProfile(await finished()));
    const byId = new Map(nodes.map((node: { id: number }) => [node.id, node]));
    expect(samples.every((id: number) => byId.has(id))).toBe(true);
    expect(samples).toHaveLength(timeDeltas.length);
    expect(nodes.map((node: { callFrame: { functionName: string } }) => node.callFrame.functionName)).toEqual(
      expect.arrayContaining(["(root)", "(idle)", "kernel", "walk", "stroll"]),
    );
    expect(timeDeltas.reduce((sum: number, delta: number) => sum + delta, 0)).toBe(endTime);
    expect(endTime).toBeGreaterThan(400_000);
  });

  test("folded stacks are whose code, function and microseconds", async () => {
    expect(foldedStacks(await finished())).toMatch(/^kernel;(walk|stroll) \d+$/m);
  });
});

test("counters with dots become groups", () => {
  expect(grouped({ "tiers.jit.instructions": 5, "tiers.interp.instructions": 6, "exits.tlb-miss": 1, plain: 2 }, "tiers")).toEqual({
    jit: { instructions: 5 },
    interp: { instructions: 6 },
  });
});

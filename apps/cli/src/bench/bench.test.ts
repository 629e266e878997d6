import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpuCore } from "@paravane/cpu-core";
import { afterAll, describe, expect, test } from "vitest";
import { coreFor } from "./bare-core.js";
import { understandBench } from "./bench-options.js";
import { touchedBytes } from "../stats.js";
import { type BootSample, is32Bit, summarize } from "./boot.js";
import { Checkpoints, LINUX_STAGES } from "./checkpoints.js";
import { copy, fibonacci, hotLoop } from "./loop-programs.js";
import { formatReport, noise, readReport, type Report } from "./report.js";
import { metric } from "./statistics.js";

const dir = mkdtempSync(join(tmpdir(), "paravane-bench-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe("arguments", () => {
  test("without a suite all of them run, with a rival only those in which it can take part", () => {
    expect(understandBench(undefined, {})).toMatchObject({ suites: ["loops", "programs", "boot"], versus: [], sizes: [32, 64] });
    expect(understandBench(undefined, { vs: "qemu,v86" })).toMatchObject({
      suites: ["programs", "boot"],
      versus: ["qemu", "v86"],
      sizes: [32, 64],
    });
  });

  test("v86 alone leaves 64-bit guests out of the suite programs", () => {
    expect(understandBench("programs", { vs: "v86" }).sizes).toEqual([32]);
    expect(() => understandBench("programs", { vs: "v86", bits: "64" })).toThrow(/v86 has no 64-bit mode/);
    expect(() => understandBench("programs", { vs: "xen-pv,xen-pvh", bits: "32" })).toThrow(/stock 32-bit kernels are no Xen guests/);
    expect(understandBench("programs", { vs: "xen-pv,xen-pvh" }).sizes).toEqual([64]);
  });

  test("programs are chosen by name or by column, in their own order", () => {
    const names = (only: string) => understandBench("programs", { only }).programs.map(({ name }) => name);
    expect(names("pipe,calls,fork")).toEqual(["calls", "pipe", "fork"]);
    expect(names("os-work")).toEqual(["system-call", "pipe", "fork", "exec", "page-fault"]);
  });

  test("rounds given once hold for every suite", () => {
    const { loopRounds, bootRounds } = understandBench("loops", { rounds: "7" });
    expect([loopRounds, bootRounds]).toEqual([7, 7]);
  });

  test.each([
    ["sieve", {}, /bench sieve: unknown; known: loops, programs, boot/],
    ["boot", { vs: "bochs" }, /--vs bochs: neither one of qemu, v86, v86-interp, xen-pv, xen-pvh nor the cli.js of another build/],
    ["boot", { vs: "qemu,qemu" }, /each may be named once/],
    ["loops", { vs: "v86" }, /--vs v86: others are compared in the suites programs and boot/],
    ["programs", { only: "sieve" }, /--only sieve: neither a program nor a column/],
    ["programs", { bits: "16" }, /--bits 16/],
    ["loops", { rounds: "0" }, /--rounds 0/],
    ["loops", { rounds: "2.5" }, /--rounds 2.5/],
    ["boot", { guest: ["memtest86+"] }, /--guest memtest86\+: unknown/],
    ["boot", { memory: "lots" }, /-m lots/],
  ])("a mistake is named: %s %o", (suite, raw, message) => {
    expect(() => understandBench(suite, raw)).toThrow(message);
  });

  test("v86 takes part with 32-bit guests only", () => {
    expect(["debian-686", "debian-686-pae", "debian", "debian-amd64"].filter(is32Bit)).toEqual(["debian-686", "debian-686-pae"]);
  });
});

describe("checkpoints", () => {
  const boot = (text: string) => {
    let clock = 0;
    const checkpoints = new Checkpoints(() => ({ thread: clock, process: clock * 2 }));
    for (const character of text) {
      clock++;
      checkpoints.feed(character);
    }
    return checkpoints;
  };

  test("each stage ends at its line and begins where the one before ended", () => {
    const text = "[0.0] Linux version 6.1\r\n[1.0] Run /init as init process\n\nparavane: user space: Linux\n";
    const { stages, waitingFor } = boot(text);
    expect(waitingFor).toBeUndefined();
    expect(stages.map(({ name }) => name)).toEqual(LINUX_STAGES.map(({ name }) => name));
    const seconds = stages.reduce((sum, { thread }) => sum + thread, 0);
    expect(seconds).toBe(text.indexOf("paravane: user space") + "paravane: user space".length);
    expect(stages[0]).toMatchObject({ thread: "[0.0] Linux version".length, process: 38 });
  });

  test("stages come in order, and the missing one is named", () => {
    expect(boot("Linux version 6\nparavane: user space\n").waitingFor).toBe("Run /init as init process");
  });
});

describe("programs", () => {
  test("the array loop writes its products", async () => {
    const core = await coreFor(cpuCore, hotLoop);
    core.guestMemory.writeU32(0x200000, 5);
    expect(core.vcpus[0]!.run(13)).toBe("budget");
    expect(core.guestMemory.readU32(0x210000)).toBe(40);
    expect(core.vcpus[0]!.registers.get("rcx")).toBe(1n);
  });

  test("fib(27) is 196418", async () => {
    const core = await coreFor(cpuCore, fibonacci);
    const { registers } = core.vcpus[0]!;
    for (let slice = 0; slice < 20_000 && registers.get("r8") === 0n; slice++) core.vcpus[0]!.run(1000);
    while (registers.get("rip") !== 0x100030n) core.vcpus[0]!.run(1);
    expect(registers.get("rax")).toBe(196418n);
  });

  test("the copy copies", async () => {
    const core = await coreFor(cpuCore, copy);
    core.guestMemory.fill(0x400000, 0x10000, 0xa5);
    core.vcpus[0]!.run(1000);
    expect(core.vcpus[0]!.registers.get("r8")).toBeGreaterThan(0n);
    expect(core.guestMemory.readU8(0x60ffff)).toBe(0xa5);
    expect(core.guestMemory.readU8(0x610000)).toBe(0);
  });

  test("pages in use are those that are not all zeros", async () => {
    const core = await coreFor(cpuCore, hotLoop);
    const before = touchedBytes(core.guestMemory);
    core.guestMemory.writeU32(0x800ffc, 1);
    core.guestMemory.writeU32(0x900000, 0);
    expect(touchedBytes(core.guestMemory) - before).toBe(4096);
  });
});

describe("findings", () => {
  const sample = (seconds: number, told = false): BootSample => ({
    stages: LINUX_STAGES.map(({ name }) => ({ name, thread: seconds / 3, process: seconds })),
    ...(told
      ? {
          stats: {
            instructions: 6e6,
            cpu: { firstInstruction: { vcpuThreadSeconds: 0.2, processSeconds: 0.2 } },
            memory: { touchedBytes: 40 * 2 ** 20, guestResidentBytes: 55 * 2 ** 20, peakResidentBytes: 100 * 2 ** 20 },
            core: {},
          },
        }
      : {}),
  });
  const conditions = {
    date: "2026-01-01",
    node: "v20",
    v8: "11",
    cpu: "CPU",
    processors: 2,
    cpuTimeOf: "main thread",
    load: [0.5, 1] as const,
  };

  test("a comparison holds times, speeds, memory and round-by-round ratios", () => {
    const metrics = summarize(
      "boot x",
      new Map([
        ["paravane", [sample(2, true), sample(3, true)]],
        ["qemu", [sample(1), sample(2)]],
      ]),
    );
    const of = (name: string) => metrics.find((entry) => entry.name === name)!;
    expect(of("paravane, vCPU thread").samples).toEqual([2, 3]);
    expect(of("paravane, process").samples).toEqual([6, 9]);
    expect(of("paravane, speed").samples).toEqual([3, 2]);
    expect(of("paravane : qemu, vCPU thread").samples).toEqual([2, 1.5]);
    expect(of("paravane's thread : qemu's process").samples).toEqual([2 / 3, 0.5]);
    expect(of("paravane, process, start to the first instruction").median).toBe(0.2);
    expect(of("paravane, peak less guest pages in use").median).toBe(60);
    expect(of("paravane, guest memory touched").median).toBe(55);
    expect(of("paravane, peak less guest memory touched").median).toBe(45);
  });

  test("without a rival there are no ratios", () => {
    const metrics = summarize("boot x", new Map([["paravane", [sample(1, true)]]]));
    expect(metrics.some(({ unit }) => unit === "times")).toBe(false);
  });

  test("the load of the host is judged by its processors", () => {
    expect(noise(conditions)).toMatch(/the host was quiet/);
    expect(noise({ ...conditions, load: [0.5, 9] })).toMatch(/load average 0.5 before, 9.0 after, on 2 processors: the host was busy/);
  });

  test("a report read back tells what changed", () => {
    const report: Report = {
      conditions,
      metrics: [metric("loops", "hot loop", "M instructions/s", "higher", [100, 300])],
      tables: {},
      notes: ["a note"],
      failed: false,
    };
    const path = join(dir, "before.json");
    writeFileSync(path, JSON.stringify(report));
    const now: Report = { ...report, metrics: [metric("loops", "hot loop", "M instructions/s", "higher", [400])] };
    const text = formatReport(now, readReport(path));
    expect(text).toContain("better by 100.0 %");
    expect(text).toContain("a note");
  });

  test("a file of another kind is refused", () => {
    const path = join(dir, "other.json");
    writeFileSync(path, "[]");
    expect(() => readReport(path)).toThrow(/is not what 'paravane bench --json' writes/);
    expect(() => readReport(join(dir, "none.json"))).toThrow(/there is no such file/);
  });
});

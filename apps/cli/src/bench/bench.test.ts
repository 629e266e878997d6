import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cpuCore } from "@paravane/cpu-core";
import { afterAll, describe, expect, test } from "vitest";
import { coreFor } from "./bare-core.js";
import { understandBench } from "./bench-options.js";
import { is32Bit, summarize } from "./boot.js";
import type { BootSample } from "./boot-job.js";
import { touchedBytes } from "./boot-paravane.js";
import { Checkpoints, LINUX_STAGES } from "./checkpoints.js";
import { copy, fibonacci, hotLoop } from "./programs.js";
import { formatReport, noise, readReport, type Report } from "./report.js";
import { metric } from "./statistics.js";

const dir = mkdtempSync(join(tmpdir(), "paravane-bench-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

describe("arguments", () => {
  test("without a suite all of them run, with a rival only the one in which it can take part", () => {
    expect(understandBench(undefined, {})).toMatchObject({ suites: ["loops", "boot"], versus: [], guests: ["debian-686", "debian"] });
    expect(understandBench(undefined, { vs: "v86" })).toMatchObject({ suites: ["boot"], versus: ["v86"], guests: ["debian-686"] });
  });

  test("rounds given once hold for every suite", () => {
    const { loopRounds, bootRounds } = understandBench("loops", { rounds: "7" });
    expect([loopRounds, bootRounds]).toEqual([7, 7]);
  });

  test.each([
    ["sieve", {}, /bench sieve: unknown; known: loops, boot/],
    ["boot", { vs: "bochs" }, /--vs bochs: unknown; known: v86/],
    ["loops", { vs: "v86" }, /--vs v86: other emulators are compared in the suite boot/],
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
    let ended = false;
    const checkpoints = new Checkpoints(
      () => ({ instructions: clock * 10, cpuSeconds: clock }),
      () => {
        ended = true;
      },
    );
    for (const character of text) {
      clock++;
      checkpoints.feed(character);
    }
    return { checkpoints, ended };
  };

  test("each stage ends at its line and begins where the one before ended", () => {
    const text = "[0.0] Linux version 6.1\r\n[1.0] Run /init as init process\n\nparavane: user space: Linux\n";
    const { checkpoints, ended } = boot(text);
    expect(ended).toBe(true);
    expect(checkpoints.stages.map(({ name }) => name)).toEqual(LINUX_STAGES.map(({ name }) => name));
    const seconds = checkpoints.stages.reduce((sum, stage) => sum + stage.cpuSeconds, 0);
    expect(seconds).toBe(text.indexOf("paravane: user space") + "paravane: user space".length);
    expect(checkpoints.stages[0]).toMatchObject({ cpuSeconds: "[0.0] Linux version".length, instructions: 190 });
  });

  test("stages come in order, and the missing one is named", () => {
    const { checkpoints, ended } = boot("Linux version 6\nparavane: user space\n");
    expect(ended).toBe(false);
    expect(checkpoints.waitingFor).toBe("Run /init as init process");
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
    const before = touchedBytes(core);
    core.guestMemory.writeU32(0x800ffc, 1);
    core.guestMemory.writeU32(0x900000, 0);
    expect(touchedBytes(core) - before).toBe(4096);
  });
});

describe("findings", () => {
  const sample = (scale: number): BootSample => ({
    stages: LINUX_STAGES.map(({ name }) => ({ name, instructions: 1e6 * scale, cpuSeconds: 1 })),
    residentBefore: 0,
    residentPeak: 100 * 2 ** 20,
    touchedBytes: 40 * 2 ** 20,
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

  test("a comparison holds speeds, memory and round-by-round ratios", () => {
    const metrics = summarize("boot x", { paravane: [sample(4), sample(6)], v86: [sample(1), sample(2)] });
    const of = (name: string) => metrics.find((entry) => entry.name === name)!;
    expect(of("paravane, all").samples).toEqual([4, 6]);
    expect(of("paravane : v86, all").samples).toEqual([4, 3]);
    expect(of("paravane, peak less guest pages in use").median).toBe(60);
  });

  test("without a rival there are no ratios", () => {
    expect(summarize("boot x", { paravane: [sample(1)], v86: [] }).some(({ name }) => name.includes("v86"))).toBe(false);
  });

  test("the load of the host is judged by its processors", () => {
    expect(noise(conditions)).toMatch(/the host was quiet/);
    expect(noise({ ...conditions, load: [0.5, 9] })).toMatch(/load average 0.5 before, 9.0 after, on 2 processors: the host was busy/);
  });

  test("a report read back tells what changed", () => {
    const report: Report = {
      conditions,
      metrics: [metric("loops", "hot loop", "M instructions/s", "higher", [100, 300])],
      notes: ["a note"],
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

// Lockstep with a real QEMU: needs qemu-system-x86_64. The guests are hello, and random instructions that gcc assembles.
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { hasTool, paravane } from "./paravane.js";
import { buildRandomGuest } from "./random-code.js";

const hasQemu = hasTool("qemu-system-x86_64");
const HELLO = ["lockstep", "hello", "-m", "16M", "--json", "-q", "--timeout", "90s"];

describe.skipIf(!hasQemu)("paravane lockstep", () => {
  it("finds no difference in the first instructions of a guest, by QEMU's log", async () => {
    const { status, stdout, stderr } = await paravane([...HELLO, "--count", "1000"], { limitMs: 100_000 });
    expect(stderr).toBe("");
    expect(status).toBe(0);
    const report = JSON.parse(stdout);
    expect(report).toMatchObject({ outcome: "equal", first: 0, falseAlarms: 0 });
    expect(report.last).toBeGreaterThanOrEqual(1000);
    expect(report.compared + report.outside.port).toBeGreaterThan(900);
  });

  it("finds none either when it steps", async () => {
    const { status, stdout } = await paravane([...HELLO, "--count", "300", "--exact"], { limitMs: 100_000 });
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ outcome: "equal", last: 300 });
  });

  it("reports a state that was changed on the other side, at its instruction", async () => {
    const { status, stdout } = await paravane([...HELLO, "--count", "1000", "--perturb", "rbp=0x1234@200"], { limitMs: 100_000 });
    expect(status).toBe(1);
    const [difference] = JSON.parse(stdout).differences;
    // At the first instruction from there on that both execute: ports do not count.
    expect(difference.instruction).toBeGreaterThanOrEqual(200);
    expect(difference.instruction).toBeLessThan(205);
    expect(difference.registers).toMatchObject([{ field: "rbp", theirs: "0x1234" }]);
    expect(difference.bytes).toMatch(/^[0-9a-f]{2}/);
  });

  it("sees what a rule excuses when the rule is off", async () => {
    const { status, stdout } = await paravane([...HELLO, "--count", "100", "--exact", "--strict", "segment-accessed"], {
      limitMs: 100_000,
    });
    expect(status).toBe(1);
    expect(JSON.parse(stdout).differences[0]).toMatchObject({
      text: expect.stringMatching(/^jmp far/),
      registers: [{ field: "cs.access" }],
    });
  });

  it("works with a QEMU that already listens", async () => {
    const port = 20_000 + (process.pid % 20_000);
    const size = `${18 * 1024}K`;
    const qemu: ChildProcess = spawn(
      "qemu-system-x86_64",
      [
        ...["-M", "none", "-accel", "tcg", "-cpu", "max,apic-id=0,-apic", "-m", size, "-nodefaults", "-display", "none", "-S"],
        ...["-gdb", `tcp:127.0.0.1:${port}`],
      ],
      { stdio: "ignore" },
    );
    try {
      await new Promise((resolve) => setTimeout(resolve, 1500));
      const { status, stdout } = await paravane([...HELLO, "--count", "100", "--vs", `127.0.0.1:${port}`], { limitMs: 100_000 });
      expect(status).toBe(0);
      expect(JSON.parse(stdout)).toMatchObject({ outcome: "equal", last: 100 });
    } finally {
      qemu.kill("SIGKILL");
    }
  });
});

describe.skipIf(!hasQemu || !hasTool("gcc") || !hasTool("objcopy"))("random instructions", () => {
  const folder = mkdtempSync(join(tmpdir(), "paravane-random-"));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each([32, 64] as const)("of %i-bit code leave both processors in the same state", async (bits) => {
    const guest = buildRandomGuest(folder, 5, 400, bits);
    const { status, stdout } = await paravane(
      ["lockstep", guest, "-m", "32M", "--exit-port", "0xf4", "--json", "-q", "--findings", "5", "--timeout", "200s"],
      { limitMs: 240_000 },
    );
    const report = JSON.parse(stdout);
    expect(report.differences).toEqual([]);
    expect(report.ended).toBe("the guest ended the run with status 99");
    expect(status).toBe(0);
    expect(report.compared).toBeGreaterThan(5000);
  });
});

describe("its options", () => {
  it.each<[string[], RegExp]>([
    [["--from", "start_kernel"], /needs --symbols/],
    [["--vs", "nowhere"], /write qemu, HOST:PORT or unix:PATH/],
    [["--count", "many"], /not a number of instructions/],
    [["--strict", "nothing"], /no rule of that name; known: all, undefined-flags/],
    [["--perturb", "rax"], /REGISTER=VALUE@INSTRUCTION/],
  ])("%j is a usage error", async (options, message) => {
    const { status, stderr } = await paravane(["lockstep", "hello", ...options]);
    expect(status).toBe(2);
    expect(stderr).toMatch(message);
  });

  it("--rules lists what is excused and why", async () => {
    const { status, stdout } = await paravane(["lockstep", "--rules"]);
    expect(status).toBe(0);
    expect(stdout).toMatch(/^qemu-bls-carry +QEMU 7\.2/m);
  });
});

// The guest that ships with the project, through the built command line: keys, statuses, signals, floods.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { hasTool, paravane } from "./paravane.js";

const dir = mkdtempSync(join(tmpdir(), "paravane-hello-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const noStack = (stderr: string): void => expect(stderr).not.toMatch(/^\s+at /m);
const PROMPT = ["--until", "hello> "];

describe("boot", () => {
  test("ends with 0 when the console showed what was waited for, and the console alone is on stdout", async () => {
    const { status, stdout, stderr } = await paravane([
      "boot",
      "hello",
      "-m",
      "64M",
      ...PROMPT,
      "--then",
      "abc\\r",
      "--until",
      "you said: abc",
    ]);
    expect(stdout).toMatch(/^Hello from inside a Paravane machine\.\r\n/);
    expect(stdout).toMatch(/Memory: 6[34] MB/);
    expect(stderr.split("\n")[0]).toMatch(/^paravane: .*multiboot.*native.*64 MiB, 1 vCPU/);
    expect(status).toBe(0);
  });

  test("ends with 0 when the guest powered off by ACPI", async () => {
    expect((await paravane(["boot", "hello", ...PROMPT, "--then", "poweroff\\r"])).status).toBe(0);
  });

  test("ends with 1 when the guest powered off before", async () => {
    const { status, stderr } = await paravane(["boot", "hello", ...PROMPT, "--then", "poweroff\\r", "--until", "never"]);
    expect(stderr).toMatch(/powered off before the console showed \/never\/m/);
    expect(status).toBe(1);
  });

  test("ends with 1 when the guest reset", async () => {
    expect((await paravane(["boot", "hello", ...PROMPT, "--then", "reset\\r", "--until", "never"])).status).toBe(1);
  });

  test("ends with 4 when the guest reset instead of giving a status to the exit port", async () => {
    expect((await paravane(["boot", "hello", "--exit-port", "0xf4", ...PROMPT, "--then", "reset\\r", "--until", "never"])).status).toBe(4);
  });

  test("ends with 4 and registers on stderr after a triple fault", async () => {
    const { status, stderr } = await paravane(["boot", "hello", ...PROMPT, "--then", "crash\\r", "--until", "never"]);
    expect(stderr).toMatch(/the guest crashed/);
    expect(stderr).toMatch(/rip=[0-9a-f]{16}/);
    noStack(stderr);
    expect(status).toBe(4);
  });

  test("ends with what the guest wrote to the exit port", async () => {
    expect((await paravane(["boot", "hello", "--exit-port", "0xf4", ...PROMPT, "--then", "exit\\r"])).status).toBe(33);
  });

  test("ends with 124 in time although the guest spins with interrupts off", async () => {
    const started = Date.now();
    const { status, stderr } = await paravane(["boot", "hello", ...PROMPT, "--then", "spin\\r", "--until", "never", "--timeout", "2s"]);
    expect(stderr).toMatch(/timed out after 2 s waiting for \/never\/m/);
    expect(status).toBe(124);
    expect(Date.now() - started).toBeLessThan(10_000);
  });

  test("ends with 130 after an interrupt, also while the guest spins", async () => {
    const { status } = await paravane(["boot", "hello", ...PROMPT, "--then", "spin\\r", "--until", "never"], {
      watch: (stdout, kill) => {
        if (stdout.includes("hello> spin")) kill("SIGINT");
      },
    });
    expect(status).toBe(130);
  });

  test("--profile says where the guest was, in three forms, and the guest runs as without", { timeout: 60_000 }, async () => {
    const names = ["profile.txt", "profile.cpuprofile", "profile.folded"].map((name) => join(dir, name));
    const retired = async (...more: string[]): Promise<number> => {
      const stats = join(dir, "profiled.json");
      const { status } = await paravane(["boot", "hello", "--clock", "icount", ...PROMPT, "--stats", stats, ...more]);
      expect(status).toBe(0);
      return (JSON.parse(readFileSync(stats, "utf8")) as { instructions: number }).instructions;
    };
    expect(await retired(...names.flatMap((name) => ["--profile", name]))).toBe(await retired());
    const [text, timeline, folded] = names.map((name) => readFileSync(name, "utf8")) as [string, string, string];
    expect(text).toMatch(/port 3f8 write/);
    expect(text).toContain("32-bit, ring 0");
    expect((JSON.parse(timeline) as { samples: unknown[] }).samples.length).toBeGreaterThan(0);
    expect(folded).toMatch(/^kernel;\S+ \d+$/m);
  });

  test("a second vCPU that spins with interrupts off leaves the first one its share, and the host its keys", {
    timeout: 60_000,
  }, async () => {
    const asked: string[] = [];
    const { status, stdout, stderr } = await paravane(["boot", "hello", "--smp", "2", ...PROMPT, "--then", "deaf\\r", "--until", "never"], {
      watch: (shown, kill) => {
        if (/deaf\r\nhello> $/.test(shown) && asked.push("SIGINT") === 1) kill("SIGINT");
      },
    });
    expect(stderr.split("\n")[0]).toMatch(/2 vCPUs/);
    expect([status, asked.length]).toEqual([130, 1]);
    expect(stdout).toContain("hello> deaf");
    const started = Date.now();
    const echoed = await paravane([
      ...["boot", "hello", "--smp", "2", ...PROMPT, "--then", "deaf\\r", "--until", "hello> ", "--then", "still here\\r"],
      ...["--until", "you said: still here", "--then", "crash\\r", "--until", "never"],
    ]);
    expect(echoed.stdout).toContain("you said: still here");
    expect(echoed.stderr).toMatch(/vCPU 0: rip=.*\nrax=[\s\S]*\nvCPU 1: rip=0000000000000001\n/);
    expect(echoed.status).toBe(4);
    expect(Date.now() - started).toBeLessThan(20_000);
  });

  test.skipIf(!hasTool("script"))("Ctrl-A x quits while a second vCPU spins with interrupts off", { timeout: 60_000 }, async () => {
    const cli = join(import.meta.dirname, "../dist/cli.js");
    const child = spawn("script", ["-qec", `"${process.execPath}" "${cli}" run hello --smp 2`, "/dev/null"]);
    const ended = new Promise<number | null>((resolve) => {
      child.on("close", resolve);
    });
    let shown = "";
    child.stdout.setEncoding("latin1").on("data", (text: string) => {
      const prompts = shown.split("hello> ").length;
      shown += text;
      if (shown.split("hello> ").length === prompts) return;
      child.stdin.write(prompts === 1 ? "deaf\r" : prompts === 2 ? "abc\r" : "\x01x");
    });
    const timer = setTimeout(() => child.kill("SIGKILL"), 50_000);
    expect(await ended).toBe(0);
    clearTimeout(timer);
    expect(shown).toContain("you said: abc");
  });

  test("--stats tells what the run took, and two icount runs are equal", { timeout: 60_000 }, async () => {
    const run = async (name: string): Promise<{ stdout: string; instructions: number }> => {
      const stats = join(dir, name);
      const { status, stdout } = await paravane(["boot", "hello", "--clock", "icount", ...PROMPT, "--stats", stats]);
      expect(status).toBe(0);
      const report = JSON.parse(readFileSync(stats, "utf8")) as {
        instructions: number;
        slices: number;
        sliceEndings: Record<string, number>;
        cpu: { processSeconds: number; firstInstruction: { processSeconds: number } };
        memory: { peakResidentBytes: number; touchedBytes: number };
      };
      expect(report.memory.peakResidentBytes).toBeGreaterThan(2 ** 20);
      expect(report.memory.touchedBytes).toBeGreaterThan(0);
      expect(report.cpu.firstInstruction.processSeconds).toBeGreaterThan(0);
      expect(report.cpu.processSeconds).toBeGreaterThanOrEqual(report.cpu.firstInstruction.processSeconds);
      expect(Object.values(report.sliceEndings).reduce((sum, times) => sum + times, 0)).toBe(report.slices);
      return { stdout, instructions: report.instructions };
    };
    const first = await run("one.json");
    expect(first.instructions).toBeGreaterThan(1000);
    expect(await run("two.json")).toEqual(first);
  });

  test("every tier gives the same console and the same count of instructions", { timeout: 60_000 }, async () => {
    const run = async (engine: string): Promise<unknown> => {
      const stats = join(dir, `${engine}.json`);
      const args = ["boot", "hello", "--clock", "icount", "--engine", engine, ...PROMPT, "--then", "cpu\\r", "--until", "hello> "];
      const { status, stdout } = await paravane([...args, "--stats", stats]);
      const report = JSON.parse(readFileSync(stats, "utf8")) as { instructions: number; verify?: { compared: number; skipped: number } };
      if (engine === "verify") expect(report.verify?.skipped).toBe(0);
      else expect(report.verify).toBeUndefined();
      return { status, stdout, instructions: report.instructions };
    };
    const interpreted = await run("interp");
    expect(interpreted).toMatchObject({ status: 0 });
    for (const engine of ["jit", "auto", "verify"])
      expect({ engine, ...((await run(engine)) as object) }).toEqual({ engine, ...(interpreted as object) });
  });

  test("--serial file: takes the console away from stdout", async () => {
    const log = join(dir, "console.log");
    const { status, stdout } = await paravane(["boot", "hello", "--serial", `file:${log}`, ...PROMPT]);
    expect([status, stdout]).toEqual([0, ""]);
    expect(readFileSync(log, "utf8")).toContain("Hello from inside");
  });

  test("--trace shows port accesses on stderr, and the console stays clean", async () => {
    const { stdout, stderr } = await paravane(["boot", "hello", "--trace", "pio:3f8", ...PROMPT]);
    expect(stderr).toMatch(/pio write 03f8 1 <- 48/);
    expect(stdout).not.toMatch(/pio/);
  });

  test("--json makes our messages JSON lines", async () => {
    const { stderr } = await paravane(["boot", "hello", "--json", ...PROMPT]);
    expect(JSON.parse(stderr.split("\n")[0]!)).toMatchObject({ level: "info", backend: "native", vcpus: 1 });
  });
});

describe("run", () => {
  test("takes what is typed from a pipe and ends with 0 at power off", async () => {
    const { status, stdout } = await paravane(["run", "hello"], { input: "good day\rpoweroff\r" });
    expect(stdout).toContain("you said: good day");
    expect(status).toBe(0);
  });

  test("qemu's spellings work, without a command too", async () => {
    const { status, stdout } = await paravane(["-kernel", join(import.meta.dirname, "none"), "-nographic"]);
    expect([status, stdout]).toEqual([3, ""]);
  });

  test("boots again after a reset unless told not to", async () => {
    const again = await paravane(["run", "hello"], { input: `reset${"\r".repeat(20)}poweroff\r` });
    expect(again.stdout.match(/Hello from inside/g)).toHaveLength(2);
    expect(again.status).toBe(0);
    const once = await paravane(["run", "hello", "-no-reboot"], { input: "reset\r" });
    expect(once.stdout.match(/Hello from inside/g)).toHaveLength(1);
  });
});

// Stock kernels on several vCPUs: all come up, work runs on each, timers tick on each, a minute of stress leaves no complaint in the log.
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { writeCpio } from "../src/img/cpio.js";
import { Guest } from "./guest.js";
import { hasTool, paravane } from "./paravane.js";

const dir = mkdtempSync(join(tmpdir(), "paravane-smp-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const BOOT_MS = 500_000;
const STRESS_SECONDS = 60;
const COMPLAINTS = /warning:|warp|unstable|lockup|stall|BUG:|Call Trace|not responding|skipped .* iterations/i;
/** A busy loop on each of the given processors; each says at the end where it ran (field 39 of proc(5) stat). */
const PINNED = `#!/bin/sh
spin='i=0; while [ $i -lt 3000 ]; do i=$((i+1)); done; read -r line < /proc/self/stat; set -- $line; shift 38; echo on=$1'
for cpu in "$@"; do taskset -c $cpu sh -c "$spin" & done
wait
`;
const kernels = new Map<string, { kernel: string; initrd: string }>();

/** Takes a kernel and puts the stress program into its initramfs: the kernel unpacks archives that follow one another. */
async function take(name: string, bits: 32 | 64): Promise<void> {
  const { status, stdout, stderr } = await paravane(["img", "take", name], { limitMs: 400_000 });
  if (status !== 0) throw new Error(`${name} cannot be taken: ${stderr}`);
  const [kernel, initrd] = stdout.split("\n") as [string, string];
  const program = join(dir, `smp-stress${bits}`);
  execFileSync(
    "gcc",
    `-m${bits} -O2 -ffreestanding -fno-stack-protector -fno-pic -no-pie -static -nostdlib -o`
      .split(" ")
      .concat(program, join(import.meta.dirname, "smp-stress/smp-stress.c")),
  );
  const archive = writeCpio([
    { name: "bin/smp-stress", kind: "file", mode: 0o755, data: readFileSync(program) },
    { name: "bin/pinned", kind: "file", mode: 0o755, data: PINNED },
  ]);
  const whole = join(dir, `${name}.initrd`);
  writeFileSync(whole, Buffer.concat([readFileSync(initrd), archive]));
  kernels.set(name, { kernel, initrd: whole });
}

/** Boots to the shell. */
async function boot(name: string, vcpus: number, ...args: string[]): Promise<Guest> {
  const { kernel, initrd } = kernels.get(name)!;
  const guest = new Guest([
    ...["--kernel", kernel, "--initrd", initrd, "--append", "console=ttyS0 panic=-1"],
    ...["--smp", String(vcpus), ...args],
  ]);
  await guest.waitFor(/paravane: user space/, BOOT_MS);
  await guest.waitFor(/# /);
  return guest;
}

/** A row of /proc/interrupts: what was counted on each processor. */
async function interrupts(guest: Guest, row: string): Promise<number[]> {
  const line = await guest.command(`grep ' *${row}:' /proc/interrupts`);
  return [...line.slice(line.indexOf(":") + 1).matchAll(/\b\d+\b/g)].map(([count]) => Number(count));
}

/** Shows the first complaint with what follows it. */
async function logIsQuiet(guest: Guest): Promise<void> {
  const log = (await guest.command("dmesg")).split("\n");
  const first = log.findIndex((line) => COMPLAINTS.test(line));
  expect(first < 0 ? [] : log.slice(first, first + 60)).toEqual([]);
}

describe.skipIf(!hasTool("apt-get") || !hasTool("gcc"))("several vCPUs", () => {
  beforeAll(async () => {
    await take("debian", 64);
    await take("debian-amd64", 64);
    await take("debian-686", 32);
    await take("debian-686-pae", 32);
  });

  test.each(["debian", "debian-686-pae"])("%s on four: pinned loops, timers and a minute of stress on each", async (name) => {
    const vcpus = 4;
    const guest = await boot(name, vcpus);
    try {
      expect(await guest.command("nproc")).toBe(String(vcpus));
      const before = await interrupts(guest, "LOC");
      const pinned = await guest.command("pinned 0 1 2 3");
      expect([...pinned.matchAll(/on=(\d)/g)].map(([, cpu]) => cpu).sort()).toEqual(["0", "1", "2", "3"]);
      expect(await guest.command("smp-stress tsc 200")).toContain("went back 0 times");
      const stress = await guest.command(`smp-stress ${STRESS_SECONDS}`);
      expect(stress).toContain("smp-stress: ok");
      expect([...stress.matchAll(/cpu \d: forks [1-9]\d*, round trips [1-9]\d*, maps [1-9]\d*, stale 0/g)].length).toBe(vcpus);
      const after = await interrupts(guest, "LOC");
      expect(after.length).toBe(vcpus);
      for (const [cpu, count] of after.entries()) expect(count - before[cpu]!).toBeGreaterThan(STRESS_SECONDS);
      await logIsQuiet(guest);
      guest.type("poweroff -f\r");
      expect(await guest.ended()).toBe(0);
    } finally {
      guest.kill();
    }
  });

  test.each([
    ["debian", 2, "amd"],
    ["debian", 8, "intel"],
    ["debian-amd64", 3, "amd"],
    ["debian-686", 2, "intel"],
  ] as const)("%s on %d of vendor %s: all are up, and lie in one package", async (name, vcpus, vendor) => {
    const guest = await boot(name, vcpus, "--cpu", `paravane,vendor=${vendor}`);
    try {
      const info = await guest.command("cat /proc/cpuinfo");
      const field = (key: string): string[] => [...info.matchAll(new RegExp(`^${key}\\s*: (\\d+)$`, "gm"))].map(([, value]) => value!);
      const numbers = Array.from({ length: vcpus }, (_, cpu) => String(cpu));
      expect(field("processor")).toEqual(numbers);
      expect(field("core id")).toEqual(numbers);
      expect(field("physical id")).toEqual(numbers.map(() => "0"));
      expect([...field("siblings"), ...field("cpu cores")]).toEqual([...numbers, ...numbers].map(() => String(vcpus)));
      await logIsQuiet(guest);
    } finally {
      guest.kill();
    }
  });

  test("two icount runs on four vCPUs, with a second of stress, give the same instruction counts and the same console", async () => {
    const { kernel, initrd } = kernels.get("debian")!;
    const run = async (stats: string): Promise<unknown> => {
      const { status, stdout } = await paravane(
        [
          ...["boot", "--kernel", kernel, "--initrd", initrd, "--append", "console=ttyS0 panic=-1 rdinit=/bin/smp-stress -- 1"],
          ...["--clock", "icount", "--smp", "4", "--until", "smp-stress: ok", "--stats", stats],
        ],
        { limitMs: BOOT_MS },
      );
      expect(status).toBe(0);
      const { instructions, vcpus } = JSON.parse(readFileSync(stats, "utf8")) as { instructions: number; vcpus: unknown };
      return { instructions, vcpus, stdout };
    };
    const first = await run(join(dir, "one.json"));
    expect(await run(join(dir, "two.json"))).toEqual(first);
  });
});

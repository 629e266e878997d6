// Debian's stock kernels with each translation compared with the interpreter (docs/verify.md), and the same run in either tier.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { hasTool, paravane } from "./paravane.js";

const dir = mkdtempSync(join(tmpdir(), "paravane-verify-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const LIMIT_MS = 500_000;
/** Processes, pipes, signals, files and sums on every processor. */
const WORK =
  "for n in 1 2; do (dd if=/bin/busybox bs=1k count=300 2>/dev/null | gzip -c | gunzip | md5sum; sh -c 'kill -USR1 $$'; ls -lR /sys/class | wc -l; dd if=/bin/busybox bs=777 count=99 2>/dev/null | tr a-y b-z | sort | md5sum) & done; wait; dmesg | tail -n 3; echo work $((6 * 7)) over\\n";
const UNTIL_WORK_IS_DONE = ["--until", "user space", "--then", WORK, "--until", "work 42 over"];
/** A first process that works on two processors and powers the machine off: nothing in it waits for the host. */
const WORK_ALONE =
  'console=ttyS0 panic=-1 rdinit=/bin/busybox -- sh -c "busybox dd if=/bin/busybox bs=1k count=300 | busybox gzip -c | busybox gunzip -c | busybox md5sum & busybox ls -lR /bin | busybox md5sum; wait; busybox poweroff -f"';

interface Stats {
  readonly instructions: number;
  readonly tiers: { readonly jit: { readonly instructions: number } };
  readonly verify: { readonly runs: number; readonly compared: number; readonly skipped: number };
}
async function boot(name: string, ...more: string[]): Promise<{ status: number | null; stdout: string; stderr: string; stats: Stats }> {
  const file = join(dir, "stats.json");
  const args = ["boot", name, "-m", "256M", "--clock", "icount", ...more, "--stats", file];
  const outcome = await paravane(args, { limitMs: LIMIT_MS });
  expect(outcome.stderr).not.toMatch(/error:/);
  expect(outcome.status).toBe(0);
  return { ...outcome, stats: JSON.parse(readFileSync(file, "utf8")) as Stats };
}

describe.skipIf(!hasTool("apt-get"))("Debian's stock kernels", () => {
  const KERNELS = ["debian", "debian-amd64", "debian-686", "debian-686-pae"];
  beforeAll(async () => {
    for (const name of KERNELS) expect((await paravane(["img", "take", name], { limitMs: 400_000 })).status).toBe(0);
  });

  const sampled = [...KERNELS.map((name) => ({ name, vcpus: "2" })), { name: "debian-686", vcpus: "1" }];
  test.each([...sampled.map((guest) => ({ ...guest, engine: "verify:sampled" })), { name: "debian", vcpus: "1", engine: "verify" }])(
    "$name on $vcpus vCPUs, $engine: translations and the interpreter agree from the first instruction to a shell at work",
    async ({ name, vcpus, engine }) => {
      const { stats } = await boot(name, "--smp", vcpus, "--engine", engine, ...UNTIL_WORK_IS_DONE);
      expect(stats.verify.compared).toBeGreaterThan(500_000);
      if (engine === "verify") expect(stats.verify.skipped).toBe(0);
      expect(stats.verify.runs).toBe(stats.verify.compared + stats.verify.skipped);
      expect(stats.tiers.jit.instructions).toBeGreaterThan(stats.instructions / 2);
    },
  );

  // The guest ends by itself: when the host's keys reach it, or a text on its console the host, is not a matter of its instructions.
  test.each(["1", "2"])("debian on %s vCPUs is the same run in the interpreter and with translations", async (vcpus) => {
    const interpreted = await boot("debian", "--smp", vcpus, "--engine", "interp", "--append", WORK_ALONE);
    const translated = await boot("debian", "--smp", vcpus, "--engine", "jit", "--append", WORK_ALONE);
    expect(interpreted.stdout).toMatch(/^[0-9a-f]{32} {2}-$/m);
    expect(interpreted.stdout).not.toMatch(/not found/);
    expect(translated.stdout).toBe(interpreted.stdout);
    expect(translated.stats.instructions).toBe(interpreted.stats.instructions);
  });
});

// The benchmark's programs in guests of both word sizes: what they compute is what this host computes. Needs gcc, and apt for the guests.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { hasTool, paravane } from "./paravane.js";

const dir = mkdtempSync(join(tmpdir(), "paravane-bench-guest-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const ONLY = "calls,bignum,gzip,scanning,x87-extended,sse-packed-single,pipe,exec";

test.skipIf(!hasTool("gcc") || !hasTool("apt-get") || process.platform !== "linux").each([
  ["64", "x86-64"],
  ["32", "i386"],
])("programs of %s bits compute in a guest what they compute here, and a profile names them", async (bits, suite) => {
  const words = ["--bits", bits, "--only", ONLY, "--quick", "--rounds", "1", "--json", "--profile", join(dir, "profile.txt")];
  const { status, stdout, stderr } = await paravane(["bench", "programs", ...words], { limitMs: 600_000, keepBytes: 1 << 24 });
  expect(status, stderr).toBe(0);
  const { metrics, notes } = JSON.parse(stdout) as { metrics: { name: string; unit: string; median: number }[]; notes: string[] };
  expect(notes.join("\n")).toContain(`${suite}: all results are equal`);
  expect(stderr).not.toMatch(/no native column/);
  const times = metrics.filter(({ name, unit }) => unit.endsWith("a unit") && name.endsWith("paravane, vCPU thread"));
  expect(times).toHaveLength(ONLY.split(",").length);
  for (const { median } of times) expect(median).toBeGreaterThan(0);
  const profile = readFileSync(join(dir, `profile.${suite}.txt`), "utf8");
  expect(profile).toMatch(/\d+ kernel functions from the kallsyms in guest memory/);
  expect(profile).toMatch(/%.* fibonacci {2}\(user [0-9a-f]+\)/);
});

// What the matrix says, compared with what Debian's stock kernel does on the bare machine and as both kinds of a Xen guest.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import type { Matrix } from "../src/abi/matrix.js";
import { hasTool, paravane } from "./paravane.js";

const dir = mkdtempSync(join(tmpdir(), "paravane-abi-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test.skipIf(!hasTool("apt-get"))("the stock kernel does what the matrix says, natively, as PV and as PVH", async () => {
  const page = join(dir, "matrix.html");
  const { status, stdout, stderr } = await paravane(
    ["abi", "matrix", "--json", "--html", page, "--backend", "native", "--backend", "xen"].concat([
      "--run",
      "debian",
      "-m",
      "256M",
      "--until",
      "user space",
      "--timeout",
      "240s",
    ]),
    { limitMs: 600_000 },
  );
  expect([status, stderr]).toEqual([0, expect.not.stringContaining("is said to be")]);
  const { columns, rows } = JSON.parse(stdout) as Matrix;
  expect(columns.map(({ title, run }) => [title, run?.end])).toEqual([
    ["native", "as it was to"],
    ["xen/pv", "as it was to"],
    ["xen/pvh", "as it was to"],
  ]);
  const [native, pv, pvh] = columns.map(({ run }) => run!.callSites) as [number, number, number];
  expect(native).toBe(0);
  expect(pv).toBeGreaterThan(30);
  expect(pvh).toBeGreaterThan(10);
  for (const { operation, cells } of rows) {
    for (const [index, { kind, count }] of cells.entries()) {
      if (index === 0) expect({ operation, count }).toEqual({ operation, count: { calls: 0, instructions: 0, functions: 0, sites: 0 } });
      if (kind === "memory") expect({ operation, count }).toMatchObject({ operation, count: { calls: 0, functions: 0 } });
    }
  }
  const of = (operation: string) => rows.find((row) => row.operation === operation)!.cells[1]!.count!;
  expect(of("mmu.setPte").calls).toBeGreaterThan(10_000);
  expect(of("mmu.writeCr3").calls).toBeGreaterThan(100);
  // It masks events in memory. Its emulation of CMPXCHG16B is the one place with a CLI, where a processor without the instruction is shown.
  expect(of("irq.disable").sites).toBeLessThanOrEqual(1);
  expect(readFileSync(page, "utf8")).toContain("call sites");
});

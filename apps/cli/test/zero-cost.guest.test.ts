// The zero-cost rule for a Linux that boots to user space and powers off: see zero-cost.test.ts.
import { describe, expect, test } from "vitest";
import { kernelFiles } from "../src/kernel-files.js";
import { CORES, emittedBy } from "./emitted-code.js";
import { hasTool } from "./paravane.js";

describe.skipIf(!hasTool("apt-get"))("Debian's stock kernels", () => {
  test.each(["debian", "debian-686-pae"])("%s has the same code emitted with the contract and without it", async (guest) => {
    const quiet = { info: () => {}, warn: () => {} } as unknown as Parameters<typeof kernelFiles>[1];
    const { kernel, initrd, append } = await kernelFiles({ guest, kernel: undefined, initrd: undefined, append: undefined }, quiet);
    const session = {
      guest: { kernel, ...(initrd === undefined ? {} : { initrd }), commandLine: append },
      memory: "256M",
      prompt: "# ",
      typed: "cat /proc/interrupts; poweroff -f\r",
    };
    const [bound, bare] = [await emittedBy(CORES["with the contract"], session), await emittedBy(CORES["without it"], session)];
    expect([bound.result.kind, bare.result.kind]).toEqual(["poweroff", "poweroff"]);
    expect(bound.console).toContain("LOC:");
    expect(bound.modules.length).toBeGreaterThan(20);
    expect(bound.modules).toEqual(bare.modules);
    expect([bound.stats.instructions, bound.console]).toEqual([bare.stats.instructions, bare.console]);
    console.log(`${guest}: ${bound.modules.length} modules, ${bound.bytes} bytes, ${bound.stats.instructions} instructions`);
  });
});

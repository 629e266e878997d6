// The guest kit on every platform; and on VMI with every answer that a ROM can give: each call "native" for itself, all of them, at both levels, with a hole and without.
// And what it asked for: every call, and none that needs no exit.
import { describe, expect, test } from "vitest";
import { callNames } from "../../packages/backend-vmi/src/abi/calls.js";
import type { VmiConfig } from "../../packages/backend-vmi/src/index.js";
import { buildKit, canBuild, INSTALL, type KitMode } from "./runner/build.js";
import { complaints, type KitRun, runKit } from "./runner/machine.js";

const PAGING: readonly KitMode[] = ["32", "32-pae"];
const LEVELS: readonly Partial<VmiConfig>[] = [{ cpl: 0 }, { cpl: 0, hole: 64 << 20 }, { cpl: 1 }, { cpl: 1, hole: 0 }];
/** What no kernel can do without. */
const REQUIRED = new Set(["IRET"]);
/** Of the other paging mode: entries have its width. */
const OF_OTHER_MODE: Readonly<Record<string, readonly string[]>> = {
  "32": ["SetPxELong", "UpdatePxELong"],
  "32-pae": ["SetPxE", "UpdatePxE"],
};
/** Native instructions at every level, or nothing. */
const NO_EXIT = ["CPUID", "RDTSC", "IODelay"];
/** At CPL 0 the ROM has these as instructions, at CPL 1 as stores to the flag page where there is one. */
const NO_EXIT_AT_0 = ["EnableInterrupts", "DisableInterrupts", "GetInterruptMask", "SetInterruptMask", "IRET", "SYSEXIT", "Halt", "GetCR2"];
const NO_EXIT_AT_1 = ["EnableInterrupts", "DisableInterrupts", "GetInterruptMask", "SetInterruptMask", "IRET", "SYSEXIT"];

async function wrongWith(mode: KitMode, run: KitRun): Promise<string[]> {
  return complaints(await runKit(await buildKit(mode), run));
}

describe.skipIf(!canBuild("32") || !canBuild("64"))(`the guest kit (needs ${INSTALL})`, () => {
  const places = [
    ["32", "native"],
    ["32-pae", "native"],
    ["64", "native"],
    ["32-pae", "xen"],
    ["64", "xen"],
  ] as const;
  test.each(places.flatMap((place) => [1, 2, 4].map((vcpus) => [...place, vcpus] as const)))(
    "%s bits on %s, %i vCPUs",
    async (mode, platform, vcpus) => {
      expect(await wrongWith(mode, { platform, vcpus })).toEqual([]);
    },
  );
});

describe.skipIf(!canBuild("32"))(`the guest kit on VMI (needs ${INSTALL})`, () => {
  describe.each(PAGING)("%s bits", (mode) => {
    test.each(LEVELS.flatMap((vmi) => [1, 4].map((vcpus) => [vmi, vcpus] as const)))("with %j on %i vCPUs", async (vmi, vcpus) => {
      expect(await wrongWith(mode, { platform: "vmi", vmi, vcpus })).toEqual([]);
      expect(await wrongWith(mode, { platform: "vmi", vmi: { ...vmi, calls: "all=native" }, vcpus }), "only IRET and SYSEXIT").toEqual([]);
      expect(await wrongWith(mode, { platform: "vmi", vmi, vcpus, commandLine: "nolapic" }), "with alarms on IRQ 0").toEqual([]);
    });

    test.each([0, 1] as const)("with each call native for itself, at CPL %i", async (cpl) => {
      const wrong: string[] = [];
      for (const name of callNames.filter((call) => !REQUIRED.has(call))) {
        for (const complaint of await wrongWith(mode, { platform: "vmi", vmi: { cpl, calls: `${name}=native` }, vcpus: 2 })) {
          wrong.push(`${name}=native: ${complaint}`);
        }
      }
      expect(wrong).toEqual([]);
    });

    test.each(LEVELS)("with the calls that are usually nothing or jumped to called, with %j", async (vmi) => {
      expect(await wrongWith(mode, { platform: "vmi", vmi: { ...vmi, calls: "IODelay=call,SYSEXIT=call" } })).toEqual([]);
    });

    test.each(LEVELS)("asks for every call, and what needs no exit costs none, with %j", async (vmi) => {
      const counted = new Map<string, number>();
      for (const commandLine of ["", "reboot"]) {
        const { calls } = await runKit(await buildKit(mode), { platform: "vmi", vmi, vcpus: 2, commandLine, count: true });
        for (const [name, count] of calls) counted.set(name, (counted.get(name) ?? 0) + count);
      }
      const without = [...NO_EXIT, ...(vmi.cpl === 0 ? NO_EXIT_AT_0 : vmi.hole === 0 ? [] : NO_EXIT_AT_1)];
      const expected = callNames.filter((name) => !without.includes(name) && !OF_OTHER_MODE[mode]!.includes(name));
      expect(
        expected.filter((name) => !counted.has(`VMI_CALL_${name}`)),
        "never asked for",
      ).toEqual([]);
      expect(
        without.filter((name) => counted.has(`VMI_CALL_${name}`)),
        "came to the hypervisor",
      ).toEqual([]);
    });
  });
});

// The tests of both suites: each case is one test.
import { describe, expect, test } from "vitest";
import { buildImage, INSTALL, installed } from "./build.js";
import type { Case } from "./catalogue.js";
import { runOurs, runQemu, verified } from "./machines.js";
import { complaints } from "./verdict.js";

const MACHINES = {
  paravane: async (image: { bytes: Uint8Array }, { settings }: Case) =>
    complaints(await runOurs(image.bytes, settings), [], undefined, settings.ends),
  "paravane verified": async (image: { bytes: Uint8Array }, { settings }: Case) =>
    complaints(await runOurs(image.bytes, settings, verified), [], undefined, settings.ends),
  qemu: async (image: { path: string }, { settings, mode }: Case) =>
    complaints(await runQemu(image.path, settings), settings.qemu?.wrong, mode, settings.ends),
};

/** One vitest test a case. Without the tools they are skipped with the line that installs them; on CI they fail instead. */
export function systemTests(machine: keyof typeof MACHINES, cases: readonly Case[]): void {
  const missing = ["gcc", "ld", "objcopy", ...(machine === "qemu" ? ["qemu-system-x86_64"] : [])].filter((tool) => !installed(tool));
  if (cases.length === 0) return;
  describe(`system tests on ${machine}`, () => {
    if (missing.length > 0) {
      const title = `need ${missing.join(", ")}: ${INSTALL}`;
      if (process.env["CI"]) {
        test(title, () => {
          throw new Error(title);
        });
      } else test.skip(title, () => {});
      return;
    }
    for (const one of cases) {
      test(one.title, { timeout: ((one.settings.limitSeconds ?? 20) + 10) * 1000 }, async () => {
        expect(await MACHINES[machine](await buildImage(one), one)).toEqual([]);
      });
    }
  });
}

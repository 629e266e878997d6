// Guest programs of our own on VMI, in process: every call from C, at the levels and in the paging modes that the ABI has.
import { describe, expect, test } from "vitest";
import type { VmiConfig } from "../../packages/backend-vmi/src/index.js";
import { INSTALL, installed } from "../system/runner/build.js";
import type { Mode } from "../system/runner/catalogue.js";
import { type Run, run as runGuest } from "./runner.js";

function run(program: string, mode: Mode, config: Partial<VmiConfig>, vcpus = 1): Promise<Run> {
  const defines = { LEVEL: String(config.cpl ?? 0), ...(config.calls === "all=native" ? { RAW: "1" } : {}) };
  return runGuest(program, { mode, config, vcpus, defines, limitMs: 15_000 });
}

describe.skipIf(!installed("gcc"))(`on VMI (needs ${INSTALL})`, () => {
  describe.each(["32p", "pae"] as const)("%s", (mode) => {
    test.each([{}, { hole: 64 << 20 }, { cpl: 1 as const }, { cpl: 1 as const, hole: 0 }])(
      "every call from a kernel, with %j",
      async (config) => {
        const { console, end } = await run("calls", mode, config);
        const wrong = console.split("\n").filter((line) => /^not ok|unexpected/.test(line));
        expect([...wrong, end], console.slice(-600)).toEqual(["exit 1"]);
      },
    );
    test.each([{ cpl: 0 as const }, { cpl: 1 as const }, { cpl: 1 as const, hole: 0 }])(
      "only IRET and SYSEXIT answered, with %j",
      async (config) => {
        const { console, end } = await run("calls", mode, { ...config, calls: "all=native" });
        const wrong = console.split("\n").filter((line) => /^not ok|unexpected/.test(line));
        expect([...wrong, end], console.slice(-600)).toEqual(["exit 1"]);
      },
    );
    test.each([0, 1] as const)("every call on four processors, the kernel at CPL %i", async (cpl) => {
      const { console, end } = await run("calls", mode, { cpl }, 4);
      const wrong = console.split("\n").filter((line) => /^not ok|unexpected/.test(line));
      expect([...wrong, end, /started by SetInitialAPState/.test(console)], console.slice(-600)).toEqual(["exit 1", true]);
    });
  });
});

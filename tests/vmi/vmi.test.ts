// Guest programs of our own on VMI, in process: every call from C, at the levels and in the paging modes that the ABI has.
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { vmi, type VmiConfig } from "../../packages/backend-vmi/src/index.js";
import { native } from "../../packages/backend-native/src/index.js";
import { pcBoard } from "../../packages/devices/src/board/index.js";
import type { BackendDefinition } from "../../packages/paravirt-ops/src/index.js";
import { cpuCoreWith } from "../../packages/cpu-core/src/index.js";
import { createMachine } from "../../packages/vmm/src/index.js";
import { buildImage, INSTALL, installed } from "../system/runner/build.js";
import type { Mode } from "../system/runner/catalogue.js";

interface Run {
  readonly console: string;
  readonly end: string;
}

async function run(program: string, mode: Mode, config: Partial<VmiConfig>, vcpus = 1): Promise<Run> {
  const folder = join(import.meta.dirname, program);
  const defines = { LEVEL: String(config.cpl ?? 0), ...(config.calls === "all=native" ? { RAW: "1" } : {}) };
  const { bytes } = await buildImage({
    title: program,
    folder,
    mode,
    suite: "quick",
    settings: { defines },
  });
  const layer: BackendDefinition = { ...native, boot: { ...native.boot, accepts: () => "no" } };
  const machine = await createMachine({
    core: cpuCoreWith({ engine: "jit" }),
    board: pcBoard,
    backends: [layer, vmi.with(config) as BackendDefinition],
    guest: { kernel: bytes },
    memory: "32M",
    vcpus,
    exitPort: 0xf4,
    signal: AbortSignal.timeout(15_000),
  });
  let console = "";
  const reading = (async () => {
    const text = machine.serial!.readable.pipeThrough(new TextDecoderStream("latin1") as ReadableWritablePair<string, Uint8Array>);
    for await (const piece of text) console += piece;
  })();
  const result = await machine.run();
  await machine.close();
  await reading;
  return { console, end: result.kind === "exit" ? `exit ${result.status}` : `${result.kind}: ${"detail" in result ? result.detail : ""}` };
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

// The matrix as data and in its three forms, what `abi show` tells, and verdicts on kernels.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { InterceptedInstruction } from "@paravane/paravirt-ops";
import { listOperations } from "@paravane/paravirt-ops";
import { beforeAll, describe, expect, test } from "vitest";
import { installedBackends } from "../backends.js";
import { helloImage } from "../guests/hello-image.js";
import { installedParts } from "../parts.js";
import { backendNamed, type Column, columns } from "./columns.js";
import { disagreements, GuestCounts } from "./counts.js";
import { makeMatrix } from "./matrix.js";
import { formatHtml } from "./matrix-html.js";
import { formatMarkdown, formatMatrix } from "./matrix-text.js";
import { probeKernel } from "./probe.js";
import { formatList, formatShow, listBackends, showBackend } from "./show.js";

let installed: Awaited<ReturnType<typeof installedBackends>>;
let all: Column[];
beforeAll(async () => {
  installed = await installedBackends(installedParts("interp"));
  all = await columns(installed);
});
const column = (title: string): Column => all.find((each) => each.title === title)!;

describe("columns", () => {
  test("every way of being a guest has one, with an answer for every operation", () => {
    expect(all.map(({ title }) => title)).toEqual(["native", "xen/pv", "xen/pvh", "vmi/cpl0", "vmi/cpl1"]);
    for (const { rows } of all)
      expect(rows.map(({ operation }) => operation)).toEqual(listOperations().map((row) => `${row.group}.${row.name}`));
  });

  test("some of them can be asked for, and a wrong name is told with those that there are", async () => {
    expect((await columns(installed, ["xen/pvh", "native"])).map(({ title }) => title)).toEqual(["native", "xen/pvh"]);
    expect((await columns(installed, ["vmi"])).map(({ title }) => title)).toEqual(["vmi/cpl0", "vmi/cpl1"]);
    await expect(columns(installed, ["kvm"])).rejects.toThrow("there is no backend kvm; installed: native, xen, vmi");
    await expect(columns(installed, ["xen/hvm"])).rejects.toThrow("there is no xen/hvm; xen has: xen/pv, xen/pvh");
    expect(() => backendNamed("vmi", installed.slice(0, 2))).toThrow("backend vmi is not installed; npm install @paravane/backend-vmi");
  });

  test("native has its own answers by its slots' forms alone, and no hook", () => {
    const { columns: summaries, rows } = makeMatrix(all);
    expect([summaries[0]!.hooks, summaries[0]!.totals.native > 70]).toEqual([0, true]);
    expect(rows.find(({ operation }) => operation === "mmu.writeCr3")!.cells.map(({ kind }) => kind)).toEqual([
      "native",
      "paravirtual",
      "native",
      "paravirtual",
      "paravirtual",
    ]);
  });

  test("a call's number is the manifest's", () => {
    for (const { backend, calls } of all) {
      const numbers = new Map(backend.manifest.entries.map(({ name, value }) => [name, value]));
      for (const { name, number, command } of calls) {
        const [call, part] = name.split(".") as [string, string?];
        expect(numbers.get(numbers.has(call) ? call : `__HYPERVISOR_${call}`), name).toBe(number);
        const told = backend.manifest.entries.filter(
          (entry) => part !== undefined && (entry.name === part || entry.name.endsWith(`_${part}`)),
        );
        if (part !== undefined)
          expect(
            told.map(({ value }) => value),
            name,
          ).toContain(command);
      }
    }
  });
});

describe("counts", () => {
  const counted = (title: string, ask: (taps: GuestCounts["taps"]) => void) => {
    const counts = new GuestCounts(column(title), () => undefined);
    ask(counts.taps);
    return disagreements(column(title), counts.report());
  };
  const executed = (instruction: InterceptedInstruction["instruction"]): InterceptedInstruction => ({
    instruction,
    length: 1,
    bits: 32,
    level: 0,
  });

  test("what is said to be native, in memory or not applicable and was asked for is a disagreement", () => {
    expect(counted("native", ({ operation }) => operation?.(0, 0, "cpu", "clts", []))).toEqual([
      "native: cpu.clts is said to be native, and there were 1 times its function",
    ]);
    expect(counted("vmi/cpl0", ({ intercept }) => intercept?.(0, 0, executed("cli")))).toEqual([
      "vmi/cpl0: irq.disable is said to be memory, and there were 1 intercepted instructions",
      "vmi/cpl0: cli is not said to come to the backend, and did 1 times",
    ]);
    expect(counted("xen/pv", ({ operation }) => operation?.(0, 0, "irq", "apicRead", []))).toHaveLength(1);
  });

  test("a call that is attributed to nothing, though it is not of its ABI alone, is a disagreement", () => {
    const pv = column("xen/pv");
    const silent = { ...pv, rows: pv.rows.map((row) => ({ ...row, answer: { ...row.answer, kind: "memory" as const, calls: [] } })) };
    const counts = new GuestCounts(silent, () => undefined);
    counts.taps.hypercall?.(0, 0, "mmuext_op.NEW_BASEPTR", [], 0n);
    expect(disagreements(silent, counts.report())).toEqual([expect.stringContaining("mmuext_op.NEW_BASEPTR is not said to ask")]);
  });

  test("calls and emulated instructions are as they are said to be; an instruction beside the guest's own memory is told apart", () => {
    const asking = (taps: GuestCounts["taps"]): void => {
      taps.hypercall?.(0, 0, "mmuext_op.NEW_BASEPTR", [], 0n);
      taps.hypercall?.(0, 0, "grant_table_op.setup_table", [], 0n);
      taps.intercept?.(0, 0, executed("cpuid"));
      taps.intercept?.(0, 0, executed("cli"));
    };
    expect(counted("xen/pv", asking)).toEqual([]);
    const counts = new GuestCounts(column("xen/pv"), () => undefined);
    asking(counts.taps);
    const report = counts.report();
    expect(report.operations.get("mmu.writeCr3")).toMatchObject({ calls: 1, instructions: 0 });
    expect([...report.ownCalls]).toEqual([["grant_table_op.setup_table", 1]]);
    const matrix = makeMatrix([column("xen/pv")], [{ end: "as it was to", counts: report }]);
    expect(formatMatrix(matrix)).toMatch(/irq\.disable +in memory\+ 0 and 1 emulated/);
    expect(formatMatrix(matrix)).toMatch(/mmu\.writeCr3 +paravirtual\+ 1\n/);
  });
});

describe("forms", () => {
  test("docs/abi.md is what `paravane abi matrix --markdown` prints", () => {
    const page = readFileSync(join(import.meta.dirname, "../../../../docs/abi.md"), "utf8");
    expect(page).toBe(formatMarkdown(makeMatrix(all)));
  });

  test("the page is one file without scripts, with every operation, and escapes what it is given", () => {
    const page = formatHtml(makeMatrix(all));
    expect(page).not.toMatch(/<script|https?:|src=/);
    for (const { group, name } of listOperations()) expect(page).toContain(`<code>${group}.${name}</code>`);
    const [first] = all;
    const odd = { ...first!, title: '<b>"&' };
    expect(formatHtml(makeMatrix([odd]))).toContain("&lt;b&gt;&quot;&amp;");
  });

  test("the text has hooks and, after a run, call sites", () => {
    expect(formatMatrix(makeMatrix(all))).toMatch(/\nhooks +0 +\d+ +\d+ +\d+ +\d+\n/);
    expect(formatMatrix(makeMatrix(all))).not.toContain("call sites");
  });
});

describe("list and show", () => {
  test("a backend is told with its guest ABI and the contract that it is written for", () => {
    const list = listBackends(installed);
    expect(list.backends.map(({ name, abi, contract }) => [name, abi, /^\^1\./.test(contract)])).toEqual([
      ["native", "1", true],
      ["xen", "4.17", true],
      ["vmi", "3.0", true],
    ]);
    expect(formatList(listBackends([{ ...installed[1]!, contract: "^7.0" }]))).toContain("^7.0: does not fit");
    expect(formatList(list)).toMatch(/xen +4\.17 .* pv, pvh/);
  });

  test("Xen's calls have numbers, commands, and the operations that they ask for", () => {
    const shown = showBackend(all.filter(({ backend }) => backend.name === "xen"));
    expect(shown.calls.find(({ name }) => name === "mmuext_op.NEW_BASEPTR")).toEqual({
      name: "mmuext_op.NEW_BASEPTR",
      number: 26,
      command: 5,
      answered: { pv: true, pvh: false },
      operations: ["mmu.writeCr3"],
    });
    expect(formatShow(shown, false)).toMatch(/set_trap_table +0 +yes +no +cpu\.loadIdt, cpu\.writeIdtEntry\n/);
    expect(formatShow(shown, true)).toMatch(/field +64 shared_info\.arch/);
    expect(formatShow(showBackend(all.slice(0, 1)), false)).toContain("no calls");
  });
});

describe("verdicts", () => {
  test("a multiboot kernel runs on the bare machine and on VMI's PC, and is not for Xen", async () => {
    const { verdicts, auto } = await probeKernel("hello", helloImage(), installed);
    expect(
      verdicts.map(({ backend, accepts, ways }) => [backend, accepts, ways.filter(({ open }) => open).map(({ name }) => name)]),
    ).toEqual([
      ["native", "allows", ["multiboot1"]],
      ["xen", "no", []],
      ["vmi", "allows", ["pc"]],
    ]);
    expect(auto?.backend).toBe("native");
  });

  test("a kernel that looks for VMI's ROM shows it by the signature", async () => {
    const image = new Uint8Array([...helloImage(), ...[0x81, 0x3d, 0x63, 0x56, 0x6d, 0x69]]);
    const { verdicts } = await probeKernel("kernel", image, installed);
    const [paravirtual] = verdicts[2]!.ways;
    expect([paravirtual!.open, paravirtual!.why[0]]).toEqual([
      true,
      expect.stringContaining(`at byte 0x${(helloImage().length + 2).toString(16)}`),
    ]);
  });

  test("what is no kernel is refused with what it is", async () => {
    await expect(probeKernel("text", new TextEncoder().encode("Dear kernel,\n".repeat(60)), installed)).rejects.toThrow("is text");
  });
});

import { describe, expect, test } from "vitest";
import { plainBackend, plainOps } from "./conformance/index.js";
import { backendSuite } from "./conformance/backend.js";
import {
  type Answers,
  answersOfForms,
  by,
  contradictions,
  exit,
  faulting,
  type GuestMode,
  listAnswers,
  listOperations,
  nop,
  operationsOf,
  type ParavirtOps,
  undefinedOpcode,
} from "./index.js";

const ops = plainOps();
const mode: GuestMode = { name: "only", config: {}, answers: answersOfForms(ops), intercepts: [], calls: [] };
const answering = (irq: Partial<Answers["irq"]>): Answers => ({ ...mode.answers, irq: { ...mode.answers.irq, ...irq } });

describe("answers", () => {
  test("a form alone says whether a guest without calls is served natively, by the backend, in memory or not at all", () => {
    const field = { record: "page", offset: 8, bits: 8 } as const;
    const some: ParavirtOps = {
      ...ops,
      irq: {
        ...ops.irq,
        disable: exit(() => undefined),
        enable: nop,
        nmi: faulting(undefinedOpcode),
        saveFl: { inline: { kind: "load-field", field, meaning: "interrupt-flag" }, run: () => 0 },
      },
    };
    const { irq } = answersOfForms(some);
    expect([irq.disable, irq.enable, irq.nmi, irq.saveFl, irq.halt].map(({ kind }) => kind)).toEqual([
      "emulated",
      "none",
      "none",
      "memory",
      "native",
    ]);
    expect(irq.saveFl.note).toBe("page at 8");
  });

  test("they are listed in the order of the contract, all of them", () => {
    expect(listAnswers(mode.answers).map(({ operation }) => operation)).toEqual(
      listOperations().map(({ group, name }) => `${group}.${name}`),
    );
  });

  test("an instruction asks for what it is on the bare machine", () => {
    expect(operationsOf({ instruction: "mov-to-cr", control: "cr3" })).toEqual(["mmu.writeCr3"]);
    expect(operationsOf({ instruction: "mov-to-cr" })).toHaveLength(5);
    expect(operationsOf({ instruction: "cli" })).toEqual(["irq.disable"]);
    expect(operationsOf({ instruction: "syscall" })).toEqual([]);
    const known = new Set(listOperations().map(({ group, name }) => `${group}.${name}`));
    for (const instruction of ["hlt", "invpcid", "mov-from-cr", "rdtscp", "outs", "popf"] as const)
      for (const operation of operationsOf({ instruction })) expect(known).toContain(operation);
  });
});

describe("what contradicts", () => {
  test.each([
    ["native, while the instruction comes to the backend", { intercepts: ["cli"] as const }, /irq.disable is native, and an instruction/],
    ["emulated, and nothing comes", { answers: answering({ disable: by.emulation }) }, /irq.disable is emulated, and no instruction/],
    ["paravirtual by a call that is not there", { answers: answering({ disable: by.calls("cli_op") }) }, /no answered call cli_op/],
    ["a call that asks for nothing", { calls: [{ name: "cli_op", number: 1, answered: true }] }, /cli_op asks for no operation/],
    [
      "a call that is said to ask for nothing, and does",
      { answers: answering({ disable: by.calls("cli_op") }), calls: [{ name: "cli_op", number: 1, answered: true, own: true }] },
      /cli_op is said to ask for no operation, and does/,
    ],
    ["an operation without an answer", { answers: answering({ disable: undefined as never }) }, /irq.disable has no answer/],
  ])("%s", (_title, changes, expected) => {
    expect(contradictions(mode, ops)).toEqual([]);
    expect(contradictions({ ...mode, ...changes }, ops).join("\n")).toMatch(expected);
  });

  test("in memory, or nothing to ask, while the slot is a function", () => {
    const some = { ...ops, irq: { ...ops.irq, disable: exit(() => undefined) } };
    for (const answer of [by.memory("a page"), by.nothing("why"), by.native])
      expect(contradictions({ ...mode, answers: answering({ disable: answer }) }, some)).toHaveLength(1);
    expect(contradictions({ ...mode, answers: answering({ disable: by.emulation }) }, some)).toEqual([]);
  });

  test("the suite of a backend finds it", async () => {
    const lying = plainBackend({ modes: [{ ...mode, intercepts: ["cli"] }] });
    const failed: string[] = [];
    for (const { name, run } of backendSuite(lying)) {
      try {
        await run();
      } catch {
        failed.push(name);
      }
    }
    expect(failed).toEqual([expect.stringMatching(/^how its guests get what operations promise/)]);
  });
});

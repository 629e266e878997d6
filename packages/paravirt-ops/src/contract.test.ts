import { describe, expect, test } from "vitest";
import { plainBackend, plainOps, recordingBoard, recordingCore } from "./conformance/index.js";
import { backendSuite } from "./conformance/backend.js";
import { deviceSuite } from "./conformance/device.js";
import { sampleArguments } from "./conformance/samples.js";
import {
  architectural,
  completeOperations,
  contractIncludes,
  defineBackend,
  exit,
  expectSchema,
  faulting,
  generalProtection,
  HvError,
  isGuestFault,
  isHvError,
  listOperations,
  nop,
  operations,
  type ParavirtOps,
  type PioDevice,
  partKind,
  requireHypervisor,
  requireUnder,
  sameMajor,
} from "./index.js";

describe("the table of operations", () => {
  const rows = listOperations();

  test("at most a hundred, in five groups", () => {
    expect(rows.length).toBeLessThanOrEqual(100);
    expect(Object.keys(operations)).toEqual(["cpu", "irq", "mmu", "time", "smp"]);
  });

  test.each(rows)("$group $name has an origin and one sentence on what holds", ({ name, origin, holds }) => {
    expect(name).toMatch(/^[a-z][A-Za-z0-9]*$/);
    expect(origin.length).toBeGreaterThan(3);
    expect(holds).toMatch(/^(vCPU|[A-Z]).*\.$/);
    expect(holds.match(/\. [A-Z]/)).toBeNull();
  });

  test("names are unique over all groups, and every operation has sample arguments", () => {
    expect(new Set(rows.map(({ name }) => name)).size).toBe(rows.length);
    for (const { group, name } of rows)
      expect((sampleArguments[group] as unknown as Record<string, unknown[]>)[name]!.length).toBeGreaterThan(0);
  });
});

describe("slots", () => {
  test("a slot's inline form says what its function does", () => {
    const answer = () => generalProtection;
    expect(architectural(answer)).toEqual({ inline: { kind: "architectural" }, run: answer });
    expect(exit(answer)).toEqual({ inline: { kind: "exit" }, run: answer });
    expect(nop.run({} as never)).toBeUndefined();
    expect(faulting(generalProtection).run({} as never)).toBe(generalProtection);
  });

  test("a fault is told from a value", () => {
    expect([generalProtection, { fault: 14, errorCode: 2, address: 0n }].every(isGuestFault)).toBe(true);
    expect([undefined, null, 0, 5n, "fault", {}].some(isGuestFault)).toBe(false);
  });
});

describe("a backend's definition", () => {
  const source = { ...plainBackend(), defaults: { mode: "pv", scramble: false } };

  test("settings are a new definition, and reach install", () => {
    const seen: object[] = [];
    const made = defineBackend({
      ...source,
      install: (_under, _environment, config) => {
        seen.push(config);
        return { ops: plainOps() };
      },
    });
    const other = made.with({ scramble: true });
    made.install(undefined, {} as never);
    other.install(undefined, {} as never);
    expect(seen).toEqual([
      { mode: "pv", scramble: false },
      { mode: "pv", scramble: true },
    ]);
    expect(made.config).toEqual({ mode: "pv", scramble: false });
  });

  test("what is missing is named", () => {
    expect(() => requireUnder(undefined, "xen")).toThrowError(expect.objectContaining({ code: "compose/missing-layer" }));
    expect(() => requireHypervisor({ hypervisor: undefined } as never, "xen")).toThrowError(
      expect.objectContaining({ code: "compose/core-lacks-handles" }),
    );
  });
});

describe("versions of the contract", () => {
  test.each([
    ["^1.0", "1.0", true],
    ["^1.0", "1.7", true],
    ["^1.2.0", "1.1", false],
    ["1.0.0-next.3", "1.0", true],
    ["^1.0", "2.0", false],
    ["^2.0", "1.9", false],
    ["^1.3 || ^2.0", "2.1", true],
    ["^1.3 || ^2.0", "1.2", false],
    ["*", "1.0", false],
    ["", "1.0", false],
  ])("%s has %s in it: %s", (range, version, expected) => {
    expect(contractIncludes(range, version)).toBe(expected);
  });

  test("copies of one major are one contract", () => {
    expect([sameMajor("1.0", "1.4"), sameMajor("1.9", "2.0"), sameMajor("one", "1.0")]).toEqual([true, false, false]);
  });

  test("a part of another copy is one of ours, and nothing else is", () => {
    expect(partKind({ "~hv/part": { kind: "board", contract: "1.9" } })).toBe("board");
    expect([partKind({}), partKind(null), partKind("core"), partKind({ "~hv/part": undefined })]).toEqual(Array(4).fill(undefined));
    expect([partKind(plainBackend()), partKind(recordingCore()), partKind(recordingBoard())]).toEqual(["backend", "core", "board"]);
  });

  test("an operation that came with a minor is what the table says where a backend does not name it, any other is missed", () => {
    const ops = plainOps();
    expect(completeOperations(ops, "plain")).toBe(ops);
    const { wbinvd, ...cpu } = ops.cpu;
    const older = { ...ops, cpu } as ParavirtOps;
    expect(() => completeOperations(older, "old")).toThrowError(
      expect.objectContaining({ code: "compose/missing-operation", message: expect.stringMatching(/"old".*cpu\.wbinvd/) }),
    );
    const row = operations.cpu.wbinvd as { unanswered?: typeof nop };
    row.unanswered = nop;
    try {
      expect(completeOperations(older, "old")).toEqual({ ...older, cpu: { ...cpu, wbinvd: nop } });
      expect(completeOperations(ops, "plain").cpu.wbinvd).toBe(wbinvd);
    } finally {
      delete row.unanswered;
    }
  });
});

describe("errors and saved state", () => {
  test("an error of another copy of this package is one of ours", () => {
    const foreign = { "~hv/error": true, code: "a/b", message: "" };
    expect([new HvError("a/b", "text"), foreign].every(isHvError)).toBe(true);
    expect([new Error("x"), null, "a/b", {}].some(isHvError)).toBe(false);
    expect(new HvError("a/b", "text", { hint: "do", cause: 1 })).toMatchObject({ code: "a/b", hint: "do", cause: 1, name: "HvError" });
  });

  test("a record of another schema is refused by both names", () => {
    expect(expectSchema({ schema: "uart@1", x: 1 }, "uart@1")).toEqual({ schema: "uart@1", x: 1 });
    expect(() => expectSchema({ schema: "uart@2" }, "uart@1")).toThrow(/"uart@2".*"uart@1"/);
  });
});

/** Names of the cases that fail. */
async function failures(cases: readonly { name: string; run(): void | Promise<void> }[]): Promise<string[]> {
  const failed: string[] = [];
  for (const { name, run } of cases) {
    try {
      await run();
    } catch {
      failed.push(name);
    }
  }
  return failed;
}

describe("the backend suite", () => {
  const withOps = (change: (ops: ParavirtOps) => unknown) => plainBackend({ install: () => ({ ops: change(plainOps()) as ParavirtOps }) });

  test("the plain backend passes", async () => {
    expect(await failures(backendSuite(plainBackend()))).toEqual([]);
  });

  test.each([
    ["a slot nobody wrote", (ops: ParavirtOps) => ({ ...ops, cpu: { ...ops.cpu, wbinvd: undefined } }), /every slot/],
    ["a slot too many", (ops: ParavirtOps) => ({ ...ops, cpu: { ...ops.cpu, invd: nop } }), /every slot/],
    [
      "a throw",
      (ops: ParavirtOps) => ({
        ...ops,
        mmu: {
          ...ops.mmu,
          setPte: exit(() => {
            throw new RangeError("offset");
          }),
        },
      }),
      /never thrown/,
    ],
    [
      "an exception that does not exist",
      (ops: ParavirtOps) => ({ ...ops, irq: { ...ops.irq, halt: faulting({ fault: 99 }) } }),
      /never thrown/,
    ],
    ["a no-op that does something", (ops: ParavirtOps) => ({ ...ops, irq: { ...ops.irq, nmi: { ...nop, run: () => 1 } } }), /inline form/],
    [
      "a flag that sticks",
      (ops: ParavirtOps) => ({ ...ops, irq: { ...ops.irq, saveFl: architectural(() => 0x200) } }),
      /disabling and enabling/,
    ],
    [
      "entries that do not come back",
      (ops: ParavirtOps) => ({ ...ops, mmu: { ...ops.mmu, entryValue: architectural(() => 5n) } }),
      /inverses/,
    ],
  ])("%s is found", async (_what, change, name) => {
    const failed = await failures(backendSuite(withOps(change)));
    expect(failed.some((text) => name.test(text))).toBe(true);
  });
});

describe("the device suite", () => {
  const latch = (read: (value: number) => number): (() => { length: number; pio: PioDevice }) => {
    return () => {
      let value = 0;
      return {
        length: 4,
        pio: {
          name: "latch",
          pioRead: (_offset, size) => read(size === 4 ? value >>> 0 : value & ((1 << (8 * size)) - 1)),
          pioWrite: (_offset, _size, next) => {
            value = next;
          },
        },
      };
    };
  };

  test("a latch passes; one that answers out of range or throws does not", async () => {
    expect(await failures(deviceSuite(latch((value) => value)))).toEqual([]);
    expect(await failures(deviceSuite(latch((value) => value - 1)))).toHaveLength(1);
    expect(
      await failures(
        deviceSuite(
          latch((value) => {
            if (value === 0xff) throw new Error("odd");
            return value;
          }),
        ),
      ),
    ).not.toEqual([]);
  });
});

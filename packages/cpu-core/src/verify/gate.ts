/**
 * What stands in the engine's table for a unit that is verified: a function of WebAssembly that runs the unit, has the interpreter do the
 * same and asks whether both agree, so that a comparison never passes through JavaScript. WebAssembly Core Specification §5.
 */
import { ByteWriter, Op, TYPE_I32, TYPE_I64 } from "../translate/wasm.js";

/** A unit as the engine calls it. */
export type UnitFunction = (cpu: number, entry: number, base: bigint) => number;

/** What a gate calls. */
export interface GateParts {
  /** The unit for the machine's engine, whose stores are not noted. */
  readonly plain: UnitFunction;
  /** The unit for the engine that notes its stores. */
  readonly noting: UnitFunction;
  /** Of the machine's engine. */
  readonly verifyBegin: (cpu: number, run: number) => number;
  readonly verifyAgain: (cpu: number) => bigint;
  readonly verifyDiffers: (cpu: number, left: number) => number;
  /** Of the engine that notes its stores. */
  readonly runPlain: (cpu: number, count: bigint) => void;
  /** Both have run, and there is a difference: throws. `left` is what the unit returned. */
  readonly fail: (cpu: number, entry: number, base: bigint, left: number) => void;
}

const PARTS = ["plain", "noting", "verifyBegin", "verifyAgain", "verifyDiffers", "runPlain", "fail"] as const satisfies (keyof GateParts)[];
const TYPE_FUNCTION = 0x60,
  GLOBAL_GET = 0x23,
  GLOBAL_SET = 0x24;

/** Parameters and results. */
const TYPES: readonly (readonly [readonly number[], readonly number[]])[] = [
  [[TYPE_I32, TYPE_I32, TYPE_I64], [TYPE_I32]],
  [[TYPE_I32, TYPE_I32], [TYPE_I32]],
  [[TYPE_I32], [TYPE_I64]],
  [[TYPE_I32, TYPE_I64], []],
  [[TYPE_I32, TYPE_I32, TYPE_I64, TYPE_I32], []],
];
const TYPE_OF: Readonly<Record<(typeof PARTS)[number], number>> = {
  plain: 0,
  noting: 0,
  verifyBegin: 1,
  verifyAgain: 2,
  verifyDiffers: 1,
  runPlain: 3,
  fail: 4,
};

let gateModule: WebAssembly.Module | undefined;

/** A gate of its own, which counts the runs of its unit. */
export function gate(parts: GateParts): UnitFunction {
  gateModule ??= new WebAssembly.Module(gateBytes());
  return new WebAssembly.Instance(gateModule, { gate: { ...parts } }).exports["f"] as UnitFunction;
}

function gateBytes(): Uint8Array<ArrayBuffer> {
  const out = new ByteWriter();
  const section = (id: number, ...content: (number | ((w: ByteWriter) => void))[]): void => {
    const writer = new ByteWriter();
    for (const part of content)
      if (typeof part === "number") writer.byte(part);
      else part(writer);
    out.byte(id);
    out.u32(writer.length);
    out.append(writer);
  };
  for (const byte of [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]) out.byte(byte);
  section(1, TYPES.length, (w) => {
    for (const [parameters, results] of TYPES)
      for (const byte of [TYPE_FUNCTION, parameters.length, ...parameters, results.length, ...results]) w.byte(byte);
  });
  section(2, PARTS.length, (w) => {
    for (const name of PARTS) {
      w.name("gate");
      w.name(name);
      w.byte(0);
      w.byte(TYPE_OF[name]);
    }
  });
  section(3, 1, TYPE_OF.plain);
  // One global, which can be set, with 0 in it.
  section(6, 1, TYPE_I32, 1, Op.i32Const, 0, Op.end);
  section(7, 1, (w) => {
    w.name("f");
    w.byte(0);
    w.byte(PARTS.length);
  });
  const code = gateCode();
  section(10, 1, (w) => {
    w.u32(code.length);
    w.append(code);
  });
  return out.take();
}

/** The function: (cpu, entry, base) as for a unit. */
function gateCode(): ByteWriter {
  const [CPU, ENTRY, BASE, LEFT, RUNS] = [0, 1, 2, 3, 0] as const;
  const code = new ByteWriter();
  const call = (part: (typeof PARTS)[number], ...locals: number[]): void => {
    for (const local of locals) code.local(Op.localGet, local);
    code.op(Op.call);
    code.u32(PARTS.indexOf(part));
  };
  for (const byte of [1, 1, TYPE_I32]) code.byte(byte);
  code.local(Op.localGet, CPU);
  code.local(GLOBAL_GET, RUNS);
  call("verifyBegin");
  code.local(GLOBAL_GET, RUNS);
  code.i32Const(1);
  code.op(Op.i32Add);
  code.local(GLOBAL_SET, RUNS);
  code.op(Op.i32Eqz);
  code.open(Op.if);
  call("plain", CPU, ENTRY, BASE);
  code.op(Op.return);
  code.op(Op.end);
  call("noting", CPU, ENTRY, BASE);
  code.local(Op.localSet, LEFT);
  code.local(Op.localGet, CPU);
  call("verifyAgain", CPU);
  call("runPlain");
  call("verifyDiffers", CPU, LEFT);
  code.open(Op.if);
  call("fail", CPU, ENTRY, BASE, LEFT);
  code.op(Op.end);
  code.local(Op.localGet, LEFT);
  code.op(Op.end);
  return code;
}

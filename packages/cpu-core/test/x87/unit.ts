/** The engine's x87 part compiled by itself, one vCPU's registers in its memory, and operands to feed it. */
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import asc from "assemblyscript/asc";
import { FCW, FPR, FSW, FTW, VCPU_BASE } from "../../src/layout.js";
import { type Ext, ext, TOP_BIT } from "./model.js";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
/** The vCPU block under test. */
export const cpu = VCPU_BASE;
/** Where memory operands lie: above static data, below the vCPU blocks. */
export const operand = 0x38000;

/** A compiled x87 unit. */
export interface X87 {
  readonly functions: Record<string, (...args: number[]) => number>;
  readonly view: DataView;
  /** Puts values into ST(0), ST(1), … of an otherwise empty stack. */
  load(fcw: number, ...values: Ext[]): void;
  /** Runs an instruction function with ST(i) or the address of its operand. */
  run(name: string, argument?: number): number;
  status(): number;
  st(i: number): Ext;
}

function machine(functions: X87["functions"], view: DataView): X87 {
  const status = (): number => view.getUint32(cpu + FSW, true);
  return {
    functions,
    view,
    status,
    load(fcw, ...values) {
      view.setUint32(cpu + FCW, fcw, true);
      view.setUint32(cpu + FSW, 0, true);
      view.setUint32(cpu + FTW, (1 << values.length) - 1, true);
      values.forEach((x, i) => {
        view.setBigUint64(cpu + FPR + 16 * i, x.m, true);
        view.setUint16(cpu + FPR + 16 * i + 8, x.se, true);
      });
    },
    run: (name, argument = 0) => functions[name]!(cpu, argument),
    st(i) {
      const at = cpu + FPR + 16 * (((status() >> 11) + i) & 7);
      return ext(view.getUint16(at + 8, true), view.getBigUint64(at, true));
    },
  };
}

/** Compiles assembly/x87. */
export async function compileX87(): Promise<X87> {
  let binary: Uint8Array | undefined;
  const { error, stderr } = await asc.main(
    [
      "assembly/x87/index.ts",
      "--outFile",
      "x87.wasm",
      "-O1",
      "--runtime",
      "stub",
      "--importMemory",
      "--noExportMemory",
      "--memoryBase",
      "1024",
      "--enable",
      "simd",
      "--use",
      "abort=",
    ],
    {
      readFile: (name: string, base: string) => {
        try {
          return readFileSync(join(root, base === "." ? "" : base, name), "utf8");
        } catch {
          return null;
        }
      },
      writeFile: (name: string, contents: Uint8Array | string) => {
        if (name.endsWith(".wasm")) binary = contents as Uint8Array;
      },
      listFiles: () => [],
    },
  );
  if (error || binary === undefined) throw new Error(stderr.toString());
  const module = new WebAssembly.Module(binary as BufferSource);
  const memory = new WebAssembly.Memory({ initial: 16 });
  const host = Object.fromEntries(
    WebAssembly.Module.imports(module)
      .filter((i) => i.module === "host")
      .map((i) => [i.name, () => 0]),
  );
  const functions = new WebAssembly.Instance(module, { env: { memory }, host }).exports as X87["functions"];
  return machine(functions, new DataView(memory.buffer));
}

/** A small deterministic generator (xorshift). */
function generator(seed: number): () => number {
  let s = seed;
  return () => {
    s ^= s << 13;
    s ^= s >>> 17;
    s ^= s << 5;
    return s >>> 0;
  };
}
/** The next random 32 bits; the same in every run. */
export const next = generator(0x9e3779b9);
/** 64 random bits. */
export const random64 = (): bigint => (BigInt(next()) << 32n) | BigInt(next());
const exponents = [0, 1, 2, 63, 64, 16382, 16383, 16384, 16383 + 23, 16383 + 52, 16383 + 63, 16383 + 64, 0x7ffd, 0x7ffe];

/** Finite, with a liking for boundaries. */
export function finite(): Ext {
  const sign = next() & 1 ? 0x8000 : 0;
  const kind = next() % 8;
  let e = next() % 8 === 0 ? exponents[next() % exponents.length]! : 16383 - 70 + (next() % 140);
  if (next() % 16 === 0) e = next() % 0x7fff;
  let m: bigint;
  if (kind === 0) m = TOP_BIT;
  else if (kind === 1) m = (1n << 64n) - 1n;
  else if (kind === 2) m = TOP_BIT | (1n << BigInt(next() % 63));
  else if (kind === 3) m = TOP_BIT | (random64() & ~0x7ffn);
  else m = TOP_BIT | random64();
  if (e === 0 && next() & 1) m = next() % 4 === 0 ? 0n : random64() >> BigInt(1 + (next() % 63));
  return ext(sign | e, m);
}

/** Differs from `x` by little, or only by the sign. */
export function neighbour(x: Ext): Ext {
  const e = Math.min((x.se & 0x7fff) ^ (next() & 1), 0x7ffe);
  const m = x.m ^ BigInt(next() & 3);
  return ext((next() & 0x8000) | e, e === 0 ? m : m | TOP_BIT);
}

/** Whether `x` raises DE. */
export const isDenormal = (x: Ext): boolean => (x.se & 0x7fff) === 0 && x.m !== 0n;

/** Everything masked, any rounding, any precision. */
export const anyFcw = (): number => 0x7f | ((next() % 4) << 10) | ([0, 2, 3][next() % 3]! << 8);

/** Normal, of either sign, with a binary exponent between `low` and `high`. */
export const between = (low: number, high: number): Ext =>
  ext((next() & 1 ? 0x8000 : 0) | (16383 + low + (next() % (high - low + 1))), TOP_BIT | random64());

/** The quick ways of the x87 against its general way, which a reserved value of FCW.PC (full precision, but not the default) selects. */
import { beforeAll, describe, expect, it } from "vitest";
import { FTW } from "../../src/layout.js";
import { type Ext, ext, show } from "./model.js";
import { compileX87, cpu, finite, neighbour, next, operand, random64, type X87 } from "./unit.js";

const DEFAULT = 0x37f;
const GENERAL = 0x17f;

let x87: X87;
beforeAll(async () => {
  x87 = await compileX87();
}, 60_000);

/** Everything that an instruction leaves behind, on a stack of `a`, `b` and the default constants of the caller. */
function outcome(fcw: number, name: string, argument: number, a: Ext, b: Ext): string {
  x87.load(fcw, a, b);
  x87.run(name, argument);
  const stored = argument === operand ? x87.view.getBigUint64(operand, true).toString(16) : "";
  return `${show(x87.st(0))} ${show(x87.st(1))} ${x87.status().toString(16)} ${x87.view.getUint32(cpu + FTW, true)} ${stored}`;
}

function same(name: string, argument: number, a: Ext, b: Ext, memory: bigint): void {
  const answers = [DEFAULT, GENERAL].map((fcw) => {
    x87.view.setBigUint64(operand, memory, true);
    return outcome(fcw, name, argument, a, b);
  });
  expect(`${name} of ${show(a)} ${show(b)} ${memory.toString(16)}: ${answers[0]}`).toBe(
    `${name} of ${show(a)} ${show(b)} ${memory.toString(16)}: ${answers[1]}`,
  );
}

/** A double or two singles near 1, zero, or any pattern. */
function memoryOperand(): bigint {
  const kind = next() % 8;
  if (kind === 0) return 0n;
  if (kind === 1) return random64();
  return (random64() & 0x801fffff803fffffn) | 0x3fe000003f000000n | (BigInt(next() % 2) << 52n);
}
const value = (): Ext => (next() % 16 === 0 ? ext(next() & 0x8000, 0n) : finite());

describe("the quick ways of the x87", () => {
  for (const operation of ["Fadd", "Fsub", "Fsubr", "Fmul", "Fdiv", "Fdivr"])
    it(`${operation.toUpperCase()} leaves what the general way leaves`, () => {
      for (let n = 0; n < 2000; n++) {
        const a = value();
        const b = n % 3 === 0 ? neighbour(a) : value();
        for (const form of ["", "To", "P"]) same(`x87${operation}${form}`, 1, a, b, 0n);
        for (const form of ["M32", "M64"]) same(`x87${operation}${form}`, operand, a, b, memoryOperand());
      }
    });

  it("stores leave what the general way leaves", () => {
    for (let n = 0; n < 4000; n++) {
      const a = value();
      // near the ends of what the narrower formats hold, too
      const b = ext((a.se & 0x8000) | (0x3fff + [0, 127, 128, -126, -127, 1023, 1024, -1022, -1023][n % 9]!), a.m | (1n << 63n));
      for (const x of [a, b]) for (const name of ["FstM32", "FstM64", "FstpM32", "FstpM64"]) same(`x87${name}`, operand, x, a, 0n);
    }
  });
});

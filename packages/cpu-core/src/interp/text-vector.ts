/** The reading of VectorSem that writes AssemblyScript text: most of its words are WebAssembly's, whose names AssemblyScript keeps. */
import { MXCSR, XMM } from "../layout.js";
import type { Width } from "../isa/sem.js";
import type {
  FloatCompare,
  FloatConversion,
  FloatOp,
  FloatType,
  VectorOp,
  VectorSem,
  VectorShift,
  VectorSummary,
} from "../isa/vector-sem.js";
import { TextSem } from "./text-sem.js";

const LANES = { 8: "i8x16", 16: "i16x8", 32: "i32x4", 64: "i64x2" } as const;
const COMPARISONS = { eq: "==", lt: "<", le: "<=" } as const;
const VECTOR = { f32: "f32x4", f64: "f64x2" } as const;

export class TextVectorSem extends TextSem implements VectorSem<string> {
  #names = 0;

  name(a: string): string {
    if (/^\w+$/.test(a)) return a;
    const name = `x${this.#names++}`;
    this.emit(`const ${name} = ${a};`);
    return name;
  }
  vector(op: VectorOp, ...operands: string[]): string {
    return `${op}(${operands.join(", ")})`;
  }
  vectorShift(op: VectorShift, a: string, count: string): string {
    return `${op}(${a}, <i32>(${count}))`;
  }
  summary(op: VectorSummary, a: string): string {
    return `(<u64><u32>${op}(${a}))`;
  }
  halves(low: string, high: string): string {
    return `i64x2.replace_lane(i64x2.splat(<i64>(${low})), 1, <i64>(${high}))`;
  }
  splat(bits: Width, value: string): string {
    return `${LANES[bits]}.splat(<i${bits}>(${value}))`;
  }
  shuffle(a: string, b: string, lanes: readonly number[]): string {
    return `i8x16.shuffle(${a}, ${b}, ${lanes.join(", ")})`;
  }
  permute(a: string, b: string, control: string): string {
    return `permuteBytes(${a}, ${b}, ${control})`;
  }
  lane(a: string, bits: Width, index: number): string {
    return `<u64>${bits < 32 ? "" : `<u${bits}>`}${LANES[bits]}.extract_lane${bits < 32 ? "_u" : ""}(${a}, ${index})`;
  }
  withLane(a: string, bits: Width, index: number, value: string): string {
    return `${LANES[bits]}.replace_lane(${a}, ${index}, <i${bits}>(${value}))`;
  }
  selectVector(condition: string, ifTrue: string, ifFalse: string): string {
    return `select<v128>(${ifTrue}, ${ifFalse}, (${condition}) != 0)`;
  }

  float(type: FloatType, a: string): string {
    return `${VECTOR[type]}.extract_lane(${a}, 0)`;
  }
  withFloat(type: FloatType, a: string, value: string): string {
    return `${VECTOR[type]}.replace_lane(${a}, 0, ${value})`;
  }
  floatOp(op: FloatOp, ...operands: string[]): string {
    return `${op}(${operands.join(", ")})`;
  }
  floatCompare(op: FloatCompare, a: string, b: string): string {
    return `(<u64>((${a}) ${COMPARISONS[op.slice(4) as "eq" | "lt" | "le"]} (${b})))`;
  }
  convert(op: FloatConversion, a: string): string {
    if (op.startsWith("i64.")) return `(<u64><i64>(${a}))`;
    return `(<${op.slice(0, 3)}>${op.includes("convert") ? `<i64>(${a})` : a})`;
  }
  selectFloat(condition: string, ifTrue: string, ifFalse: string): string {
    return `((${condition}) != 0 ? ${ifTrue} : ${ifFalse})`;
  }
  floatBits(type: FloatType, a: string): string {
    return `<u64>reinterpret<u${type.slice(1)}>(${a})`;
  }
  floatConstant(type: FloatType, value: number): string {
    return `<${type}>${value}.0`;
  }

  orElse(first: string, otherwise: () => string): string {
    return `<u64>((${first}) != 0 || (${otherwise()}) != 0)`;
  }
  mxcsrIs(mask: number, value: number): string {
    return `<u64>((load<u32>(cpu, ${MXCSR}) & ${mask}) == ${value})`;
  }
  inexactIsSet(): string {
    return `((<u64>load<u32>(cpu, ${MXCSR}) >> 5) & 1)`;
  }
  isOrdinary(): boolean {
    return false;
  }
  ensureOrdinary(): boolean {
    return false;
  }
  withinRange(): undefined {
    return undefined;
  }
  xmm0(): string {
    return this.name(`v128.load(cpu, ${XMM})`);
  }
}

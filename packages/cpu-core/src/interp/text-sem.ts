/**
 * The reading of Sem that writes AssemblyScript text: each value is the text of a u64 expression. The generated handlers are the
 * interpreter; where their flags live (locals of the loop, or the vCPU block) is the caller's choice.
 */
import { FR, FV, GPR } from "../layout.js";
import { flagOf, flagWords } from "../isa/flag-words.js";
import type { Flag, FlagEffect, Leaf, Sem, Width } from "../isa/sem.js";

/** Where status flags live while a handler runs. */
export interface FlagHome {
  readonly fr: string;
  readonly fv: string;
  setFr(text: string): string;
  setFv(text: string): string;
}
export const localFlags: FlagHome = { fr: "fr", fv: "fv", setFr: (t) => `fr = ${t};`, setFv: (t) => `fv = ${t};` };
export const memoryFlags: FlagHome = {
  fr: `load<i64>(cpu, ${FR})`,
  fv: `load<i64>(cpu, ${FV})`,
  setFr: (t) => `store<i64>(cpu, ${t}, ${FR});`,
  setFv: (t) => `store<i64>(cpu, ${t}, ${FV});`,
};

export class TextSem implements Sem<string> {
  readonly lines: string[] = [];
  #temps = 0;
  constructor(
    readonly flags: FlagHome,
    /** Statement that abandons the instruction after a fault was raised. */
    readonly abandon: string,
  ) {}

  emit(line: string): void {
    this.lines.push(line);
  }
  let(a: string): string {
    if (/^\w+$/.test(a)) return a;
    const name = `v${this.#temps++}`;
    this.emit(`const ${name}: u64 = ${a};`);
    return name;
  }
  imm(value: number | bigint): string {
    return `<u64>0x${BigInt.asUintN(64, BigInt(value)).toString(16)}`;
  }
  #binary(op: string, a: string, b: string): string {
    return `((${a}) ${op} (${b}))`;
  }
  add(a: string, b: string): string {
    return this.#binary("+", a, b);
  }
  sub(a: string, b: string): string {
    return this.#binary("-", a, b);
  }
  mul(a: string, b: string): string {
    return this.#binary("*", a, b);
  }
  and(a: string, b: string): string {
    return this.#binary("&", a, b);
  }
  or(a: string, b: string): string {
    return this.#binary("|", a, b);
  }
  xor(a: string, b: string): string {
    return this.#binary("^", a, b);
  }
  not(a: string): string {
    return `(~(${a}))`;
  }
  shl(a: string, count: string): string {
    return this.#binary("<<", a, count);
  }
  shr(a: string, count: string): string {
    return this.#binary(">>", a, count);
  }
  sar(a: string, count: string): string {
    return `(<u64>((<i64>(${a})) >> <i64>(${count})))`;
  }
  rotl(a: string, count: string, bits: 32 | 64): string {
    return `<u64>rotl<u${bits}>(<u${bits}>(${a}), <u${bits}>(${count}))`;
  }
  rotr(a: string, count: string, bits: 32 | 64): string {
    return `<u64>rotr<u${bits}>(<u${bits}>(${a}), <u${bits}>(${count}))`;
  }
  eq(a: string, b: string): string {
    return `(<u64>((${a}) == (${b})))`;
  }
  ne(a: string, b: string): string {
    return `(<u64>((${a}) != (${b})))`;
  }
  ltu(a: string, b: string): string {
    return `(<u64>((${a}) < (${b})))`;
  }
  lts(a: string, b: string): string {
    return `(<u64>((<i64>(${a})) < (<i64>(${b}))))`;
  }
  select(condition: string, a: string, b: string): string {
    return `select<u64>(${a}, ${b}, (${condition}) != 0)`;
  }
  sext(a: string, bits: Width): string {
    return bits === 64 ? a : `(<u64><i64><i${bits}>(${a}))`;
  }
  trunc(a: string, bits: Width): string {
    return bits === 64 ? a : `(<u64><u${bits}>(${a}))`;
  }
  clz(a: string): string {
    return `clz<u64>(${a})`;
  }
  ctz(a: string): string {
    return `ctz<u64>(${a})`;
  }
  popcnt(a: string): string {
    return `popcnt<u64>(${a})`;
  }
  divU(a: string, b: string): string {
    return this.#binary("/", a, b);
  }
  remU(a: string, b: string): string {
    return this.#binary("%", a, b);
  }
  divS(a: string, b: string): string {
    return `(<u64>((<i64>(${a})) / (<i64>(${b}))))`;
  }
  remS(a: string, b: string): string {
    return `(<u64>((<i64>(${a})) % (<i64>(${b}))))`;
  }
  leaf(name: Leaf, ...args: string[]): string {
    return `${name}(${args.join(", ")})`;
  }
  gpr(register: number, bits: Width): string {
    return this.let(`<u64>load<u${bits}>(cpu, ${GPR + register * 8})`);
  }
  setGpr(register: number, bits: Width, value: string): void {
    this.emit(
      bits === 32
        ? `store<u64>(cpu, <u64><u32>(${value}), ${GPR + register * 8});`
        : `store<u${bits}>(cpu, <u${bits}>(${value}), ${GPR + register * 8});`,
    );
  }
  guard(condition: string, vector: number): void {
    this.emit(`if ((${condition}) != 0) { raise(cpu, ${vector}); ${this.abandon} }`);
  }

  flag(name: Flag): string {
    return flagOf<string>(this, name, `<u64>${this.flags.fr}`, `<u64>${this.flags.fv}`);
  }
  /** Emits what an instruction does to the flags; `bits` is the operand width. */
  setFlags(effect: FlagEffect<string>, bits: Width): void {
    const { setFr, setFv, fr, fv } = this.flags;
    const words = flagWords<string>(this, effect, bits, { fr: () => `<u64>${fr}`, fv: () => `<u64>${fv}` });
    // Both are computed before either is written.
    const newFv = this.let(words.fv);
    if (words.fr !== undefined) this.emit(setFr(`<i64>(${words.fr})`));
    this.emit(setFv(`<i64>(${newFv})`));
  }
}

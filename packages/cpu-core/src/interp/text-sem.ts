/**
 * The reading of Sem that writes AssemblyScript text: each value is the text of a u64 expression. The generated handlers are the
 * interpreter; where their flags live (locals of the loop, or the vCPU block) is the caller's choice.
 */
import { FR, FV, GPR } from "../layout.js";
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
  rotl(a: string, count: string): string {
    return `rotl<u64>(${a}, ${count})`;
  }
  rotr(a: string, count: string): string {
    return `rotr<u64>(${a}, ${count})`;
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
    const { fr, fv } = this.flags;
    switch (name) {
      case "CF":
        return `(<u64>(${fv}) >> 63)`;
      case "ZF":
        return `(<u64>(${fr} == 0))`;
      case "SF":
        return `(<u64>(${fr} ^ (${fv} << 62)) >> 63)`;
      case "OF":
        return `(<u64>(${fv} ^ (${fv} << 1)) >> 63)`;
      case "PF":
        return `((popcnt<u64>(<u64>${fr} & 0xff) & 1) ^ 1 ^ (<u64>${fv} >> 2 & 1))`;
      case "AF":
        return `(<u64>${fv} & 1)`;
    }
  }
  /** Emits what an instruction does to the flags; `bits` is the operand width. */
  setFlags(effect: FlagEffect<string>, bits: Width): void {
    const { setFr, setFv, fv } = this.flags;
    const high = (cf: string, of: string): string => `(((${cf}) << 63) | (((${cf}) ^ (${of})) << 62))`;
    const put = (fr: string | undefined, newFv: string): void => {
      const named = this.let(newFv);
      if (fr !== undefined) this.emit(setFr(`<i64>(${fr})`));
      this.emit(setFv(`<i64>(${named})`));
    };
    const spread = (carries: string): { top: string; af: string } => {
      const c = this.let(carries);
      return { top: bits === 64 ? `(${c} & ~<u64>7)` : `(${c} << ${64 - bits})`, af: `((${c} >> 3) & 1)` };
    };
    switch (effect.kind) {
      case "arith": {
        const { top, af } = spread(effect.carries);
        put(this.sext(effect.result, bits), `${top} | ${af}`);
        return;
      }
      case "arithKeepCf": {
        const { top, af } = spread(effect.carries);
        const cf = this.let(this.flag("CF"));
        const t = this.let(top);
        put(this.sext(effect.result, bits), `${high(cf, `(${t} ^ (${t} << 1)) >> 63`)} | ${af}`);
        return;
      }
      case "logic":
        put(this.sext(effect.result, bits), "<u64>0");
        return;
      case "resultCfOf": {
        const cf = this.let(effect.cf);
        put(this.sext(effect.result, bits), effect.af === undefined ? high(cf, effect.of) : `${high(cf, effect.of)} | (${effect.af})`);
        return;
      }
      case "cf": {
        const cf = this.let(effect.cf);
        put(undefined, `${high(cf, this.flag("OF"))} | (<u64>${fv} & 7)`);
        return;
      }
      case "cfOf": {
        const cf = this.let(effect.cf);
        put(undefined, `${high(cf, effect.of)} | (<u64>${fv} & 7)`);
        return;
      }
      case "of": {
        const cf = this.let(this.flag("CF"));
        put(undefined, `${high(cf, effect.of)} | (<u64>${fv} & 7)`);
        return;
      }
      case "bits": {
        const flags = this.let(effect.flags);
        this.emit(setFr(`frOf(<u32>${flags})`));
        this.emit(setFv(`fvOf(<u32>${flags})`));
        return;
      }
    }
  }
}

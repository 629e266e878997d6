/**
 * The status flags as two 64-bit words (docs/decisions: flags as result and carries), in the Sem vocabulary, for every reading that keeps
 * them so: FR is the last result, sign-extended; FV holds the carries with the operand's top one in bit 63, AF in bit 0, and two bits that
 * invert SF and PF, so that POPF, SAHF and IRET can express any combination.
 */
import type { Flag, FlagEffect, Sem, Width } from "./sem.js";

/** Carry-out of each bit of x + y (+ carry-in) = result. */
export const carriesOfAdd = <V>(b: Sem<V>, x: V, y: V, result: V): V => b.or(b.and(x, y), b.and(b.or(x, y), b.not(result)));
/** Borrow-out of each bit of x - y (- borrow-in) = result. */
const carriesOfSub = <V>(b: Sem<V>, x: V, y: V, result: V): V => b.or(b.and(b.not(x), y), b.and(b.not(b.xor(x, y)), result));

const bitAt = <V>(b: Sem<V>, value: V, position: number): V => b.and(b.shr(value, b.imm(position)), b.imm(1));

/** One flag, 0 or 1, out of the two words. */
export function flagOf<V>(b: Sem<V>, name: Flag, fr: V, fv: V): V {
  switch (name) {
    case "CF":
      return b.shr(fv, b.imm(63));
    case "ZF":
      return b.eq(fr, b.imm(0));
    case "SF":
      return b.shr(b.xor(fr, b.shl(fv, b.imm(62))), b.imm(63));
    case "OF":
      return b.shr(b.xor(fv, b.shl(fv, b.imm(1))), b.imm(63));
    case "PF":
      return b.xor(b.xor(b.and(b.popcnt(b.and(fr, b.imm(0xff))), b.imm(1)), b.imm(1)), bitAt(b, fv, 2));
    case "AF":
      return b.and(fv, b.imm(1));
  }
}

/** The last bit that a shift lost, and whether the sign was another before it: CF and OF (SDM Vol. 2B "SAL/SAR/SHL/SHR"). */
function shiftedOut<V>(b: Sem<V>, kind: "shl" | "shr" | "sar", x: V, count: V, result: V, bits: Width): { cf: V; of: V } {
  const one = b.imm(1);
  if (kind === "shl") {
    // Widths below 64 shift inside 64 bits, so the bit that falls out is at position `bits`.
    const cf = b.let(bits < 64 ? bitAt(b, result, bits) : b.and(b.shr(x, b.sub(b.imm(64), count)), one));
    return { cf, of: b.xor(cf, bitAt(b, result, bits - 1)) };
  }
  const last = b.sub(count, one);
  if (kind === "shr") return { cf: b.and(b.shr(x, last), one), of: bitAt(b, x, bits - 1) };
  return { cf: b.and(b.sar(b.sext(x, bits), last), one), of: b.imm(0) };
}

/** The words after an instruction of operand width `bits`; `fr` is absent when it stays. `old` gives the words before, named. */
export function flagWords<V>(b: Sem<V>, effect: FlagEffect<V>, bits: Width, old: { fr(): V; fv(): V }): { fr?: V; fv: V } {
  const flag = (name: Flag): V => flagOf(b, name, old.fr(), old.fv());
  const high = (cf: V, of: V): V => b.or(b.shl(cf, b.imm(63)), b.shl(b.xor(cf, of), b.imm(62)));
  const spread = (carries: V): { top: V; af: V } => {
    const named = b.let(carries);
    return { top: bits === 64 ? b.and(named, b.imm(~7)) : b.shl(named, b.imm(64 - bits)), af: bitAt(b, named, 3) };
  };
  const lowBits = (): V => b.and(old.fv(), b.imm(7));
  switch (effect.kind) {
    case "add":
    case "sub": {
      const carriesOf = effect.kind === "add" ? carriesOfAdd : carriesOfSub;
      const { top, af } = spread(carriesOf(b, effect.x, effect.y, effect.result));
      return { fr: b.sext(effect.result, bits), fv: b.or(top, af) };
    }
    case "increment":
    case "decrement": {
      const carriesOf = effect.kind === "increment" ? carriesOfAdd : carriesOfSub;
      const { top, af } = spread(carriesOf(b, effect.x, b.imm(1), effect.result));
      const cf = b.let(flag("CF"));
      const named = b.let(top);
      const of = b.shr(b.xor(named, b.shl(named, b.imm(1))), b.imm(63));
      return { fr: b.sext(effect.result, bits), fv: b.or(high(cf, of), af) };
    }
    case "shl":
    case "shr":
    case "sar": {
      const { cf, of } = shiftedOut(b, effect.kind, effect.x, effect.count, effect.result, bits);
      return { fr: b.sext(effect.result, bits), fv: high(b.let(cf), of) };
    }
    case "logic":
      return { fr: b.sext(effect.result, bits), fv: b.imm(0) };
    case "resultCfOf": {
      const words = high(b.let(effect.cf), effect.of);
      return { fr: b.sext(effect.result, bits), fv: effect.af === undefined ? words : b.or(words, effect.af) };
    }
    case "cf":
      return { fv: b.or(high(b.let(effect.cf), flag("OF")), lowBits()) };
    case "cfOf":
      return { fv: b.or(high(b.let(effect.cf), effect.of), lowBits()) };
    case "of":
      return { fv: b.or(high(b.let(flag("CF")), effect.of), lowBits()) };
    case "order": {
      const zf = b.let(effect.equal);
      // FR of 0 would have even parity.
      return { fr: b.xor(zf, b.imm(1)), fv: b.or(high(b.let(effect.less), b.imm(0)), b.shl(zf, b.imm(2))) };
    }
    case "bits": {
      const flags = b.let(effect.flags);
      const at = (position: number): V => bitAt(b, flags, position);
      const zf = b.let(at(6));
      // FR is 0 or 1, whose parity is even or odd; PF is inverted where that is not what is wanted.
      const invertPf = b.xor(zf, at(2));
      const inverters = b.or(b.shl(at(7), b.imm(1)), b.shl(invertPf, b.imm(2)));
      return { fr: b.xor(zf, b.imm(1)), fv: b.or(b.or(high(b.let(at(0)), at(11)), at(4)), inverters) };
    }
  }
}

// -- flags that wait ----------------------------------------------------------------------------------------------------------------------

/**
 * Rules by which a translation may leave the flag words for later: the two words then hold two values of the instruction, and FLAG_KIND says
 * by which rule and at which width they become FR and FV. The second value of `increment` and `decrement` has CF in bit 63, as FV has it.
 */
export const WAITING = ["sub", "add", "adc", "logic", "increment", "decrement", "shl", "shr", "sar"] as const;
export type Waiting = (typeof WAITING)[number];
const WIDTHS: readonly Width[] = [8, 16, 32, 64];

/** FLAG_KIND of a rule and a width; 0 is for words that are what they should be. */
export const flagKind = (rule: Waiting, bits: Width): number => 1 + WAITING.indexOf(rule) * WIDTHS.length + WIDTHS.indexOf(bits);
export const ruleOf = (kind: number): Waiting => WAITING[(kind - 1) >> 2]!;
export const widthOfKind = (kind: number): Width => WIDTHS[(kind - 1) & 3]!;
/** All kinds but 0. */
export const FLAG_KINDS: readonly number[] = WAITING.flatMap((rule) => WIDTHS.map((bits) => flagKind(rule, bits)));

/** The words that `kind` stands for, from the two values that are in their places. */
export function settledWords<V>(b: Sem<V>, kind: number, first: V, second: V): { fr: V; fv: V } {
  const bits = widthOfKind(kind);
  const words = flagWords(b, waitingEffect(b, ruleOf(kind), bits, first, second), bits, { fr: () => first, fv: () => second });
  return { fr: words.fr ?? first, fv: words.fv };
}
function waitingEffect<V>(b: Sem<V>, rule: Waiting, bits: Width, first: V, second: V): FlagEffect<V> {
  const one = b.imm(1);
  const before = (value: V): V => b.let(b.trunc(value, bits));
  switch (rule) {
    case "sub":
      return { kind: "sub", x: first, y: second, result: b.let(b.sub(first, second)) };
    case "add":
      return { kind: "add", x: before(b.sub(first, second)), y: second, result: first };
    case "adc":
      return { kind: "add", x: before(b.sub(b.sub(first, second), one)), y: second, carry: one, result: first };
    case "logic":
      return { kind: "logic", result: first };
    case "increment":
      return { kind: "increment", x: before(b.sub(first, one)), result: first };
    case "decrement":
      return { kind: "decrement", x: before(b.add(first, one)), result: first };
    case "shl":
      return { kind: "shl", x: first, count: second, result: b.let(b.shl(first, second)) };
    case "shr":
      return { kind: "shr", x: first, count: second, result: b.let(b.shr(first, second)) };
    case "sar":
      return { kind: "sar", x: first, count: second, result: b.let(b.sar(b.sext(first, bits), second)) };
  }
}

/**
 * The status flags as two 64-bit words (docs/decisions: flags as result and carries), in the Sem vocabulary, for every reading that keeps
 * them so: FR is the last result, sign-extended; FV holds the carries with the operand's top one in bit 63, AF in bit 0, and two bits that
 * invert SF and PF, so that POPF, SAHF and IRET can express any combination.
 */
import type { Flag, FlagEffect, Sem, Width } from "./sem.js";

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
    case "arith": {
      const { top, af } = spread(effect.carries);
      return { fr: b.sext(effect.result, bits), fv: b.or(top, af) };
    }
    case "arithKeepCf": {
      const { top, af } = spread(effect.carries);
      const cf = b.let(flag("CF"));
      const named = b.let(top);
      const of = b.shr(b.xor(named, b.shl(named, b.imm(1))), b.imm(63));
      return { fr: b.sext(effect.result, bits), fv: b.or(high(cf, of), af) };
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

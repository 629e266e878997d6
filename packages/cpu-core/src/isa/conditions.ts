/** The sixteen conditions of Jcc, SETcc and CMOVcc. SDM Vol. 1 Appendix B. */
import type { Sem } from "./sem.js";

export const CONDITION_NAMES = ["O", "NO", "B", "AE", "E", "NE", "BE", "A", "S", "NS", "P", "NP", "L", "GE", "LE", "G"] as const;

/** 1 when condition `cc` (0-15) holds, else 0. */
export function condition<V>(b: Sem<V>, cc: number): V {
  const known = b.condition?.(cc);
  if (known !== undefined) return known;
  const base = ((): V => {
    switch (cc >> 1) {
      case 0:
        return b.flag("OF");
      case 1:
        return b.flag("CF");
      case 2:
        return b.flag("ZF");
      case 3:
        return b.or(b.flag("CF"), b.flag("ZF"));
      case 4:
        return b.flag("SF");
      case 5:
        return b.flag("PF");
      case 6:
        return b.xor(b.flag("SF"), b.flag("OF"));
      default:
        return b.or(b.flag("ZF"), b.xor(b.flag("SF"), b.flag("OF")));
    }
  })();
  return (cc & 1) === 1 ? b.xor(base, b.imm(1)) : base;
}

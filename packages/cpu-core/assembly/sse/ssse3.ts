// SSSE3 on MMX registers. SDM Vol. 2, under each mnemonic.
import { getMmx, setMmx } from "./operands";
import {
  evenDwordsOf, evenWords, joinHalves, moveBytes, multiplyAddBytes, multiplyRounded, oddDwordsOf, oddWords, signBytes, signDwords,
  signWords,
} from "./vector-ops";

/** Both MMX operands side by side: a horizontal operation then leaves its result in the low half. */
// @ts-ignore: decorator
@inline
function joined(dst: usize, src: usize): v128 {
  return joinHalves(getMmx(dst), getMmx(src));
}

// -- SSSE3: horizontal sums ------------------------------------------------------------------------------------------------------------
export function mmxPhaddw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const both = joined(dst, src);
  setMmx(dst, i16x8.add(evenWords(both, both), oddWords(both, both)));
}
export function mmxPhaddd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const both = joined(dst, src);
  setMmx(dst, i32x4.add(evenDwordsOf(both, both), oddDwordsOf(both, both)));
}
export function mmxPhaddsw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const both = joined(dst, src);
  setMmx(dst, i16x8.add_sat_s(evenWords(both, both), oddWords(both, both)));
}
export function mmxPhsubw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const both = joined(dst, src);
  setMmx(dst, i16x8.sub(evenWords(both, both), oddWords(both, both)));
}
export function mmxPhsubd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const both = joined(dst, src);
  setMmx(dst, i32x4.sub(evenDwordsOf(both, both), oddDwordsOf(both, both)));
}
export function mmxPhsubsw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const both = joined(dst, src);
  setMmx(dst, i16x8.sub_sat_s(evenWords(both, both), oddWords(both, both)));
}

// -- SSSE3: the rest -------------------------------------------------------------------------------------------------------------------
export function mmxPmaddubsw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setMmx(dst, multiplyAddBytes(getMmx(dst), getMmx(src)));
}
export function mmxPmulhrsw(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, multiplyRounded(getMmx(dst), getMmx(src))); }
export function mmxPsignb(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, signBytes(getMmx(dst), getMmx(src))); }
export function mmxPsignw(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, signWords(getMmx(dst), getMmx(src))); }
export function mmxPsignd(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, signDwords(getMmx(dst), getMmx(src))); }
export function mmxPabsb(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i8x16.abs(getMmx(src))); }
export function mmxPabsw(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i16x8.abs(getMmx(src))); }
export function mmxPabsd(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i32x4.abs(getMmx(src))); }
export function mmxPshufb(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setMmx(dst, i8x16.swizzle(getMmx(dst), v128.and(getMmx(src), i8x16.splat(<i8>0x87))));
}
export function mmxPalignr(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setMmx(dst, moveBytes(joinHalves(getMmx(src), getMmx(dst)), imm > 16 ? 16 : <i32>imm));
}

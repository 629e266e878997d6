// SSSE3, on XMM and on MMX registers. SDM Vol. 2, under each mnemonic.
import { getMmx, getXmm, setMmx, setXmm } from "./operands";
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
export function phaddw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const a = getXmm(dst), b = getXmm(src);
  setXmm(dst, i16x8.add(evenWords(a, b), oddWords(a, b)));
}
export function mmxPhaddw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const both = joined(dst, src);
  setMmx(dst, i16x8.add(evenWords(both, both), oddWords(both, both)));
}
export function phaddd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const a = getXmm(dst), b = getXmm(src);
  setXmm(dst, i32x4.add(evenDwordsOf(a, b), oddDwordsOf(a, b)));
}
export function mmxPhaddd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const both = joined(dst, src);
  setMmx(dst, i32x4.add(evenDwordsOf(both, both), oddDwordsOf(both, both)));
}
export function phaddsw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const a = getXmm(dst), b = getXmm(src);
  setXmm(dst, i16x8.add_sat_s(evenWords(a, b), oddWords(a, b)));
}
export function mmxPhaddsw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const both = joined(dst, src);
  setMmx(dst, i16x8.add_sat_s(evenWords(both, both), oddWords(both, both)));
}
export function phsubw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const a = getXmm(dst), b = getXmm(src);
  setXmm(dst, i16x8.sub(evenWords(a, b), oddWords(a, b)));
}
export function mmxPhsubw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const both = joined(dst, src);
  setMmx(dst, i16x8.sub(evenWords(both, both), oddWords(both, both)));
}
export function phsubd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const a = getXmm(dst), b = getXmm(src);
  setXmm(dst, i32x4.sub(evenDwordsOf(a, b), oddDwordsOf(a, b)));
}
export function mmxPhsubd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const both = joined(dst, src);
  setMmx(dst, i32x4.sub(evenDwordsOf(both, both), oddDwordsOf(both, both)));
}
export function phsubsw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const a = getXmm(dst), b = getXmm(src);
  setXmm(dst, i16x8.sub_sat_s(evenWords(a, b), oddWords(a, b)));
}
export function mmxPhsubsw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const both = joined(dst, src);
  setMmx(dst, i16x8.sub_sat_s(evenWords(both, both), oddWords(both, both)));
}

// -- SSSE3: the rest -------------------------------------------------------------------------------------------------------------------
export function pmaddubsw(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, multiplyAddBytes(getXmm(dst), getXmm(src))); }
export function mmxPmaddubsw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setMmx(dst, multiplyAddBytes(getMmx(dst), getMmx(src)));
}
export function pmulhrsw(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, multiplyRounded(getXmm(dst), getXmm(src))); }
export function mmxPmulhrsw(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, multiplyRounded(getMmx(dst), getMmx(src))); }
export function psignb(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, signBytes(getXmm(dst), getXmm(src))); }
export function mmxPsignb(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, signBytes(getMmx(dst), getMmx(src))); }
export function psignw(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, signWords(getXmm(dst), getXmm(src))); }
export function mmxPsignw(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, signWords(getMmx(dst), getMmx(src))); }
export function psignd(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, signDwords(getXmm(dst), getXmm(src))); }
export function mmxPsignd(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, signDwords(getMmx(dst), getMmx(src))); }
export function pabsb(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i8x16.abs(getXmm(src))); }
export function mmxPabsb(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i8x16.abs(getMmx(src))); }
export function pabsw(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i16x8.abs(getXmm(src))); }
export function mmxPabsw(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i16x8.abs(getMmx(src))); }
export function pabsd(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i32x4.abs(getXmm(src))); }
export function mmxPabsd(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i32x4.abs(getMmx(src))); }
export function pshufb(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, i8x16.swizzle(getXmm(dst), v128.and(getXmm(src), i8x16.splat(<i8>0x8f))));
}
export function mmxPshufb(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setMmx(dst, i8x16.swizzle(getMmx(dst), v128.and(getMmx(src), i8x16.splat(<i8>0x87))));
}
/** PALIGNR: dst:src as one number, moved right by imm8 bytes. */
export function palignr(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const count = imm > 32 ? 32 : <i32>imm;
  setXmm(dst, v128.or(moveBytes(getXmm(src), count), moveBytes(getXmm(dst), count - 16)));
}
export function mmxPalignr(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setMmx(dst, moveBytes(joinHalves(getMmx(src), getMmx(dst)), imm > 16 ? 16 : <i32>imm));
}

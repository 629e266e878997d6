// MMX and the SSE extensions of MMX: the low half of a vector operation, written through setMmx. SDM Vol. 2, under each mnemonic.
// The frame has already put the x87 state into MMX form (mmxEnter). Moves are in moves.ts.
import { getMmx, setMmx } from "./operands";
import {
  joinHalves, multiplyEvenU, multiplyHighS, multiplyHighU, shiftArithmeticDwords, shiftArithmeticWords, shiftLeftDwords, shiftLeftQwords,
  shiftLeftWords, shiftRightDwords, shiftRightQwords, shiftRightWords, sumOfDifferences, unpackLowBytes, unpackLowDwords, unpackLowWords,
  wordControl,
} from "./vector-ops";

/** The two operands side by side, for what the XMM form takes from each whole register. */
// @ts-ignore: decorator
@inline
function joined(dst: usize, src: usize): v128 {
  return joinHalves(getMmx(dst), getMmx(src));
}
/** The upper half moved down. */
// @ts-ignore: decorator
@inline
function upper(v: v128): v128 {
  return i8x16.shuffle(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15);
}

// -- add and subtract ------------------------------------------------------------------------------------------------------------------
export function mmxPaddb(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i8x16.add(getMmx(dst), getMmx(src))); }
export function mmxPaddw(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i16x8.add(getMmx(dst), getMmx(src))); }
export function mmxPaddd(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i32x4.add(getMmx(dst), getMmx(src))); }
export function mmxPaddq(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i64x2.add(getMmx(dst), getMmx(src))); }
export function mmxPaddsb(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i8x16.add_sat_s(getMmx(dst), getMmx(src))); }
export function mmxPaddsw(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i16x8.add_sat_s(getMmx(dst), getMmx(src))); }
export function mmxPaddusb(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i8x16.add_sat_u(getMmx(dst), getMmx(src))); }
export function mmxPaddusw(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i16x8.add_sat_u(getMmx(dst), getMmx(src))); }
export function mmxPsubb(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i8x16.sub(getMmx(dst), getMmx(src))); }
export function mmxPsubw(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i16x8.sub(getMmx(dst), getMmx(src))); }
export function mmxPsubd(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i32x4.sub(getMmx(dst), getMmx(src))); }
export function mmxPsubq(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i64x2.sub(getMmx(dst), getMmx(src))); }
export function mmxPsubsb(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i8x16.sub_sat_s(getMmx(dst), getMmx(src))); }
export function mmxPsubsw(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i16x8.sub_sat_s(getMmx(dst), getMmx(src))); }
export function mmxPsubusb(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i8x16.sub_sat_u(getMmx(dst), getMmx(src))); }
export function mmxPsubusw(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i16x8.sub_sat_u(getMmx(dst), getMmx(src))); }

// -- average, minimum, maximum ---------------------------------------------------------------------------------------------------------
export function mmxPavgb(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i8x16.avgr_u(getMmx(dst), getMmx(src))); }
export function mmxPavgw(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i16x8.avgr_u(getMmx(dst), getMmx(src))); }
export function mmxPminub(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i8x16.min_u(getMmx(dst), getMmx(src))); }
export function mmxPmaxub(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i8x16.max_u(getMmx(dst), getMmx(src))); }
export function mmxPminsw(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i16x8.min_s(getMmx(dst), getMmx(src))); }
export function mmxPmaxsw(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i16x8.max_s(getMmx(dst), getMmx(src))); }

// -- multiply --------------------------------------------------------------------------------------------------------------------------
export function mmxPmullw(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i16x8.mul(getMmx(dst), getMmx(src))); }
export function mmxPmulhw(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, multiplyHighS(getMmx(dst), getMmx(src))); }
export function mmxPmulhuw(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, multiplyHighU(getMmx(dst), getMmx(src))); }
export function mmxPmuludq(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, multiplyEvenU(getMmx(dst), getMmx(src))); }
export function mmxPmaddwd(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i32x4.dot_i16x8_s(getMmx(dst), getMmx(src))); }
export function mmxPsadbw(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, sumOfDifferences(getMmx(dst), getMmx(src))); }

// -- compare ---------------------------------------------------------------------------------------------------------------------------
export function mmxPcmpeqb(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i8x16.eq(getMmx(dst), getMmx(src))); }
export function mmxPcmpeqw(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i16x8.eq(getMmx(dst), getMmx(src))); }
export function mmxPcmpeqd(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i32x4.eq(getMmx(dst), getMmx(src))); }
export function mmxPcmpgtb(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i8x16.gt_s(getMmx(dst), getMmx(src))); }
export function mmxPcmpgtw(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i16x8.gt_s(getMmx(dst), getMmx(src))); }
export function mmxPcmpgtd(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, i32x4.gt_s(getMmx(dst), getMmx(src))); }

// -- logic -----------------------------------------------------------------------------------------------------------------------------
export function mmxPand(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, v128.and(getMmx(dst), getMmx(src))); }
export function mmxPor(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, v128.or(getMmx(dst), getMmx(src))); }
export function mmxPxor(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, v128.xor(getMmx(dst), getMmx(src))); }
export function mmxPandn(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, v128.andnot(getMmx(src), getMmx(dst))); }

// -- shifts: by the low quadword of the source, or by an imm8 --------------------------------------------------------------------------
export function mmxPsllw(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, shiftLeftWords(getMmx(dst), load<u64>(src))); }
export function mmxPsllwImm(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, shiftLeftWords(getMmx(dst), imm)); }
export function mmxPslld(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, shiftLeftDwords(getMmx(dst), load<u64>(src))); }
export function mmxPslldImm(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, shiftLeftDwords(getMmx(dst), imm)); }
export function mmxPsllq(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, shiftLeftQwords(getMmx(dst), load<u64>(src))); }
export function mmxPsllqImm(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, shiftLeftQwords(getMmx(dst), imm)); }
export function mmxPsrlw(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, shiftRightWords(getMmx(dst), load<u64>(src))); }
export function mmxPsrlwImm(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, shiftRightWords(getMmx(dst), imm)); }
export function mmxPsrld(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, shiftRightDwords(getMmx(dst), load<u64>(src))); }
export function mmxPsrldImm(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, shiftRightDwords(getMmx(dst), imm)); }
export function mmxPsrlq(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, shiftRightQwords(getMmx(dst), load<u64>(src))); }
export function mmxPsrlqImm(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, shiftRightQwords(getMmx(dst), imm)); }
export function mmxPsraw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setMmx(dst, shiftArithmeticWords(getMmx(dst), load<u64>(src)));
}
export function mmxPsrawImm(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, shiftArithmeticWords(getMmx(dst), imm)); }
export function mmxPsrad(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setMmx(dst, shiftArithmeticDwords(getMmx(dst), load<u64>(src)));
}
export function mmxPsradImm(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, shiftArithmeticDwords(getMmx(dst), imm)); }

// -- pack and unpack -------------------------------------------------------------------------------------------------------------------
export function mmxPacksswb(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setMmx(dst, i8x16.narrow_i16x8_s(joined(dst, src), i64x2.splat(0)));
}
export function mmxPackssdw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setMmx(dst, i16x8.narrow_i32x4_s(joined(dst, src), i64x2.splat(0)));
}
export function mmxPackuswb(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setMmx(dst, i8x16.narrow_i16x8_u(joined(dst, src), i64x2.splat(0)));
}
export function mmxPunpcklbw(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, unpackLowBytes(getMmx(dst), getMmx(src))); }
export function mmxPunpckhbw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setMmx(dst, upper(unpackLowBytes(getMmx(dst), getMmx(src))));
}
export function mmxPunpcklwd(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, unpackLowWords(getMmx(dst), getMmx(src))); }
export function mmxPunpckhwd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setMmx(dst, upper(unpackLowWords(getMmx(dst), getMmx(src))));
}
export function mmxPunpckldq(cpu: usize, dst: usize, src: usize, imm: u32): void { setMmx(dst, unpackLowDwords(getMmx(dst), getMmx(src))); }
export function mmxPunpckhdq(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setMmx(dst, upper(unpackLowDwords(getMmx(dst), getMmx(src))));
}

// -- shuffle, insert, extract ----------------------------------------------------------------------------------------------------------
export function mmxPshufw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setMmx(dst, i8x16.swizzle(getMmx(src), i64x2(wordControl(imm), -1)));
}
export function mmxPinsrw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  store<u16>(dst + ((imm & 3) << 1), load<u16>(src));
  store<u16>(dst, 0xffff, 8);
}
export function mmxPextrw(cpu: usize, dst: usize, src: usize, imm: u32): void { store<u64>(dst, load<u16>(src + ((imm & 3) << 1))); }
export function mmxPmovmskb(cpu: usize, dst: usize, src: usize, imm: u32): void { store<u64>(dst, i8x16.bitmask(getMmx(src)) & 0xff); }

// SSE2 integer instructions on XMM registers: dst = dst op src. One line each; what is not one host operation is in vector-ops.ts.
// SDM Vol. 2, under each mnemonic. Functions have the "vec" signature: pointers to the operands and the imm8.
import { getXmm, setXmm } from "./operands";
import {
  dwordControl, highHalves, joinHalves, moveBytes, multiplyEvenU, multiplyHighS, multiplyHighU, shiftArithmeticDwords, shiftArithmeticWords,
  shiftLeftDwords, shiftLeftQwords, shiftLeftWords, shiftRightDwords, shiftRightQwords, shiftRightWords, sumOfDifferences, unpackHighBytes,
  unpackHighDwords, unpackHighWords, unpackLowBytes, unpackLowDwords, unpackLowWords, wordControl,
} from "./vector-ops";

// -- add and subtract ------------------------------------------------------------------------------------------------------------------
export function paddb(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i8x16.add(getXmm(dst), getXmm(src))); }
export function paddw(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i16x8.add(getXmm(dst), getXmm(src))); }
export function paddd(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i32x4.add(getXmm(dst), getXmm(src))); }
export function paddq(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i64x2.add(getXmm(dst), getXmm(src))); }
export function paddsb(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i8x16.add_sat_s(getXmm(dst), getXmm(src))); }
export function paddsw(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i16x8.add_sat_s(getXmm(dst), getXmm(src))); }
export function paddusb(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i8x16.add_sat_u(getXmm(dst), getXmm(src))); }
export function paddusw(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i16x8.add_sat_u(getXmm(dst), getXmm(src))); }
export function psubb(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i8x16.sub(getXmm(dst), getXmm(src))); }
export function psubw(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i16x8.sub(getXmm(dst), getXmm(src))); }
export function psubd(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i32x4.sub(getXmm(dst), getXmm(src))); }
export function psubq(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i64x2.sub(getXmm(dst), getXmm(src))); }
export function psubsb(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i8x16.sub_sat_s(getXmm(dst), getXmm(src))); }
export function psubsw(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i16x8.sub_sat_s(getXmm(dst), getXmm(src))); }
export function psubusb(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i8x16.sub_sat_u(getXmm(dst), getXmm(src))); }
export function psubusw(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i16x8.sub_sat_u(getXmm(dst), getXmm(src))); }

// -- average, minimum, maximum ---------------------------------------------------------------------------------------------------------
export function pavgb(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i8x16.avgr_u(getXmm(dst), getXmm(src))); }
export function pavgw(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i16x8.avgr_u(getXmm(dst), getXmm(src))); }
export function pminub(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i8x16.min_u(getXmm(dst), getXmm(src))); }
export function pmaxub(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i8x16.max_u(getXmm(dst), getXmm(src))); }
export function pminsw(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i16x8.min_s(getXmm(dst), getXmm(src))); }
export function pmaxsw(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i16x8.max_s(getXmm(dst), getXmm(src))); }

// -- multiply --------------------------------------------------------------------------------------------------------------------------
export function pmullw(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i16x8.mul(getXmm(dst), getXmm(src))); }
export function pmulhw(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, multiplyHighS(getXmm(dst), getXmm(src))); }
export function pmulhuw(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, multiplyHighU(getXmm(dst), getXmm(src))); }
export function pmuludq(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, multiplyEvenU(getXmm(dst), getXmm(src))); }
export function pmaddwd(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i32x4.dot_i16x8_s(getXmm(dst), getXmm(src))); }
export function psadbw(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, sumOfDifferences(getXmm(dst), getXmm(src))); }

// -- compare ---------------------------------------------------------------------------------------------------------------------------
export function pcmpeqb(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i8x16.eq(getXmm(dst), getXmm(src))); }
export function pcmpeqw(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i16x8.eq(getXmm(dst), getXmm(src))); }
export function pcmpeqd(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i32x4.eq(getXmm(dst), getXmm(src))); }
export function pcmpgtb(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i8x16.gt_s(getXmm(dst), getXmm(src))); }
export function pcmpgtw(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i16x8.gt_s(getXmm(dst), getXmm(src))); }
export function pcmpgtd(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i32x4.gt_s(getXmm(dst), getXmm(src))); }

// -- logic -----------------------------------------------------------------------------------------------------------------------------
export function pand(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, v128.and(getXmm(dst), getXmm(src))); }
export function por(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, v128.or(getXmm(dst), getXmm(src))); }
export function pxor(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, v128.xor(getXmm(dst), getXmm(src))); }
export function pandn(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, v128.andnot(getXmm(src), getXmm(dst))); }

// -- shifts: by the low quadword of the source, or by an imm8 --------------------------------------------------------------------------
export function psllw(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, shiftLeftWords(getXmm(dst), load<u64>(src))); }
export function psllwImm(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, shiftLeftWords(getXmm(dst), imm)); }
export function pslld(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, shiftLeftDwords(getXmm(dst), load<u64>(src))); }
export function pslldImm(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, shiftLeftDwords(getXmm(dst), imm)); }
export function psllq(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, shiftLeftQwords(getXmm(dst), load<u64>(src))); }
export function psllqImm(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, shiftLeftQwords(getXmm(dst), imm)); }
export function psrlw(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, shiftRightWords(getXmm(dst), load<u64>(src))); }
export function psrlwImm(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, shiftRightWords(getXmm(dst), imm)); }
export function psrld(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, shiftRightDwords(getXmm(dst), load<u64>(src))); }
export function psrldImm(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, shiftRightDwords(getXmm(dst), imm)); }
export function psrlq(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, shiftRightQwords(getXmm(dst), load<u64>(src))); }
export function psrlqImm(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, shiftRightQwords(getXmm(dst), imm)); }
export function psraw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, shiftArithmeticWords(getXmm(dst), load<u64>(src)));
}
export function psrawImm(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, shiftArithmeticWords(getXmm(dst), imm)); }
export function psrad(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, shiftArithmeticDwords(getXmm(dst), load<u64>(src)));
}
export function psradImm(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, shiftArithmeticDwords(getXmm(dst), imm)); }
export function pslldq(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, moveBytes(getXmm(dst), imm > 15 ? -16 : -<i32>imm));
}
export function psrldq(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, moveBytes(getXmm(dst), imm > 15 ? 16 : <i32>imm));
}

// -- pack and unpack -------------------------------------------------------------------------------------------------------------------
export function packsswb(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, i8x16.narrow_i16x8_s(getXmm(dst), getXmm(src)));
}
export function packssdw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, i16x8.narrow_i32x4_s(getXmm(dst), getXmm(src)));
}
export function packuswb(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, i8x16.narrow_i16x8_u(getXmm(dst), getXmm(src)));
}
export function punpcklbw(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, unpackLowBytes(getXmm(dst), getXmm(src))); }
export function punpckhbw(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, unpackHighBytes(getXmm(dst), getXmm(src))); }
export function punpcklwd(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, unpackLowWords(getXmm(dst), getXmm(src))); }
export function punpckhwd(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, unpackHighWords(getXmm(dst), getXmm(src))); }
export function punpckldq(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, unpackLowDwords(getXmm(dst), getXmm(src))); }
export function punpckhdq(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, unpackHighDwords(getXmm(dst), getXmm(src))); }
export function punpcklqdq(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, joinHalves(getXmm(dst), getXmm(src))); }
export function punpckhqdq(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, highHalves(getXmm(dst), getXmm(src))); }

// -- shuffle, insert, extract ----------------------------------------------------------------------------------------------------------
export function pshufd(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i8x16.swizzle(getXmm(src), dwordControl(imm))); }
export function pshuflw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, i8x16.swizzle(getXmm(src), i64x2(wordControl(imm), 0x0f0e0d0c0b0a0908)));
}
export function pshufhw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, i8x16.swizzle(getXmm(src), i64x2(0x0706050403020100, wordControl(imm) + 0x0808080808080808)));
}
export function pinsrw(cpu: usize, dst: usize, src: usize, imm: u32): void { store<u16>(dst + ((imm & 7) << 1), load<u16>(src)); }
export function pextrw(cpu: usize, dst: usize, src: usize, imm: u32): void { store<u64>(dst, load<u16>(src + ((imm & 7) << 1))); }
export function pmovmskb(cpu: usize, dst: usize, src: usize, imm: u32): void { store<u64>(dst, i8x16.bitmask(getXmm(src))); }

// Moves and shuffles of XMM and MMX registers, to and from memory and general registers. SDM Vol. 2. Many mnemonics are the same copy:
// the decode table names the function by what it does. A general register's slot is written whole (zero-extended), memory exactly.
import { getXmm, putMmx, setXmm } from "./operands";
import { highHalves, joinHalves, unpackHighDwords, unpackLowDwords } from "./vector-ops";

/** 16 bytes: MOVAPS MOVUPS MOVDQA MOVDQU LDDQU MOVNTDQA MOVNTPS and their stores. */
export function copy128(cpu: usize, dst: usize, src: usize, imm: u32): void {
  v128.store(dst, v128.load(src));
}
/** 8 bytes, the rest of the destination stays: stores, MOVSD between registers, MOVLPS loads, MOVQ into a general register. */
export function copy64(cpu: usize, dst: usize, src: usize, imm: u32): void {
  store<u64>(dst, load<u64>(src));
}
/** 4 bytes, likewise. */
export function copy32(cpu: usize, dst: usize, src: usize, imm: u32): void {
  store<u32>(dst, load<u32>(src));
}
/** 8 bytes into an XMM register, or 4 into a general one, the rest becomes zero. */
export function load64(cpu: usize, dst: usize, src: usize, imm: u32): void {
  v128.store(dst, v128.load64_zero(src));
}
export function load32(cpu: usize, dst: usize, src: usize, imm: u32): void {
  v128.store(dst, v128.load32_zero(src));
}
export function toGeneral32(cpu: usize, dst: usize, src: usize, imm: u32): void {
  store<u64>(dst, load<u32>(src));
}
/** MOVHPS loads and MOVLHPS: the low 8 bytes of the source into the upper half. */
export function copyToUpper(cpu: usize, dst: usize, src: usize, imm: u32): void {
  store<u64>(dst, load<u64>(src), 8);
}
/** MOVHPS stores and MOVHLPS: the upper half into the low 8 bytes. */
export function copyFromUpper(cpu: usize, dst: usize, src: usize, imm: u32): void {
  store<u64>(dst, load<u64>(src, 8));
}
/** Into an MMX register. */
export function mmxLoad64(cpu: usize, dst: usize, src: usize, imm: u32): void {
  putMmx(dst, load<u64>(src));
}
export function mmxLoad32(cpu: usize, dst: usize, src: usize, imm: u32): void {
  putMmx(dst, load<u32>(src));
}

export function movddup(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, v128.load64_splat(src));
}
export function movsldup(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const v = getXmm(src);
  setXmm(dst, i8x16.shuffle(v, v, 0, 1, 2, 3, 0, 1, 2, 3, 8, 9, 10, 11, 8, 9, 10, 11));
}
export function movshdup(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const v = getXmm(src);
  setXmm(dst, i8x16.shuffle(v, v, 4, 5, 6, 7, 4, 5, 6, 7, 12, 13, 14, 15, 12, 13, 14, 15));
}
export function unpcklps(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, unpackLowDwords(getXmm(dst), getXmm(src)));
}
export function unpckhps(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, unpackHighDwords(getXmm(dst), getXmm(src)));
}
export function unpcklpd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, joinHalves(getXmm(dst), getXmm(src)));
}
export function unpckhpd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, highHalves(getXmm(dst), getXmm(src)));
}
/** SHUFPS: two elements of dst, then two of src. */
export function shufps(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const low = <u64>load<u32>(dst + ((imm & 3) << 2)) | (<u64>load<u32>(dst + (((imm >> 2) & 3) << 2)) << 32);
  const high = <u64>load<u32>(src + (((imm >> 4) & 3) << 2)) | (<u64>load<u32>(src + (((imm >> 6) & 3) << 2)) << 32);
  setXmm(dst, i64x2(low, high));
}
export function shufpd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, i64x2(load<u64>(dst + ((imm & 1) << 3)), load<u64>(src + ((imm & 2) << 2))));
}
export function movmskps(cpu: usize, dst: usize, src: usize, imm: u32): void {
  store<u64>(dst, i32x4.bitmask(getXmm(src)));
}
export function movmskpd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  store<u64>(dst, i64x2.bitmask(getXmm(src)));
}

// SSE4.1 integer and blend instructions, and PCMPGTQ of SSE4.2. SDM Vol. 2, under each mnemonic.
import { XMM } from "../../src/layout";
import { CF, setStatus, ZF } from "../flags";
import { getXmm, setXmm } from "./operands";
import { moveBytes, multiplyEvenS } from "./vector-ops";

// -- arithmetic and comparison ---------------------------------------------------------------------------------------------------------
export function pmulld(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i32x4.mul(getXmm(dst), getXmm(src))); }
export function pmuldq(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, multiplyEvenS(getXmm(dst), getXmm(src))); }
export function packusdw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, i16x8.narrow_i32x4_u(getXmm(dst), getXmm(src)));
}
export function pcmpeqq(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i64x2.eq(getXmm(dst), getXmm(src))); }
export function pcmpgtq(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i64x2.gt_s(getXmm(dst), getXmm(src))); }
export function pminsb(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i8x16.min_s(getXmm(dst), getXmm(src))); }
export function pminsd(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i32x4.min_s(getXmm(dst), getXmm(src))); }
export function pminuw(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i16x8.min_u(getXmm(dst), getXmm(src))); }
export function pminud(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i32x4.min_u(getXmm(dst), getXmm(src))); }
export function pmaxsb(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i8x16.max_s(getXmm(dst), getXmm(src))); }
export function pmaxsd(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i32x4.max_s(getXmm(dst), getXmm(src))); }
export function pmaxuw(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i16x8.max_u(getXmm(dst), getXmm(src))); }
export function pmaxud(cpu: usize, dst: usize, src: usize, imm: u32): void { setXmm(dst, i32x4.max_u(getXmm(dst), getXmm(src))); }

// -- sign and zero extension: the source is a half, a quarter or an eighth of a register -----------------------------------------------
export function pmovsxbw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, i16x8.extend_low_i8x16_s(v128.load64_zero(src)));
}
export function pmovsxbd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(src))));
}
export function pmovsxbq(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, i64x2.extend_low_i32x4_s(i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(i32x4.splat(load<u16>(src))))));
}
export function pmovsxwd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, i32x4.extend_low_i16x8_s(v128.load64_zero(src)));
}
export function pmovsxwq(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, i64x2.extend_low_i32x4_s(i32x4.extend_low_i16x8_s(v128.load32_zero(src))));
}
export function pmovsxdq(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, i64x2.extend_low_i32x4_s(v128.load64_zero(src)));
}
export function pmovzxbw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, i16x8.extend_low_i8x16_u(v128.load64_zero(src)));
}
export function pmovzxbd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(v128.load32_zero(src))));
}
export function pmovzxbq(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, i64x2.extend_low_i32x4_u(i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(i32x4.splat(load<u16>(src))))));
}
export function pmovzxwd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, i32x4.extend_low_i16x8_u(v128.load64_zero(src)));
}
export function pmovzxwq(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, i64x2.extend_low_i32x4_u(i32x4.extend_low_i16x8_u(v128.load32_zero(src))));
}
export function pmovzxdq(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, i64x2.extend_low_i32x4_u(v128.load64_zero(src)));
}

// -- blends: XMM0 is the implied mask of the variable forms ----------------------------------------------------------------------------
export function pblendvb(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, v128.bitselect(getXmm(src), getXmm(dst), i8x16.shr_s(v128.load(cpu, XMM), 7)));
}
export function blendvps(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, v128.bitselect(getXmm(src), getXmm(dst), i32x4.shr_s(v128.load(cpu, XMM), 31)));
}
export function blendvpd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, v128.bitselect(getXmm(src), getXmm(dst), i64x2.shr_s(v128.load(cpu, XMM), 63)));
}
/** All ones in the words whose bit of `imm` is set. */
// @ts-ignore: decorator
@inline
function wordMask(imm: u32): v128 {
  const bits = i16x8(1, 2, 4, 8, 16, 32, 64, 128);
  return i16x8.eq(v128.and(i16x8.splat(<i16>imm), bits), bits);
}
/** Likewise for doublewords. */
// @ts-ignore: decorator
@inline
function dwordMask(imm: u32): v128 {
  const bits = i32x4(1, 2, 4, 8);
  return i32x4.eq(v128.and(i32x4.splat(imm), bits), bits);
}
export function pblendw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, v128.bitselect(getXmm(src), getXmm(dst), wordMask(imm)));
}
export function blendps(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, v128.bitselect(getXmm(src), getXmm(dst), dwordMask(imm)));
}
export function blendpd(cpu: usize, dst: usize, src: usize, imm: u32): void {
  setXmm(dst, v128.bitselect(getXmm(src), getXmm(dst), dwordMask((imm & 1 ? 3 : 0) | (imm & 2 ? 12 : 0))));
}

// -- insert and extract: a general register's slot is written whole, memory only as wide as the element --------------------------------
export function pinsrb(cpu: usize, dst: usize, src: usize, imm: u32): void { store<u8>(dst + (imm & 15), load<u8>(src)); }
export function pinsrd(cpu: usize, dst: usize, src: usize, imm: u32): void { store<u32>(dst + ((imm & 3) << 2), load<u32>(src)); }
export function pinsrq(cpu: usize, dst: usize, src: usize, imm: u32): void { store<u64>(dst + ((imm & 1) << 3), load<u64>(src)); }
export function pextrb(cpu: usize, dst: usize, src: usize, imm: u32): void { store<u64>(dst, load<u8>(src + (imm & 15))); }
export function pextrbStore(cpu: usize, dst: usize, src: usize, imm: u32): void { store<u8>(dst, load<u8>(src + (imm & 15))); }
export function pextrwStore(cpu: usize, dst: usize, src: usize, imm: u32): void { store<u16>(dst, load<u16>(src + ((imm & 7) << 1))); }
export function pextrd(cpu: usize, dst: usize, src: usize, imm: u32): void { store<u64>(dst, load<u32>(src + ((imm & 3) << 2))); }
export function pextrdStore(cpu: usize, dst: usize, src: usize, imm: u32): void { store<u32>(dst, load<u32>(src + ((imm & 3) << 2))); }
export function pextrq(cpu: usize, dst: usize, src: usize, imm: u32): void { store<u64>(dst, load<u64>(src + ((imm & 1) << 3))); }

// @ts-ignore: decorator
@inline
function insertSingle(dst: usize, value: u32, imm: u32): void {
  store<u32>(dst + (((imm >> 4) & 3) << 2), value);
  setXmm(dst, v128.andnot(getXmm(dst), dwordMask(imm)));
}
/** INSERTPS: bits 6-7 choose the source element of a register, 4-5 the place, 0-3 elements to clear. */
export function insertps(cpu: usize, dst: usize, src: usize, imm: u32): void {
  insertSingle(dst, load<u32>(src + (((imm >> 6) & 3) << 2)), imm);
}
export function insertpsMem(cpu: usize, dst: usize, src: usize, imm: u32): void { insertSingle(dst, load<u32>(src), imm); }

// -- tests and searches ----------------------------------------------------------------------------------------------------------------
/** PTEST: ZF for no common bit, CF when src has none outside dst. */
export function ptest(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const a = getXmm(dst), b = getXmm(src);
  setStatus(cpu, (v128.any_true(v128.and(a, b)) ? 0 : ZF) | (v128.any_true(v128.andnot(b, a)) ? 0 : CF));
}
/** PHMINPOSUW: the smallest word and its lowest index. */
export function phminposuw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  let best: u32 = 0xffffffff;
  for (let i: u32 = 0; i < 8; i++) {
    const candidate = (<u32>load<u16>(src + (i << 1)) << 16) | i;
    if (candidate < best) best = candidate;
  }
  setXmm(dst, i64x2((best >> 16) | ((best & 7) << 16), 0));
}
/** MPSADBW: eight sums over four neighbouring bytes of dst (imm8 bit 2: 4 further on) against one group of four of src (bits 0-1). */
export function mpsadbw(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const window = moveBytes(getXmm(dst), imm & 4);
  const group = load<u32>(src + ((imm & 3) << 2));
  let sum = differences(window, 0, group);
  sum = i16x8.add(sum, differences(window, 1, group >> 8));
  sum = i16x8.add(sum, differences(window, 2, group >> 16));
  setXmm(dst, i16x8.add(sum, differences(window, 3, group >> 24)));
}
// @ts-ignore: decorator
@inline
function differences(window: v128, offset: i32, byte: u32): v128 {
  return i16x8.abs(i16x8.sub(i16x8.extend_low_i8x16_u(moveBytes(window, offset)), i16x8.splat(<i16>(byte & 0xff))));
}

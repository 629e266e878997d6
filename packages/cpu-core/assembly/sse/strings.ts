// PCMPESTRI PCMPESTRM PCMPISTRI PCMPISTRM. SDM Vol. 2B §4.1 (the control byte).
// The first operand is the needle (set, ranges, pattern), the second the text. A comparison of one needle element with the whole text is
// one vector operation; its bit mask is then combined by scalar logic. Bit j of a result belongs to text element j.
import { GPR, XMM } from "../../src/layout";
import { CF, OF, setStatus, SF, ZF } from "../flags";

const RAX: usize = GPR;
const RCX: usize = GPR + 8;
const RDX: usize = GPR + 16;

// imm8: bit 0 words, bit 1 signed, bits 2-3 aggregation, bit 4 negate, bit 5 only valid elements, bit 6 last index or byte mask
const WORDS: u32 = 1;
const SIGNED: u32 = 2;
const RANGES: u32 = 1;
const EACH: u32 = 2;
const ORDERED: u32 = 3;

/** Elements before the first zero. */
function implicitLength(address: usize, imm: u32): u32 {
  const v = v128.load(address);
  const zeroes = imm & WORDS ? i16x8.bitmask(i16x8.eq(v, i16x8.splat(0))) | 0x100 : i8x16.bitmask(i8x16.eq(v, i8x16.splat(0))) | 0x10000;
  return ctz<i32>(zeroes);
}
/** |length|, at most the number of elements; 32-bit lengths arrive sign-extended. */
function explicitLength(length: i64, imm: u32): u32 {
  const size: u64 = length < 0 ? 0 - <u64>length : <u64>length;
  const elements: u64 = imm & WORDS ? 8 : 16;
  return <u32>(size < elements ? size : elements);
}

/** Mask of the text elements equal to the needle's element `i`. */
function equalTo(needle: usize, i: u32, text: v128, imm: u32): u32 {
  if (imm & WORDS) return i16x8.bitmask(i16x8.eq(text, v128.load16_splat(needle + (i << 1))));
  return i8x16.bitmask(i8x16.eq(text, v128.load8_splat(needle + i)));
}
/** Mask of the text elements within needle elements `i` and `i + 1`, both included. */
function within(needle: usize, i: u32, text: v128, imm: u32): u32 {
  if (imm & WORDS) {
    const low = v128.load16_splat(needle + (i << 1)), high = v128.load16_splat(needle + (i << 1) + 2);
    if (imm & SIGNED) return i16x8.bitmask(v128.and(i16x8.ge_s(text, low), i16x8.le_s(text, high)));
    return i16x8.bitmask(v128.and(i16x8.ge_u(text, low), i16x8.le_u(text, high)));
  }
  const low = v128.load8_splat(needle + i), high = v128.load8_splat(needle + i + 1);
  if (imm & SIGNED) return i8x16.bitmask(v128.and(i8x16.ge_s(text, low), i8x16.le_s(text, high)));
  return i8x16.bitmask(v128.and(i8x16.ge_u(text, low), i8x16.le_u(text, high)));
}

/** IntRes1: the aggregated comparison, with the manual's rules for elements past either end. */
function aggregate(needle: usize, needleLength: u32, text: usize, textLength: u32, imm: u32): u32 {
  const all: u32 = imm & WORDS ? 0xff : 0xffff;
  const valid = ((<u32>1) << textLength) - 1;
  const v = v128.load(text);
  let r: u32 = 0;
  switch ((imm >> 2) & 3) {
    case EACH: {
      const needleValid = ((<u32>1) << needleLength) - 1;
      const n = v128.load(needle);
      const equal: u32 = imm & WORDS ? i16x8.bitmask(i16x8.eq(n, v)) : i8x16.bitmask(i8x16.eq(n, v));
      return (equal & valid & needleValid) | (all & ~(valid | needleValid));
    }
    case ORDERED:
      r = all;
      // Past the text's end a valid needle element fails, but beyond the register it is not looked at.
      for (let i: u32 = 0; i < needleLength; i++) r &= ((equalTo(needle, i, v, imm) & valid) >> i) | ~(all >> i);
      return r;
    case RANGES:
      for (let i: u32 = 0; i + 1 < needleLength; i += 2) r |= within(needle, i, v, imm);
      return r & valid;
    default:
      for (let i: u32 = 0; i < needleLength; i++) r |= equalTo(needle, i, v, imm);
      return r & valid;
  }
}

/** IntRes2, and the flags: CF any, ZF text ends here, SF needle ends here, OF bit 0. */
function compareStrings(cpu: usize, needle: usize, needleLength: u32, text: usize, textLength: u32, imm: u32): u32 {
  const elements: u32 = imm & WORDS ? 8 : 16;
  let r = aggregate(needle, needleLength, text, textLength, imm);
  if (imm & 16) r ^= imm & 32 ? ((<u32>1) << textLength) - 1 : ((<u32>1) << elements) - 1;
  setStatus(cpu, (r ? CF : 0) | (textLength < elements ? ZF : 0) | (needleLength < elements ? SF : 0) | (r & 1 ? OF : 0));
  return r;
}

/** The I forms: ECX is the index of the first or last set bit, or the number of elements. */
// @ts-ignore: decorator
@inline
function storeIndex(cpu: usize, r: u32, imm: u32): void {
  const none: u32 = imm & WORDS ? 8 : 16;
  store<u64>(cpu, r == 0 ? none : imm & 64 ? 31 - clz<u32>(r) : ctz<u32>(r), RCX);
}
/** The M forms: XMM0 is the bit mask, or every bit spread to an element. */
function storeMask(cpu: usize, r: u32, imm: u32): void {
  if (!(imm & 64)) return v128.store(cpu, i64x2(r, 0), XMM);
  if (imm & WORDS) {
    const bits = i16x8(1, 2, 4, 8, 16, 32, 64, 128);
    return v128.store(cpu, i16x8.eq(v128.and(i16x8.splat(<i16>r), bits), bits), XMM);
  }
  const bits = i8x16(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128);
  const spread = i64x2(<u64>(r & 0xff) * 0x0101010101010101, <u64>(r >> 8) * 0x0101010101010101);
  v128.store(cpu, i8x16.eq(v128.and(spread, bits), bits), XMM);
}

// @ts-ignore: decorator
@inline
function implicit(cpu: usize, dst: usize, src: usize, imm: u32): u32 {
  return compareStrings(cpu, dst, implicitLength(dst, imm), src, implicitLength(src, imm), imm);
}
// @ts-ignore: decorator
@inline
function explicit<T>(cpu: usize, dst: usize, src: usize, imm: u32): u32 {
  return compareStrings(cpu, dst, explicitLength(load<T>(cpu, RAX), imm), src, explicitLength(load<T>(cpu, RDX), imm), imm);
}

export function pcmpistri(cpu: usize, dst: usize, src: usize, imm: u32): void {
  storeIndex(cpu, implicit(cpu, dst, src, imm), imm);
}
export function pcmpistrm(cpu: usize, dst: usize, src: usize, imm: u32): void {
  storeMask(cpu, implicit(cpu, dst, src, imm), imm);
}
/** Lengths in EAX and EDX; the forms with REX.W take RAX and RDX. */
export function pcmpestri32(cpu: usize, dst: usize, src: usize, imm: u32): void {
  storeIndex(cpu, explicit<i32>(cpu, dst, src, imm), imm);
}
export function pcmpestri64(cpu: usize, dst: usize, src: usize, imm: u32): void {
  storeIndex(cpu, explicit<i64>(cpu, dst, src, imm), imm);
}
export function pcmpestrm32(cpu: usize, dst: usize, src: usize, imm: u32): void {
  storeMask(cpu, explicit<i32>(cpu, dst, src, imm), imm);
}
export function pcmpestrm64(cpu: usize, dst: usize, src: usize, imm: u32): void {
  storeMask(cpu, explicit<i64>(cpu, dst, src, imm), imm);
}

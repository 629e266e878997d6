// The SHA extensions: SHA-1 and SHA-256 rounds and message schedules. FIPS 180-4 §6.1, §6.2; SDM Vol. 2B "SHA1RNDS4" to "SHA256RNDS2".
// Element 3 of a register (its top doubleword) is the first of a group: SHA-1 has A B C D in 3 2 1 0.
import { XMM } from "../../src/layout";
import { getXmm, setXmm } from "./operands";

/** Element `i` of the vector at `address`. */
// @ts-ignore: decorator
@inline
function at(address: usize, i: usize): u32 {
  return load<u32>(address + (i << 2));
}

/** Round function and constant of SHA-1's four stages. */
// @ts-ignore: decorator
@inline
function mix1(stage: u32, b: u32, c: u32, d: u32): u32 {
  if (stage == 0) return ((b & c) ^ (~b & d)) + 0x5a827999;
  if (stage == 1) return (b ^ c ^ d) + 0x6ed9eba1;
  if (stage == 2) return ((b & c) ^ (b & d) ^ (c & d)) + 0x8f1bbcdc;
  return (b ^ c ^ d) + 0xca62c1d6;
}
/** Four rounds; E is already added to the first message word (SHA1NEXTE). */
export function sha1rnds4(cpu: usize, dst: usize, src: usize, imm: u32): void {
  let a = at(dst, 3), b = at(dst, 2), c = at(dst, 1), d = at(dst, 0), e: u32 = 0;
  for (let i: i32 = 3; i >= 0; i--) {
    const next = mix1(imm & 3, b, c, d) + rotl<u32>(a, 5) + at(src, i) + e;
    e = d;
    d = c;
    c = rotl<u32>(b, 30);
    b = a;
    a = next;
  }
  setXmm(dst, i32x4(d, c, b, a));
}
export function sha1nexte(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const e = rotl<u32>(at(dst, 3), 30);
  setXmm(dst, i32x4.replace_lane(getXmm(src), 3, at(src, 3) + e));
}
export function sha1msg1(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const a = getXmm(dst), b = getXmm(src);
  setXmm(dst, v128.xor(a, i8x16.shuffle(b, a, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23)));
}
export function sha1msg2(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const w16 = rotl<u32>(at(dst, 3) ^ at(src, 2), 1);
  const w17 = rotl<u32>(at(dst, 2) ^ at(src, 1), 1);
  const w18 = rotl<u32>(at(dst, 1) ^ at(src, 0), 1);
  const w19 = rotl<u32>(at(dst, 0) ^ w16, 1);
  setXmm(dst, i32x4(w19, w18, w17, w16));
}

/** Two rounds; dst has C D G H in 3 2 1 0, src A B E F, XMM0 the two words plus constants. */
export function sha256rnds2(cpu: usize, dst: usize, src: usize, imm: u32): void {
  let a = at(src, 3), b = at(src, 2), c = at(dst, 3), d = at(dst, 2);
  let e = at(src, 1), f = at(src, 0), g = at(dst, 1), h = at(dst, 0);
  for (let i: usize = 0; i < 2; i++) {
    const choose = (e & f) ^ (~e & g);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    const t = h + (rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25)) + choose + at(cpu + XMM, i);
    h = g;
    g = f;
    f = e;
    e = d + t;
    d = c;
    c = b;
    b = a;
    a = t + (rotr<u32>(b, 2) ^ rotr<u32>(b, 13) ^ rotr<u32>(b, 22)) + majority;
  }
  setXmm(dst, i32x4(f, e, b, a));
}
// @ts-ignore: decorator
@inline
function smallSigma0(x: u32): u32 {
  return rotr<u32>(x, 7) ^ rotr<u32>(x, 18) ^ (x >> 3);
}
// @ts-ignore: decorator
@inline
function smallSigma1(x: u32): u32 {
  return rotr<u32>(x, 17) ^ rotr<u32>(x, 19) ^ (x >> 10);
}
export function sha256msg1(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const sums = i32x4(smallSigma0(at(dst, 1)), smallSigma0(at(dst, 2)), smallSigma0(at(dst, 3)), smallSigma0(at(src, 0)));
  setXmm(dst, i32x4.add(getXmm(dst), sums));
}
export function sha256msg2(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const w16 = at(dst, 0) + smallSigma1(at(src, 2)), w17 = at(dst, 1) + smallSigma1(at(src, 3));
  setXmm(dst, i32x4(w16, w17, at(dst, 2) + smallSigma1(w16), at(dst, 3) + smallSigma1(w17)));
}

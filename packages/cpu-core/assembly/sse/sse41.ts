// What of SSE4.1 is a function of its own: PHMINPOSUW and MPSADBW. SDM Vol. 2, under each mnemonic.
import { getXmm, setXmm } from "./operands";
import { moveBytes } from "./vector-ops";

// -- tests and searches ----------------------------------------------------------------------------------------------------------------
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

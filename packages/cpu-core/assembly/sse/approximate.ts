// RCPPS/SS and RSQRTPS/SS. The architecture bounds the relative error by 1.5 * 2^-12 and leaves the rest to the maker; here the result is
// the correctly rounded one. Denormals count as zeroes, coming in and going out; no exception is signalled, MXCSR is not looked at.
// SDM Vol. 2B.
import { everyLane, ordinaries, safelyNormals } from "./lanes";
import { infinityBits, isNaNBits, signBit } from "./soft-float";

const QUIET: u32 = 0x00400000;
const INDEFINITE: u32 = 0xffc00000;
const SMALLEST_NORMAL: u32 = 0x00800000;

function reciprocal(bits: u32): u32 {
  const sign = bits & <u32>signBit<f32>(), size = bits ^ sign;
  if (isNaNBits<f32>(bits)) return bits | QUIET;
  if (size < SMALLEST_NORMAL) return sign | <u32>infinityBits<f32>();
  const r = reinterpret<u32>(<f32>1 / reinterpret<f32>(size));
  return sign | (r < SMALLEST_NORMAL ? 0 : r);
}
function reciprocalRoot(bits: u32): u32 {
  const sign = bits & <u32>signBit<f32>(), size = bits ^ sign;
  if (isNaNBits<f32>(bits)) return bits | QUIET;
  if (size < SMALLEST_NORMAL) return sign | <u32>infinityBits<f32>();
  if (sign) return INDEFINITE;
  return reinterpret<u32>(<f32>(1.0 / sqrt<f64>(<f64>reinterpret<f32>(size))));
}

export function rcpss(cpu: usize, dst: usize, src: usize, imm: u32): void {
  store<u32>(dst, reciprocal(load<u32>(src)));
}
export function rcpps(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const x = v128.load(src), r = f32x4.div(f32x4.splat(1), x);
  if (everyLane(v128.and(ordinaries<f32>(x), safelyNormals<f32>(r)))) return v128.store(dst, r);
  for (let i: usize = 0; i < 16; i += 4) store<u32>(dst + i, reciprocal(load<u32>(src + i)));
}
export function rsqrtss(cpu: usize, dst: usize, src: usize, imm: u32): void {
  store<u32>(dst, reciprocalRoot(load<u32>(src)));
}
export function rsqrtps(cpu: usize, dst: usize, src: usize, imm: u32): void {
  for (let i: usize = 0; i < 16; i += 4) store<u32>(dst + i, reciprocalRoot(load<u32>(src + i)));
}

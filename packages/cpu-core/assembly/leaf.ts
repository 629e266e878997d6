// Leaf functions of the instruction vocabulary (src/isa/sem.ts): arithmetic too large to spell there.

/** High 64 bits of the unsigned product, by four 32-bit products. */
export function mulHighU(a: u64, b: u64): u64 {
  const al = a & 0xffffffff, ah = a >> 32, bl = b & 0xffffffff, bh = b >> 32;
  const low = al * bl;
  const mid1 = ah * bl + (low >> 32);
  const mid2 = al * bh + (mid1 & 0xffffffff);
  return ah * bh + (mid1 >> 32) + (mid2 >> 32);
}

export function mulHighS(a: u64, b: u64): u64 {
  let high = mulHighU(a, b);
  if (<i64>a < 0) high -= b;
  if (<i64>b < 0) high -= a;
  return high;
}

/** Quotient of (hi:lo) / d for hi < d: long division by halves (Knuth, TAOCP vol. 2, 4.3.1 algorithm D with 32-bit digits). */
export function divU128(hi: u64, lo: u64, d: u64): u64 {
  if (hi == 0) return lo / d;
  const shift = clz<u64>(d);
  const divisor = d << shift;
  const upper = shift ? (hi << shift) | (lo >> (64 - shift)) : hi;
  const lower = lo << shift;
  const q1 = digit(upper, lower >> 32, divisor);
  const rest = ((upper << 32) | (lower >> 32)) - q1 * divisor;
  const q0 = digit(rest, lower & 0xffffffff, divisor);
  return (q1 << 32) | q0;
}

/** One 32-bit digit of the quotient (upper:next) / divisor, the divisor's top bit being set. */
function digit(upper: u64, next: u64, divisor: u64): u64 {
  const dh = divisor >> 32, dl = divisor & 0xffffffff;
  let q = upper / dh;
  let rest = upper - q * dh;
  while (q > 0xffffffff || q * dl > ((rest << 32) | next)) {
    q--;
    rest += dh;
    if (rest > 0xffffffff) break;
  }
  return q;
}

/** Signed (hi:lo) / d as magnitudes; the quotient fits when its magnitude is below 2^63, or 2^63 and negative. */
export function divFitsS128(hi: u64, lo: u64, d: u64): u64 {
  if (d == 0) return 0;
  const negative = <i64>(hi ^ d) < 0;
  const nl = <i64>hi < 0 ? 0 - lo : lo;
  const nh = <i64>hi < 0 ? ~hi + <u64>(lo == 0) : hi;
  const nd = <i64>d < 0 ? 0 - d : d;
  if (nh >= nd) return 0;
  const q = divU128(nh, nl, nd);
  return <u64>(q <= (negative ? 0x8000000000000000 : 0x7fffffffffffffff));
}

export function divS128(hi: u64, lo: u64, d: u64): u64 {
  const negative = <i64>(hi ^ d) < 0;
  const nl = <i64>hi < 0 ? 0 - lo : lo;
  const nh = <i64>hi < 0 ? ~hi + <u64>(lo == 0) : hi;
  const q = divU128(nh, nl, <i64>d < 0 ? 0 - d : d);
  return negative ? 0 - q : q;
}

/** CRC-32C (polynomial 0x11EDC6F41, reflected) over the low `bits` bits of `data`. */
export function crc32c(crc: u64, data: u64, bits: u64): u64 {
  let c = <u32>crc;
  for (let i: u64 = 0; i < bits; i += 8) {
    c ^= <u32>(data >> i) & 0xff;
    for (let k = 0; k < 8; k++) c = (c >>> 1) ^ (c & 1 ? 0x82f63b78 : 0);
  }
  return <u64>c;
}

export function pdep(x: u64, mask: u64): u64 {
  let result: u64 = 0;
  while (mask) {
    const lowest = mask & (0 - mask);
    if (x & 1) result |= lowest;
    x >>= 1;
    mask &= mask - 1;
  }
  return result;
}

export function pext(x: u64, mask: u64): u64 {
  let result: u64 = 0;
  let place: u64 = 1;
  while (mask) {
    if (x & mask & (0 - mask)) result |= place;
    place <<= 1;
    mask &= mask - 1;
  }
  return result;
}

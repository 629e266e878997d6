/** Leaf functions of the instruction vocabulary on bigints: the definitions, not the methods (compare assembly/leaf.ts). For tests. */
import type { Leaf } from "../isa/sem.js";

const unsigned = (x: bigint): bigint => BigInt.asUintN(64, x);
const signed = (x: bigint): bigint => BigInt.asIntN(64, x);
/** (hi:lo) as one signed number. */
const wide = (hi: bigint, lo: bigint): bigint => (signed(hi) << 64n) | lo;

/** CRC-32C: the polynomial 0x11EDC6F41, bits of each byte from the lowest on (RFC 3720 appendix B.4). */
function crc32c(crc: bigint, data: bigint, bits: bigint): bigint {
  let c = crc & 0xffffffffn;
  for (let i = 0n; i < bits; i++) {
    const low = (c ^ (data >> i)) & 1n;
    c = (c >> 1n) ^ (low * 0x82f63b78n);
  }
  return c;
}

/** The bits of `x` from the lowest on go to the places that `mask` has set. */
function deposit(x: bigint, mask: bigint): bigint {
  let result = 0n;
  let next = 0n;
  for (let place = 0n; place < 64n; place++) if ((mask >> place) & 1n) result |= ((x >> next++) & 1n) << place;
  return result;
}
function extract(x: bigint, mask: bigint): bigint {
  let result = 0n;
  let next = 0n;
  for (let place = 0n; place < 64n; place++) if ((mask >> place) & 1n) result |= ((x >> place) & 1n) << next++;
  return result;
}

export const leaves: Readonly<Record<Leaf, (...args: bigint[]) => bigint>> = {
  mulHighU: (a, b) => (a! * b!) >> 64n,
  mulHighS: (a, b) => unsigned((signed(a!) * signed(b!)) >> 64n),
  divU128: (hi, lo, d) => unsigned(((hi! << 64n) | lo!) / d!),
  divFitsS128(hi, lo, d) {
    if (d === 0n) return 0n;
    const quotient = wide(hi!, lo!) / signed(d!);
    return quotient === signed(unsigned(quotient)) ? 1n : 0n;
  },
  divS128: (hi, lo, d) => unsigned(wide(hi!, lo!) / signed(d!)),
  crc32c: (crc, data, bits) => crc32c(crc!, data!, bits!),
  pdep: (x, mask) => deposit(x!, mask!),
  pext: (x, mask) => extract(x!, mask!),
};

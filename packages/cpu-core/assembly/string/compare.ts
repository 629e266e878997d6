// SCAS and CMPS with REPE and REPNE. SDM Vol. 2B. The flags are those of the last comparison done; a fault leaves the flags of the
// comparison before it, as the registers do.
import { AUX_REP, AUX_REPNE, ES, FR, FV, U_AUX, U_SEG } from "../../src/layout";
import { faulted } from "../fault";
import { segAddress } from "../memory/segmentation";
import { wideSize } from "./move";
import {
  addressMask,
  fetch,
  readable,
  RAX_SLOT,
  RCX_SLOT,
  RDI_SLOT,
  rewind,
  roomFor,
  RSI_SLOT,
  setIndex,
  sliceOf,
  stride,
  wholePage,
} from "./run";

/** Flags of left - right at `size` bytes. */
function compareFlags(cpu: usize, left: u64, right: u64, size: u32): void {
  const shift: u64 = 64 - 8 * size;
  const result = left - right;
  const borrows = (~left & right) | (~(left ^ right) & result);
  store<i64>(cpu, <i64>(result << shift) >> shift, FR);
  store<u64>(cpu, ((borrows << shift) & 0xc000000000000000) | ((borrows >> 3) & 1), FV);
}

/** `size` bytes as a mask. */
// @ts-ignore: decorator
@inline
function elementMask(size: u32): u64 {
  return <u64>-1 >> (64 - 8 * size);
}

/** The first element of a vector's comparison (one bit an element) that ends the search, or `lanes`. */
// @ts-ignore: decorator
@inline
function firstOf(equal: i32, lanes: u32, untilEqual: bool): u32 {
  const all = ((<u32>1 << lanes) - 1);
  const ends = (untilEqual ? <u32>equal : ~<u32>equal) & all;
  return ends ? ctz(ends) : lanes;
}

/** Elements of `size` bytes of two vectors that are equal, as bits. */
// @ts-ignore: decorator
@inline
function equalElements(a: v128, b: v128, size: u32): i32 {
  if (size == 1) return i8x16.bitmask(i8x16.eq(a, b));
  if (size == 2) return i16x8.bitmask(i16x8.eq(a, b));
  if (size == 4) return i32x4.bitmask(i32x4.eq(a, b));
  return i64x2.bitmask(i64x2.eq(a, b));
}

/** How many of `n` elements from `host` on equal (or, with `untilEqual`, differ from) `value` before the first that ends the search. */
function skipScan(host: usize, n: u64, size: u32, step: i64, value: u64, untilEqual: bool): u64 {
  let i: u64 = 0;
  if (step > 0) {
    const lanes: u32 = 16 >> ctz(size);
    const wanted = size == 1 ? i8x16.splat(<i8>value) : size == 2 ? i16x8.splat(<i16>value) : size == 4 ? i32x4.splat(<i32>value) : i64x2.splat(value);
    for (; i + <u64>lanes <= n; i += lanes, host += 16) {
      const at = firstOf(equalElements(v128.load(host), wanted, size), lanes, untilEqual);
      if (at < lanes) return i + <u64>at;
    }
  }
  for (; i < n; i++, host += <usize>step) if ((fetch(host, size) == value) == untilEqual) break;
  return i;
}

/** Likewise for two strings. */
function skipCompare(a: usize, b: usize, n: u64, size: u32, step: i64, untilEqual: bool): u64 {
  let i: u64 = 0;
  if (step > 0) {
    const lanes: u32 = 16 >> ctz(size);
    for (; i + <u64>lanes <= n; i += lanes, a += 16, b += 16) {
      const at = firstOf(equalElements(v128.load(a), v128.load(b), size), lanes, untilEqual);
      if (at < lanes) return i + <u64>at;
    }
  }
  for (; i < n; i++, a += <usize>step, b += <usize>step) if ((fetch(a, size) == fetch(b, size)) == untilEqual) break;
  return i;
}

/** One instruction; `scan`: SCAS (accumulator against ES:rDI), else CMPS (seg:rSI against ES:rDI). */
function compareString(cpu: usize, u: usize, size: u32, scan: bool): void {
  const aux = load<u32>(u, U_AUX);
  const mask = addressMask(aux);
  const step = stride(cpu, size);
  const seg: u32 = load<u8>(u, U_SEG) & 7;
  const repeat = (aux & (AUX_REP | AUX_REPNE)) != 0;
  const untilEqual = (aux & AUX_REPNE) != 0;
  let count: u64 = repeat ? load<u64>(cpu, RCX_SLOT) & mask : 1;
  if (!count) return;
  let left: u64 = repeat ? sliceOf(cpu, size) : 1;
  const accumulator = load<u64>(cpu, RAX_SLOT) & elementMask(size);
  for (;;) {
    const rsi = load<u64>(cpu, RSI_SLOT) & mask;
    const rdi = load<u64>(cpu, RDI_SLOT) & mask;
    // When both operands fault, the processor reports ES:rDI.
    const target = segAddress(cpu, ES, rdi, size, false);
    if (faulted(cpu)) return;
    const to = readable(cpu, target, size);
    if (!to) return;
    let second = fetch(to, size);
    let source: u64 = 0;
    let from: usize = 0;
    let first = accumulator;
    if (!scan) {
      source = segAddress(cpu, seg, rsi, size, false);
      if (faulted(cpu)) return;
      from = readable(cpu, source, size);
      if (!from) return;
      first = fetch(from, size);
    }
    let most = min(count, left);
    let done: u64 = 1;
    if (most > 1 && wholePage(cpu, from) && wholePage(cpu, to)) {
      most = min(most, roomFor(cpu, ES, rdi, target, size, step, mask));
      if (scan) {
        done = skipScan(to, most, size, step, first, untilEqual);
      } else {
        most = min(most, roomFor(cpu, seg, rsi, source, size, step, mask));
        done = skipCompare(from, to, most, size, step, untilEqual);
      }
      if (done < most) done++; // the element that ends the search counts
      const last = <usize>((done - 1) * step);
      if (!scan) first = fetch(from + last, size);
      second = fetch(to + last, size);
    }
    compareFlags(cpu, first, second, size);
    if (!scan) setIndex(cpu, RSI_SLOT, mask, rsi + done * step);
    setIndex(cpu, RDI_SLOT, mask, rdi + done * step);
    if (!repeat) return;
    count -= done;
    left -= done;
    setIndex(cpu, RCX_SLOT, mask, count);
    if (!count || (first == second) == untilEqual) return;
    if (!left) {
      rewind(cpu, u);
      return;
    }
  }
}

export function scasByte(cpu: usize, u: usize): void {
  compareString(cpu, u, 1, true);
}
export function scasWide(cpu: usize, u: usize): void {
  compareString(cpu, u, wideSize(load<u32>(u, U_AUX)), true);
}
export function cmpsByte(cpu: usize, u: usize): void {
  compareString(cpu, u, 1, false);
}
export function cmpsWide(cpu: usize, u: usize): void {
  compareString(cpu, u, wideSize(load<u32>(u, U_AUX)), false);
}

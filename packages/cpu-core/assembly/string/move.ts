// MOVS, STOS and LODS, single and repeated. SDM Vol. 2B. Runs of elements within one page go through host pointers; where the bytes
// of a move overlap so that the result depends on the order (a forward move to a higher address), elements move one by one.
import { AUX_OP16, AUX_OP64, AUX_REP, AUX_REPNE, ES, SCRATCH, U_AUX, U_SEG } from "../../src/layout";
import { faulted } from "../fault";
import { commit } from "../memory/access";
import { segAddress } from "../memory/segmentation";
import {
  addressMask,
  fetch,
  put,
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
  wholePageWritable,
  writable,
} from "./run";

const COPY_MIN: u32 = 256; // shorter runs are quicker by vectors than through memory.copy
const FILL_MIN: u32 = 128; // and than through memory.fill

/** Operand size of the non-byte forms. */
// @ts-ignore: decorator
@inline
export function wideSize(aux: u32): u32 {
  return aux & AUX_OP64 ? 8 : aux & AUX_OP16 ? 2 : 4;
}

/** Copies `n` elements as the processor's order of bytes demands; `step` is negative when it goes downwards. */
function copyRun(to: usize, from: usize, n: u32, size: u32, step: i64): void {
  let bytes = n * size;
  if (step < 0) {
    const low = bytes - size;
    if (bytes >= COPY_MIN && (to >= from || to + bytes <= from)) {
      memory.copy(to - low, from - low, bytes);
      return;
    }
    for (; n; n--, to -= size, from -= size) put(to, size, fetch(from, size));
    return;
  }
  if (bytes >= COPY_MIN && (to <= from || to >= from + bytes)) {
    memory.copy(to, from, bytes);
    return;
  }
  // Towards lower addresses, or where the pattern repeats at a distance that the piece does not see, larger pieces do the same.
  const distance = to - from;
  if (distance >= 16) {
    for (; bytes >= 16; bytes -= 16, to += 16, from += 16) v128.store(to, v128.load(from));
  }
  if (distance >= 8) {
    for (; bytes >= 8; bytes -= 8, to += 8, from += 8) store<u64>(to, load<u64>(from));
    if (bytes & 4) {
      store<u32>(to, load<u32>(from));
      to += 4;
      from += 4;
    }
    for (bytes &= 3; bytes; bytes--, to++, from++) store<u8>(to, load<u8>(from));
    return;
  }
  for (; n; n--, to += size, from += size) put(to, size, fetch(from, size));
}

/** Moves up to `most` elements; returns how many, 0 on a fault. Registers are the caller's. */
function moveSome(cpu: usize, seg: u32, rsi: u64, rdi: u64, size: u32, step: i64, mask: u64, most: u64): u64 {
  const source = segAddress(cpu, seg, rsi, size, false);
  if (faulted(cpu)) return 0;
  const from = readable(cpu, source, size);
  if (!from) return 0;
  const value = fetch(from, size); // SCRATCH is used again by the store
  const direct = wholePage(cpu, from);
  const target = segAddress(cpu, ES, rdi, size, true);
  if (faulted(cpu)) return 0;
  const to = writable(cpu, target, size);
  if (!to) return 0;
  if (to == cpu + SCRATCH) {
    put(to, size, value);
    commit(cpu);
    return faulted(cpu) ? 0 : 1;
  }
  if (most == 1 || !direct || !wholePageWritable(cpu, target)) {
    put(to, size, value);
    return 1;
  }
  const n = min(most, min(roomFor(cpu, seg, rsi, source, size, step, mask), roomFor(cpu, ES, rdi, target, size, step, mask)));
  copyRun(to, from, <u32>n, size, step);
  return n;
}

function moveString(cpu: usize, u: usize, size: u32): void {
  const aux = load<u32>(u, U_AUX);
  const mask = addressMask(aux);
  const step = stride(cpu, size);
  const seg: u32 = load<u8>(u, U_SEG) & 7;
  const repeat = (aux & (AUX_REP | AUX_REPNE)) != 0;
  let count: u64 = repeat ? load<u64>(cpu, RCX_SLOT) & mask : 1;
  if (!count) return;
  let left: u64 = repeat ? sliceOf(cpu, size) : 1;
  for (;;) {
    const rsi = load<u64>(cpu, RSI_SLOT) & mask;
    const rdi = load<u64>(cpu, RDI_SLOT) & mask;
    const n = moveSome(cpu, seg, rsi, rdi, size, step, mask, min(count, left));
    if (!n) return;
    setIndex(cpu, RSI_SLOT, mask, rsi + n * step);
    setIndex(cpu, RDI_SLOT, mask, rdi + n * step);
    if (!repeat) return;
    count -= n;
    left -= n;
    setIndex(cpu, RCX_SLOT, mask, count);
    if (!count) return;
    if (!left) {
      rewind(cpu, u);
      return;
    }
  }
}

/** Writes `n` equal elements upwards from `low`. */
function fillRun(low: usize, n: u32, size: u32, value: u64): void {
  let bytes = n * size;
  let pattern = value;
  if (size == 1) pattern = (value & 0xff) * 0x0101010101010101;
  else if (size == 2) pattern = (value & 0xffff) * 0x0001000100010001;
  else if (size == 4) pattern = (value & 0xffffffff) * 0x0000000100000001;
  if (bytes >= FILL_MIN && pattern == (pattern & 0xff) * 0x0101010101010101) {
    memory.fill(low, <u8>pattern, bytes);
    return;
  }
  for (const vector = i64x2.splat(pattern); bytes >= 16; bytes -= 16, low += 16) v128.store(low, vector);
  for (; bytes >= 8; bytes -= 8, low += 8) store<u64>(low, pattern);
  for (; bytes; bytes -= size, low += size) put(low, size, pattern);
}

/** Stores up to `most` elements; returns how many, 0 on a fault. */
function storeSome(cpu: usize, rdi: u64, value: u64, size: u32, step: i64, mask: u64, most: u64): u64 {
  const target = segAddress(cpu, ES, rdi, size, true);
  if (faulted(cpu)) return 0;
  const to = writable(cpu, target, size);
  if (!to) return 0;
  if (to == cpu + SCRATCH) {
    put(to, size, value);
    commit(cpu);
    return faulted(cpu) ? 0 : 1;
  }
  if (most == 1 || !wholePageWritable(cpu, target)) {
    put(to, size, value);
    return 1;
  }
  const n = min(most, roomFor(cpu, ES, rdi, target, size, step, mask));
  fillRun(step < 0 ? to - <usize>(n - 1) * size : to, <u32>n, size, value);
  return n;
}

function storeString(cpu: usize, u: usize, size: u32): void {
  const aux = load<u32>(u, U_AUX);
  const mask = addressMask(aux);
  const step = stride(cpu, size);
  const repeat = (aux & (AUX_REP | AUX_REPNE)) != 0;
  const value = load<u64>(cpu, RAX_SLOT);
  let count: u64 = repeat ? load<u64>(cpu, RCX_SLOT) & mask : 1;
  if (!count) return;
  let left: u64 = repeat ? sliceOf(cpu, size) : 1;
  for (;;) {
    const rdi = load<u64>(cpu, RDI_SLOT) & mask;
    const n = storeSome(cpu, rdi, value, size, step, mask, min(count, left));
    if (!n) return;
    setIndex(cpu, RDI_SLOT, mask, rdi + n * step);
    if (!repeat) return;
    count -= n;
    left -= n;
    setIndex(cpu, RCX_SLOT, mask, count);
    if (!count) return;
    if (!left) {
      rewind(cpu, u);
      return;
    }
  }
}

/** Writes AL, AX, EAX or RAX. */
// @ts-ignore: decorator
@inline
export function setAccumulator(cpu: usize, size: u32, value: u64): void {
  if (size == 1) store<u8>(cpu, <u8>value, RAX_SLOT);
  else if (size == 2) store<u16>(cpu, <u16>value, RAX_SLOT);
  else if (size == 4) store<u64>(cpu, value & 0xffffffff, RAX_SLOT);
  else store<u64>(cpu, value, RAX_SLOT);
}

function loadString(cpu: usize, u: usize, size: u32): void {
  const aux = load<u32>(u, U_AUX);
  const mask = addressMask(aux);
  const step = stride(cpu, size);
  const seg: u32 = load<u8>(u, U_SEG) & 7;
  const repeat = (aux & (AUX_REP | AUX_REPNE)) != 0;
  let count: u64 = repeat ? load<u64>(cpu, RCX_SLOT) & mask : 1;
  if (!count) return;
  let left: u64 = repeat ? sliceOf(cpu, size) : 1;
  for (;;) {
    const rsi = load<u64>(cpu, RSI_SLOT) & mask;
    const source = segAddress(cpu, seg, rsi, size, false);
    if (faulted(cpu)) return;
    const from = readable(cpu, source, size);
    if (!from) return;
    setAccumulator(cpu, size, fetch(from, size));
    setIndex(cpu, RSI_SLOT, mask, rsi + step);
    if (!repeat) return;
    count--;
    left--;
    setIndex(cpu, RCX_SLOT, mask, count);
    if (!count) return;
    if (!left) {
      rewind(cpu, u);
      return;
    }
  }
}

export function movsByte(cpu: usize, u: usize): void {
  moveString(cpu, u, 1);
}
export function movsWide(cpu: usize, u: usize): void {
  moveString(cpu, u, wideSize(load<u32>(u, U_AUX)));
}
export function stosByte(cpu: usize, u: usize): void {
  storeString(cpu, u, 1);
}
export function stosWide(cpu: usize, u: usize): void {
  storeString(cpu, u, wideSize(load<u32>(u, U_AUX)));
}
export function lodsByte(cpu: usize, u: usize): void {
  loadString(cpu, u, 1);
}
export function lodsWide(cpu: usize, u: usize): void {
  loadString(cpu, u, wideSize(load<u32>(u, U_AUX)));
}

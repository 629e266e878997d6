// What all string instructions share: address and operand sizes, the registers they walk, and how far one run of elements may go.
// SDM Vol. 1 §7.3.9, Vol. 2B "REP". A repeated instruction works in slices of at most SLICE_BYTES: at the end of a slice that is not the
// last, RIP goes back to the instruction, so that interrupts are taken between iterations. Each slice counts as one retired
// instruction; its length depends on the guest's state alone, so counts are the same on every tier and in every run.
import {
  AUX_AD32,
  AUX_AD64,
  DEBUG_PENDING,
  EFLAGS,
  FS,
  GPR,
  LIN_MASK,
  MODE,
  MODE_64,
  MODE_FLAT,
  REHEARSAL,
  RESTART,
  RESTART_AGAIN,
  RIP,
  SEG,
  SEG_ACCESS,
  SEG_LIMIT,
  SEG_SIZE,
  CTX,
  SCRATCH,
  STEP_TF,
  TLB,
  TLB_ADDEND,
  TLB_ENTRIES,
  TLB_R,
  TLB_SHIFT,
  TLB_W,
  U_LEN,
  WATCH,
} from "../../src/layout";
import { DF, RF, TF } from "../flags";
import { readPtr, writePtr } from "../memory/access";

const SLICE_BYTES: u32 = 0x10000;
/** Iterations of a slice of INS, OUTS: each is a call to a device. */
export const SLICE_PORTS: u64 = 1024;
export const RAX_SLOT: usize = GPR;
export const RCX_SLOT: usize = GPR + 8;
export const RDX_SLOT: usize = GPR + 16;
export const RSI_SLOT: usize = GPR + 48;
export const RDI_SLOT: usize = GPR + 56;

/** Bits of the registers that the address size uses. */
// @ts-ignore: decorator
@inline
export function addressMask(aux: u32): u64 {
  return aux & AUX_AD64 ? -1 : aux & AUX_AD32 ? 0xffffffff : 0xffff;
}

/** Writes an index or count register at the address size: 16 bits keep the rest, 32 bits zero the upper half. */
export function setIndex(cpu: usize, slot: usize, mask: u64, value: u64): void {
  if (mask == 0xffff) store<u16>(cpu + slot, <u16>value);
  else store<u64>(cpu + slot, value & mask);
}

/** +size or -size by EFLAGS.DF. */
// @ts-ignore: decorator
@inline
export function stride(cpu: usize, size: u32): i64 {
  return load<u32>(cpu, EFLAGS) & DF ? -<i64>size : <i64>size;
}

/** Iterations before the instruction must give way: one while each may trap (single step, data and I/O breakpoints) or be refused. */
export function sliceOf(cpu: usize, size: u32): u64 {
  return load<u32>(cpu, EFLAGS) & TF || load<u32>(cpu, WATCH) | load<u32>(cpu, DEBUG_PENDING) | load<u32>(cpu, REHEARSAL) ? 1 : <u64>(SLICE_BYTES >> ctz(size));
}

/** The instruction is not finished: execute it again. RF is set until its last iteration (SDM Vol. 3B §17.3.1.1). */
export function rewind(cpu: usize, u: usize): void {
  store<u64>(cpu, (load<u64>(cpu, RIP) - <u64>load<u8>(u, U_LEN)) & load<u64>(cpu, LIN_MASK), RIP);
  store<u32>(cpu, RESTART_AGAIN, RESTART);
  store<u32>(cpu, load<u32>(cpu, EFLAGS) | RF, EFLAGS);
  store<u32>(cpu, load<u32>(cpu, STEP_TF) | RF, STEP_TF);
}

/** Elements that can follow each other from `offset` (linear address `linear`) inside one page, one segment and without wrapping. */
export function roomFor(cpu: usize, seg: u32, offset: u64, linear: u64, size: u32, step: i64, mask: u64): u64 {
  const inPage = <u32>linear & 0xfff;
  const shift: u64 = ctz(size);
  let room: u64 = step < 0 ? (<u64>inPage >> shift) + 1 : <u64>(0x1000 - inPage) >> shift;
  if (room == 0) return 1;
  // Offsets of a flat segment end with a page.
  const mode = load<u32>(cpu, MODE);
  if (mode & MODE_FLAT && seg < <u32>FS && mask != 0xffff) return room;
  if (mask != <u64>-1) room = min(room, step < 0 ? (offset >> shift) + 1 : (mask - offset + 1) >> shift);
  if (!(mode & MODE_64)) {
    const s = cpu + SEG + seg * SEG_SIZE;
    if ((load<u32>(s, SEG_ACCESS) & 0xc) == 4) return 1; // an expand-down data segment
    if (step > 0) room = min(room, (<u64>load<u32>(s, SEG_LIMIT) - offset + 1) >> shift);
  }
  return max<u64>(room, 1);
}

// @ts-ignore: decorator
@inline
function entryAt(cpu: usize, linear: u64): usize {
  return <usize>load<u32>(cpu, TLB) + ((<usize>(linear >> 12) & (TLB_ENTRIES - 1)) << TLB_SHIFT);
}

// @ts-ignore: decorator
@inline
function tagOf(cpu: usize, linear: u64, size: u32): u64 {
  return ((linear + <u64>(size - 1)) & ~0xfff) ^ load<u64>(cpu, CTX);
}

/** readPtr, after a look into the TLB. */
export function readable(cpu: usize, linear: u64, size: u32): usize {
  const entry = entryAt(cpu, linear);
  if (load<u64>(entry, TLB_R) == tagOf(cpu, linear, size)) return load<u32>(entry, TLB_ADDEND) + <u32>linear;
  return readPtr(cpu, linear, size);
}

/** writePtr, after a look into the TLB. */
export function writable(cpu: usize, linear: u64, size: u32): usize {
  const entry = entryAt(cpu, linear);
  if (load<u64>(entry, TLB_W) == tagOf(cpu, linear, size)) return load<u32>(entry, TLB_ADDEND) + <u32>linear;
  return writePtr(cpu, linear, size);
}

/** Does the host address that `readable` gave reach the whole page? Not where it is a copy, nor while data breakpoints watch. */
// @ts-ignore: decorator
@inline
export function wholePage(cpu: usize, host: usize): bool {
  return host != cpu + SCRATCH && load<u32>(cpu, WATCH) == 0;
}

/** May the whole page of `linear` be written through the host address that `writable` gave: is there a tag for stores? */
// @ts-ignore: decorator
@inline
export function wholePageWritable(cpu: usize, linear: u64): bool {
  return load<u64>(entryAt(cpu, linear), TLB_W) == tagOf(cpu, linear, 1);
}

/** An element at a host address, zero-extended. */
// @ts-ignore: decorator
@inline
export function fetch(host: usize, size: u32): u64 {
  return size == 1 ? <u64>load<u8>(host) : size == 2 ? <u64>load<u16>(host) : size == 4 ? <u64>load<u32>(host) : load<u64>(host);
}

/** Puts an element at a host address. */
// @ts-ignore: decorator
@inline
export function put(host: usize, size: u32, value: u64): void {
  if (size == 1) store<u8>(host, <u8>value);
  else if (size == 2) store<u16>(host, <u16>value);
  else if (size == 4) store<u32>(host, <u32>value);
  else store<u64>(host, value);
}

// Operand access for handlers outside the interpreter's loop, and the pieces that the loop calls when an operand is not plain.
import {
  CTX, FAULT, GPR, LIN_MASK, MODE, MODE_64, SEG, SEG_BASE, SEG_SIZE, SS, TLB, TLB_ADDEND, TLB_ENTRIES, TLB_R, TLB_SHIFT, TLB_W, U_BASE, U_DISP, U_INDEX,
  U_DST, U_SCALE, U_SEG,
} from "../src/layout";
import { GP, SS_, faulted } from "./fault";
import { rd8, readPtr, rmwPtr, writePtr } from "./memory/access";
import { segAddress, uopAddress, uopOffset } from "./memory/segmentation";

// @ts-ignore: decorator
@inline
function entryOf(cpu: usize, linear: u64): usize {
  return <usize>load<u32>(cpu, TLB) + ((<usize>(linear >> 12) & (TLB_ENTRIES - 1)) << TLB_SHIFT);
}
// @ts-ignore: decorator
@inline
function tagOf(cpu: usize, linear: u64, size: u32): u64 {
  return ((linear + <u64>(size - 1)) & ~0xfff) ^ load<u64>(cpu, CTX);
}

/** Host address to read `size` bytes at `linear`; see readPtr. */
export function readAt(cpu: usize, linear: u64, size: u32): usize {
  const entry = entryOf(cpu, linear);
  if (load<u64>(entry, TLB_R) == tagOf(cpu, linear, size)) return load<u32>(entry, TLB_ADDEND) + <u32>linear;
  return readPtr(cpu, linear, size);
}
export function writeAt(cpu: usize, linear: u64, size: u32): usize {
  const entry = entryOf(cpu, linear);
  if (load<u64>(entry, TLB_W) == tagOf(cpu, linear, size)) return load<u32>(entry, TLB_ADDEND) + <u32>linear;
  return writePtr(cpu, linear, size);
}
export function modifyAt(cpu: usize, linear: u64, size: u32): usize {
  const entry = entryOf(cpu, linear);
  if (load<u64>(entry, TLB_W) == tagOf(cpu, linear, size)) return load<u32>(entry, TLB_ADDEND) + <u32>linear;
  return rmwPtr(cpu, linear, size);
}

/** Linear address of `u`'s memory operand; plain ones without checks. */
export function operandAddress(cpu: usize, u: usize, size: u32, write: bool): u64 {
  const plain =
    (load<u64>(cpu + load<u16>(u, U_BASE)) + (load<u64>(cpu + load<u16>(u, U_INDEX)) << <u64>load<u8>(u, U_SCALE)) + <u64>(<i64>load<i32>(u, U_DISP))) &
    load<u64>(cpu, LIN_MASK);
  return load<u8>(u, U_SEG) & 0x48 ? segmented(cpu, u, plain, size, write) : plain;
}

/** The same when U_SEG says that the operand is not plain: FS and GS in 64-bit code only add a base; all else is checked. */
export function segmented(cpu: usize, u: usize, plain: u64, size: u32, write: bool): u64 {
  const seg = load<u8>(u, U_SEG);
  if (seg & 0x40) return plain + load<u64>(cpu + SEG + (seg & 7) * SEG_SIZE, SEG_BASE);
  return uopAddress(cpu, u, size, write);
}

/** Effective address without the segment (LEA). */
export function effectiveAddress(cpu: usize, u: usize): u64 {
  return uopOffset(cpu, u);
}

/** Address of the word that a bit-string instruction means: the signed bit offset in the register reaches outside the operand. */
export function bitAddress(cpu: usize, u: usize, size: u32, write: bool): u64 {
  const register = cpu + load<u16>(u, U_DST);
  const bit: i64 = size == 8 ? load<i64>(register) : size == 4 ? <i64>load<i32>(register) : <i64>load<i16>(register);
  const words = size == 8 ? bit >> 6 : size == 4 ? bit >> 5 : bit >> 4;
  const kind = (load<u8>(u, U_SEG) >> 4) & 3;
  let offset = uopOffset(cpu, u) + <u64>(words * <i64>size);
  if (kind < 2) offset &= kind == 1 ? 0xffffffff : 0xffff;
  return segAddress(cpu, load<u8>(u, U_SEG) & 7, offset, size, write);
}

/** XLAT: AL = [rBX + AL] at the address size. SDM Vol. 2D. */
export function xlat(cpu: usize, u: usize): void {
  const kind = (load<u8>(u, U_SEG) >> 4) & 3;
  let offset = load<u64>(cpu, GPR + 24) + <u64>load<u8>(cpu, GPR);
  if (kind < 2) offset &= kind == 1 ? 0xffffffff : 0xffff;
  const linear = segAddress(cpu, load<u8>(u, U_SEG) & 7, offset, 1, false);
  if (faulted(cpu)) return;
  const value = rd8(cpu, linear);
  if (!faulted(cpu)) store<u8>(cpu, <u8>value, GPR);
}

/** In 64-bit code an access through SS to an address that is not canonical is #SS, not #GP. */
export function stackFault(cpu: usize): void {
  if (load<i32>(cpu, FAULT) == GP && load<u32>(cpu, MODE) & MODE_64) store<i32>(cpu, SS_, FAULT);
}
export function operandFault(cpu: usize, u: usize): void {
  if ((load<u8>(u, U_SEG) & 7) == SS) stackFault(cpu);
}

/** Count register of LOOP and JCXZ at the address size; `countDown` also decrements it. */
export function countOf(cpu: usize, u: usize): u64 {
  const rcx = load<u64>(cpu, GPR + 8);
  const kind = (load<u8>(u, U_SEG) >> 4) & 3;
  return kind == 2 ? rcx : kind == 1 ? rcx & 0xffffffff : rcx & 0xffff;
}
export function countDown(cpu: usize, u: usize): u64 {
  const kind = (load<u8>(u, U_SEG) >> 4) & 3;
  const left = countOf(cpu, u) - 1;
  if (kind == 2) store<u64>(cpu, left, GPR + 8);
  else if (kind == 1) store<u64>(cpu, left & 0xffffffff, GPR + 8);
  else store<u16>(cpu, <u16>left, GPR + 8);
  return countOf(cpu, u);
}
/** Takes countDown back. */
export function countUp(cpu: usize, u: usize): void {
  const kind = (load<u8>(u, U_SEG) >> 4) & 3;
  const more = countOf(cpu, u) + 1;
  if (kind == 2) store<u64>(cpu, more, GPR + 8);
  else if (kind == 1) store<u64>(cpu, more & 0xffffffff, GPR + 8);
  else store<u16>(cpu, <u16>more, GPR + 8);
}

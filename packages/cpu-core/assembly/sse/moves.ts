// Moves of MMX registers, to and from memory and general registers. SDM Vol. 2. Many mnemonics are the same copy: the decode table names the
// function by what it does. A general register's slot is written whole (zero-extended), memory exactly.
import { putMmx } from "./operands";

/** 8 bytes, the rest of the destination stays: stores, MOVSD between registers, MOVLPS loads, MOVQ into a general register. */
export function copy64(cpu: usize, dst: usize, src: usize, imm: u32): void {
  store<u64>(dst, load<u64>(src));
}
/** 4 bytes, likewise. */
export function copy32(cpu: usize, dst: usize, src: usize, imm: u32): void {
  store<u32>(dst, load<u32>(src));
}
/** 8 bytes into an XMM register, or 4 into a general one, the rest becomes zero. */
export function load64(cpu: usize, dst: usize, src: usize, imm: u32): void {
  v128.store(dst, v128.load64_zero(src));
}
export function toGeneral32(cpu: usize, dst: usize, src: usize, imm: u32): void {
  store<u64>(dst, load<u32>(src));
}
/** Into an MMX register. */
export function mmxLoad64(cpu: usize, dst: usize, src: usize, imm: u32): void {
  putMmx(dst, load<u64>(src));
}
export function mmxLoad32(cpu: usize, dst: usize, src: usize, imm: u32): void {
  putMmx(dst, load<u32>(src));
}

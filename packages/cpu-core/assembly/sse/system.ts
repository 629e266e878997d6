// MXCSR loads and stores, CLFLUSH, and the masked stores through rDI. SDM Vol. 2A "LDMXCSR", "CLFLUSH", "MASKMOVDQU".
import { GPR, MXCSR, SCRATCH, U_DST, U_SEG, U_SRC } from "../../src/layout";
import { GP, faulted, raiseError } from "../fault";
import { commit } from "../memory/access";
import { segAddress } from "../memory/segmentation";
import { modifyAt } from "../operand";
import { mmxCheck, mmxEnter } from "../x87/pointers";

const RESERVED: u32 = ~0xffff;
const RDI: usize = GPR + 7 * 8;

export function ldmxcsr(cpu: usize, dst: usize, src: usize, imm: u32): void {
  const value = load<u32>(src);
  if (value & RESERVED) return raiseError(cpu, GP, 0);
  store<u32>(cpu, value, MXCSR);
}
export function stmxcsr(cpu: usize, dst: usize, src: usize, imm: u32): void {
  store<u32>(dst, load<u32>(cpu, MXCSR));
}
/** CLFLUSH and CLFLUSHOPT: there is no cache to flush; the frame has found the byte readable. */
export function clflush(cpu: usize, dst: usize, src: usize, imm: u32): void {}

/** Stores the bytes of `value` whose mask byte is negative at seg:rDI. All of the operand must be writable, whatever the mask. */
function maskedStore(cpu: usize, u: usize, size: u32, value: v128, mask: v128): void {
  const seg = <u32>load<u8>(u, U_SEG);
  const addressSize = (seg >> 4) & 3;
  const rdi = load<u64>(cpu, RDI);
  const offset = addressSize == 2 ? rdi : addressSize == 1 ? rdi & 0xffffffff : rdi & 0xffff;
  const linear = segAddress(cpu, seg & 7, offset, size, true);
  if (faulted(cpu)) return;
  const at = modifyAt(cpu, linear, size);
  if (at == 0) return;
  const chosen = i8x16.shr_s(mask, 7);
  if (size == 8) store<u64>(at, i64x2.extract_lane(v128.bitselect(value, v128.load64_zero(at), chosen), 0));
  else v128.store(at, v128.bitselect(value, v128.load(at), chosen));
  if (at == cpu + SCRATCH) commit(cpu);
}
/** MASKMOVDQU, a "sys" function. */
export function maskmovdqu(cpu: usize, u: usize): void {
  maskedStore(cpu, u, 16, v128.load(cpu + load<u16>(u, U_DST)), v128.load(cpu + load<u16>(u, U_SRC)));
}
/** MASKMOVQ, likewise. */
export function maskmovq(cpu: usize, u: usize): void {
  if (!mmxCheck(cpu)) return;
  maskedStore(cpu, u, 8, v128.load64_zero(cpu + load<u16>(u, U_DST)), v128.load64_zero(cpu + load<u16>(u, U_SRC)));
  if (!faulted(cpu)) mmxEnter(cpu);
}

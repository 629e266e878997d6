// Checks and register access that the system instructions share.
import {
  AUX_OP64,
  AUX_REG_SHIFT,
  COUNT,
  CPL,
  EXIT_ARG,
  GPR,
  MSR_MISC_ENABLE,
  RETIRED,
  TSC_AT,
  TSC_BASE,
  TSC_OFFSET,
  TSC_PACE,
  TSC_SPAN,
  U_AUX,
  VENDOR,
} from "../../src/layout";
import { GP, raiseError } from "../fault";
import { hostReadTsc } from "../imports";

export const AX: usize = GPR;
export const CX: usize = GPR + 8;
export const DX: usize = GPR + 16;
export const BX: usize = GPR + 24;
export const SP: usize = GPR + 32;
export const R11: usize = GPR + 88;

/** #GP(0); for use as `return refuse(cpu)`. */
export function refuse(cpu: usize): bool {
  raiseError(cpu, GP, 0);
  return false;
}

/** True at CPL 0 (real mode included); else #GP(0) is pending. */
export function privileged(cpu: usize): bool {
  return load<u32>(cpu, CPL) == 0 || refuse(cpu);
}

// @ts-ignore: decorator
@inline
export function isAmd(cpu: usize): bool {
  return load<u32>(cpu, VENDOR) == 1;
}

/** IA32_MISC_ENABLE's XD Bit Disable is set: the processor hides NX (SDM Vol. 4; Intel only). */
export function executeDisableOff(cpu: usize): bool {
  return !isAmd(cpu) && (load<u64>(cpu, MSR_MISC_ENABLE) & 0x400000000) != 0;
}

/** ModRM.reg with REX.R. */
// @ts-ignore: decorator
@inline
export function regField(u: usize): u32 {
  return (load<u32>(u, U_AUX) >> AUX_REG_SHIFT) & 0xff;
}

/** EDX:EAX. */
// @ts-ignore: decorator
@inline
export function pair(cpu: usize): u64 {
  return (load<u64>(cpu, DX) << 32) | <u64>load<u32>(cpu, AX);
}

/** EDX:EAX = value; the upper halves of RAX and RDX become zero. */
// @ts-ignore: decorator
@inline
export function setPair(cpu: usize, value: u64): void {
  store<u64>(cpu, value & 0xffffffff, AX);
  store<u64>(cpu, value >> 32, DX);
}

/** Writes a register operand at the instruction's size: 16 bits keep the rest, 32 bits zero the upper half. */
export function setSized(cpu: usize, slot: usize, aux: u32, op16: u32, value: u64): void {
  if (aux & op16) store<u16>(cpu + slot, <u16>value);
  else store<u64>(cpu + slot, aux & AUX_OP64 ? value : value & 0xffffffff);
}

/** The raw time-stamp counter: the host's, or for some instructions after it was asked what these are worth. */
export function rawTsc(cpu: usize): u64 {
  const retired = load<u64>(cpu, RETIRED) - load<u64>(cpu, COUNT);
  const since = retired - load<u64>(cpu, TSC_AT);
  if (since < <u64>load<u32>(cpu, TSC_SPAN)) return load<u64>(cpu, TSC_BASE) + ((since * <u64>load<u32>(cpu, TSC_PACE)) >> 8);
  hostReadTsc(cpu);
  const now = load<u64>(cpu, EXIT_ARG);
  store<u64>(cpu, now, TSC_BASE);
  store<u64>(cpu, retired, TSC_AT);
  return now;
}

/** The guest's time-stamp counter. */
export function guestTsc(cpu: usize): u64 {
  return rawTsc(cpu) + load<u64>(cpu, TSC_OFFSET);
}

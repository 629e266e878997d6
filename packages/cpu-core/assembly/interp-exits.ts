// How the interpreter's loop hands over: what it keeps in locals goes back to memory.
import { COUNT, CR0, FR, FV, LIN_MASK, MODE_SINGLE, RIP, RIP_BASE, U_AUX, U_DELTA, U_LEFT, U_LEN } from "../src/layout";
import { GP, NM, UD, raise, raiseError } from "./fault";
import { operandFault, stackFault } from "./operand";

/** A fault is pending; RIP is at the instruction. */
export const FAULTED: i32 = 1;
/** The next block does not fit the budget. */
export const BUDGET: i32 = 2;
/** An instruction ran that may have changed anything. */
export const RAN: i32 = 3;
/** The next block reaches beyond the limit of CS: its instructions are looked at one by one. */
export const LIMITED: i32 = 4;

/** The instruction at `u` faulted and did nothing. */
export function abandon(cpu: usize, u: usize, fr: i64, fv: i64, cnt: i64): i32 {
  store<u64>(cpu, (load<u64>(cpu, RIP_BASE) + <u64>load<u16>(u, U_DELTA)) & load<u64>(cpu, LIN_MASK), RIP);
  leaveAt(cpu, fr, fv, cnt + <i64>load<u8>(u, U_LEFT));
  return FAULTED;
}
export function abandonOperand(cpu: usize, u: usize, fr: i64, fv: i64, cnt: i64): i32 {
  operandFault(cpu, u);
  return abandon(cpu, u, fr, fv, cnt);
}
export function abandonStack(cpu: usize, u: usize, fr: i64, fv: i64, cnt: i64): i32 {
  stackFault(cpu);
  return abandon(cpu, u, fr, fv, cnt);
}
/** The instruction at `u` is done, but the rest of its block may be stale. */
export function finish(cpu: usize, u: usize, fr: i64, fv: i64, cnt: i64): i32 {
  const next = load<u64>(cpu, RIP_BASE) + <u64>load<u16>(u, U_DELTA) + <u64>load<u8>(u, U_LEN);
  store<u64>(cpu, next & load<u64>(cpu, LIN_MASK), RIP);
  return leaveAt(cpu, fr, fv, cnt + <i64>load<u8>(u, U_LEFT) - 1);
}
/** RIP is set already. */
export function leaveAt(cpu: usize, fr: i64, fv: i64, cnt: i64): i32 {
  store<i64>(cpu, fr, FR);
  store<i64>(cpu, fv, FV);
  store<i64>(cpu, cnt, COUNT);
  return RAN;
}

/** The block at \`rip\` begins inside CS and ends outside. */
export function beyondLimit(cpu: usize, mode: u32, rip: u64, fr: i64, fv: i64, cnt: i64): i32 {
  store<u64>(cpu, rip, RIP);
  leaveAt(cpu, fr, fv, cnt);
  if (!(mode & MODE_SINGLE)) return LIMITED;
  if (cnt <= 0) return BUDGET;
  raiseError(cpu, GP, 0);
  return FAULTED;
}

const CR0_EM: u32 = 4;
/** x87, MMX or SSE while CR0.TS or CR0.EM forbids it: U_AUX is 1 for MMX and SSE, which are #UD under EM. */
export function noDevice(cpu: usize, u: usize): void {
  raise(cpu, load<u32>(u, U_AUX) == 1 && load<u32>(cpu, CR0) & CR0_EM ? UD : NM);
}

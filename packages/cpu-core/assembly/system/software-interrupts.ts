// Instructions that call a vector: INT n, INT3, INTO, INT1 (SDM Vol. 2A "INT n/INTO/INT3/INT1"), and BOUND.
import { AUX_OP16, DEBUG_PENDING, FR, FV, U_AUX, U_DST, U_IMM } from "../../src/layout";
import { BR, faulted, raise } from "../fault";
import { OF, statusOf } from "../flags";
import { rd16, rd32 } from "../memory/access";
import { uopAddress } from "../memory/segmentation";
import { noteDebug } from "./debug";
import { KIND_ICEBP, KIND_INT, KIND_TRAP, interrupt } from "./exceptions";

export function intImmediate(cpu: usize, u: usize): void {
  interrupt(cpu, load<u8>(u, U_IMM), KIND_INT);
}
export function int3(cpu: usize, u: usize): void {
  interrupt(cpu, 3, KIND_TRAP);
}
export function into(cpu: usize, u: usize): void {
  if (statusOf(load<i64>(cpu, FR), load<i64>(cpu, FV)) & OF) interrupt(cpu, 4, KIND_TRAP);
}
/** INT1 is a #DB: what MOV SS kept back is reported with it. */
export function int1(cpu: usize, u: usize): void {
  const pending = load<u32>(cpu, DEBUG_PENDING);
  if (pending) noteDebug(cpu, pending);
  store<u32>(cpu, 0, DEBUG_PENDING);
  interrupt(cpu, 1, KIND_ICEBP);
}

/** BOUND: the signed index in the register against two signed bounds in memory. */
export function bound(cpu: usize, u: usize): void {
  const narrow = (load<u32>(u, U_AUX) & AUX_OP16) != 0;
  const size: u32 = narrow ? 2 : 4;
  const linear = uopAddress(cpu, u, size * 2, false);
  if (faulted(cpu)) return;
  const low: i32 = narrow ? <i32>(<i16>rd16(cpu, linear)) : <i32>rd32(cpu, linear);
  if (faulted(cpu)) return;
  const high: i32 = narrow ? <i32>(<i16>rd16(cpu, linear + 2)) : <i32>rd32(cpu, linear + 4);
  if (faulted(cpu)) return;
  const at = cpu + load<u16>(u, U_DST);
  const index: i32 = narrow ? <i32>load<i16>(at) : load<i32>(at);
  if (index < low || index > high) raise(cpu, BR);
}

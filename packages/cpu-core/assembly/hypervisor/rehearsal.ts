// Stores to protected frames. The instruction that made one was abandoned before it did anything; it is run again by itself with its
// registers kept aside, each such store is put to the backend with its value, and if one is refused the registers are put back and the
// store becomes a #PF.
import {
  COUNT, CPL, FAULT, FCW, GPR, LIN_MASK, PDPTE, REFUSED, REFUSED_ADDRESS, REHEARSAL, REHEARSAL_COPY, SEG, XMM,
} from "../../src/layout";
import { raisePageFault } from "../fault";
import { updateMode } from "../system/mode";

const PRESENT_WRITE: u32 = 3;
const USER: u32 = 4;
/** What is kept aside: general registers to LIN_MASK, segments to control registers, x87 and SSE. */
const GENERAL_END: usize = LIN_MASK + 8;
const CONTROL_END: usize = PDPTE + 32;
const VECTOR_END: usize = XMM + 256;
let keptCount: i64 = 0;

/** Before: the instruction at RIP. */
export function beginRehearsal(cpu: usize): void {
  store<i32>(cpu, -1, FAULT);
  keptCount = load<i64>(cpu, COUNT);
  memory.copy(REHEARSAL_COPY, cpu, VECTOR_END);
  store<u32>(cpu, 1, REHEARSAL);
}

/** After it has run. */
export function endRehearsal(cpu: usize): void {
  const refused = load<u32>(cpu, REHEARSAL) == REFUSED;
  store<u32>(cpu, 0, REHEARSAL);
  if (!refused) return;
  memory.copy(cpu + GPR, REHEARSAL_COPY + GPR, GENERAL_END - GPR);
  memory.copy(cpu + SEG, REHEARSAL_COPY + SEG, CONTROL_END - SEG);
  memory.copy(cpu + FCW, REHEARSAL_COPY + FCW, VECTOR_END - FCW);
  store<i64>(cpu, keptCount, COUNT);
  updateMode(cpu);
  raisePageFault(cpu, load<u64>(cpu, REFUSED_ADDRESS), PRESENT_WRITE | (load<u32>(cpu, CPL) == 3 ? USER : 0));
}

// What surrounds every x87 and MMX instruction: the pending-exception check and the last-instruction pointers (SDM Vol. 1 sections 8.1.8
// and 8.1.9). FIP and FCS follow each instruction; FDP, FDS and FOP are recorded when an unmasked exception occurs, the
// rule CPUID calls FDP_EXCPTN_ONLY. With CR0.NE clear the part behaves as if IGNNE# were asserted: FERR# and IRQ 13 are not modelled.
import { CR0, CS, FCS, FDP, FDS, FIP, FOP, FPU_UOP, FSW, FTW, RIP_BASE, SEG, SEG_SELECTOR, SEG_SIZE, U_DELTA, U_IMM, U_SEG } from "../../src/layout";
import { MF, NM, raise, UD } from "../fault";
import { uopOffset } from "../memory/segmentation";
import { BUSY, ES, TOP } from "./state";

const CR0_MP: u64 = 2;
const CR0_EM: u64 = 4;
const CR0_TS: u64 = 8;
const CR0_NE: u64 = 0x20;

/** In U_IMM of an x87 operation: the 11 bits of FOP, and whether it has a memory operand. */
const FOP_BITS: u32 = 0x7ff;
const FOP_MEMORY: u32 = 0x8000;

/** Before any x87 instruction that waits: false when #MF is raised. */
export function fpuEnter(cpu: usize, u: usize): bool {
  if (load<u32>(cpu, FSW) & ES) {
    if (pending(cpu)) return false;
  }
  store<u32>(cpu, <u32>u, FPU_UOP);
  store<u64>(cpu, load<u64>(cpu, RIP_BASE) + load<u16>(u, U_DELTA), FIP);
  store<u32>(cpu, load<u32>(cpu, SEG + CS * SEG_SIZE + SEG_SELECTOR), FCS);
  return true;
}

/** Raises #MF when an unmasked exception is pending and CR0.NE asks for it. */
function pending(cpu: usize): bool {
  if (!(load<u64>(cpu, CR0) & CR0_NE)) return false;
  raise(cpu, MF);
  return true;
}

/** Whether x87 instructions are available to instructions outside the common frame; raises #NM if not. */
export function available(cpu: usize): bool {
  if (!(load<u64>(cpu, CR0) & (CR0_EM | CR0_TS))) return true;
  raise(cpu, NM);
  return false;
}

/** `available`, and no exception is pending. */
export function availableAndClear(cpu: usize): bool {
  if (!available(cpu)) return false;
  return !(load<u32>(cpu, FSW) & ES) || !pending(cpu);
}

/** FWAIT: only the check. */
export function x87Fwait(cpu: usize, u: usize): void {
  const lazy = CR0_MP | CR0_TS;
  if ((load<u64>(cpu, CR0) & lazy) == lazy) raise(cpu, NM);
  else if (load<u32>(cpu, FSW) & ES) pending(cpu);
}

/** Records operand and opcode of the instruction that raised an unmasked exception. */
export function notePointers(cpu: usize): void {
  const u: usize = load<u32>(cpu, FPU_UOP);
  if (u == 0) return;
  const fop = load<u32>(u, U_IMM);
  store<u32>(cpu, fop & FOP_BITS, FOP);
  if (!(fop & FOP_MEMORY)) return;
  store<u64>(cpu, uopOffset(cpu, u), FDP);
  const seg = <u32>load<u8>(u, U_SEG) & 7;
  store<u32>(cpu, load<u32>(cpu + seg * SEG_SIZE, SEG + SEG_SELECTOR), FDS);
}

/** Sets or clears ES and B as FSW's exception flags and FCW's masks demand. */
export function summarize(fsw: u32, fcw: u32): u32 {
  return fsw & ~fcw & 0x3f ? fsw | ES | BUSY : fsw & ~(ES | BUSY);
}

/** Before the memory operand of an MMX instruction is touched: false when #MF is raised. */
export function mmxCheck(cpu: usize): bool {
  return !(load<u32>(cpu, FSW) & ES) || !pending(cpu);
}

/**
 * Before any MMX instruction but EMMS: TOP becomes 0 and all registers valid. False when #MF is raised. Whatever writes an MMX register
 * also sets its exponent field to ones.
 */
export function mmxEnter(cpu: usize): bool {
  const fsw = load<u32>(cpu, FSW);
  if (fsw & ES) {
    if (pending(cpu)) return false;
  }
  store<u32>(cpu, fsw & ~TOP, FSW);
  store<u32>(cpu, 0xff, FTW);
  return true;
}

/** EMMS: all registers empty. */
export function x87Emms(cpu: usize, u: usize): void {
  const cr0 = load<u64>(cpu, CR0);
  if (cr0 & CR0_EM) return raise(cpu, UD);
  if (cr0 & CR0_TS) return raise(cpu, NM);
  if (load<u32>(cpu, FSW) & ES) {
    if (pending(cpu)) return;
  }
  store<u32>(cpu, load<u32>(cpu, FSW) & ~TOP, FSW);
  store<u32>(cpu, 0, FTW);
}

// The mode key: what decoding and the fast paths depend on, recomputed after every change of segments, control registers, CPL, VM or TF.
import {
  CPL,
  CR0,
  CR4,
  CS,
  DS,
  EFER,
  EFLAGS,
  ES,
  LIN_MASK,
  MODE,
  MODE_64,
  MODE_CPL0,
  MODE_CPL3,
  MODE_CS32,
  MODE_FLAT,
  MODE_LMA,
  MODE_NO_FPU,
  MODE_NO_SSE,
  MODE_PE,
  MODE_PG,
  MODE_SMAP,
  MODE_SS32,
  MODE_V86,
  RESTART,
  SEG,
  SEG_ACCESS,
  SEG_BASE,
  SEG_LIMIT,
  SEG_SIZE,
  SS,
} from "../../src/layout";
import { VM } from "../flags";
import { interceptMode } from "../hypervisor/level";
import { tlbSelect } from "../memory/tlb";
import { ACC_CODE, ACC_CONFORMING, ACC_DB, ACC_L, ACC_P, ACC_RW, CR0_EM, CR0_PE, CR0_PG, CR0_TS, CR4_OSFXSR, CR4_SMAP, EFER_LMA } from "./bits";

/** Base 0, limit 4 GiB, and of a kind that never faults on what the fast path does with it; in real-address and virtual-8086 mode. */
function flatReal(cpu: usize, seg: u32): bool {
  const segment = cpu + SEG + seg * SEG_SIZE;
  if (load<u64>(segment, SEG_BASE) || load<u32>(segment, SEG_LIMIT) != 0xffffffff) return false;
  const access = load<u32>(segment, SEG_ACCESS);
  return (access & (ACC_CODE | ACC_CONFORMING)) != ACC_CONFORMING;
}

/** In what a data segment's limit and access, read as one value, differ from those of a flat one in protected mode. */
// @ts-ignore: decorator
@inline
function unlikeFlat(cpu: usize, seg: u32): u64 {
  const segment = cpu + SEG + seg * SEG_SIZE;
  const mask = 0xffffffff | (<u64>(ACC_P | ACC_RW | ACC_CODE | ACC_CONFORMING) << 32);
  const flat = 0xffffffff | (<u64>(ACC_P | ACC_RW) << 32);
  return load<u64>(segment, SEG_BASE) | ((load<u64>(segment, SEG_LIMIT) & mask) ^ flat);
}

/** The same of CS, DS, ES and SS in protected mode. */
// @ts-ignore: decorator
@inline
function flatProtected(cpu: usize): bool {
  const segment = cpu + SEG + CS * SEG_SIZE;
  const access = load<u32>(segment, SEG_ACCESS);
  if (load<u64>(segment, SEG_BASE) || load<u32>(segment, SEG_LIMIT) != 0xffffffff || (access & (ACC_P | ACC_RW)) != (ACC_P | ACC_RW)) return false;
  if ((access & (ACC_CODE | ACC_CONFORMING)) == ACC_CONFORMING) return false;
  return !(unlikeFlat(cpu, DS) | unlikeFlat(cpu, ES) | unlikeFlat(cpu, SS));
}

/** Recomputes MODE, LIN_MASK, the CPL of modes that fix it, and the TLB in use. RESTART is set when the key changed. */
export function updateMode(cpu: usize): void {
  const cr0 = load<u32>(cpu, CR0);
  const flags = load<u32>(cpu, EFLAGS);
  const old = load<u32>(cpu, MODE);
  const cs = load<u32>(cpu + CS * SEG_SIZE, SEG + SEG_ACCESS);
  let mode: u32 = 0;
  let mask: u64 = 0xffffffff;
  if (!(cr0 & CR0_PE)) store<u32>(cpu, 0, CPL);
  else if (flags & VM) {
    mode = MODE_V86;
    store<u32>(cpu, 3, CPL);
  } else mode = MODE_PE;
  if (load<u32>(cpu, EFER) & EFER_LMA) {
    mode |= MODE_LMA;
    if (cs & ACC_L && mode & MODE_PE) {
      mode |= MODE_64 | MODE_FLAT;
      mask = -1;
    }
  }
  if (!(mode & MODE_64)) {
    if (cs & ACC_DB) mode |= MODE_CS32;
    if (load<u32>(cpu + SS * SEG_SIZE, SEG + SEG_ACCESS) & ACC_DB) mode |= MODE_SS32;
    const flat = mode & MODE_PE ? flatProtected(cpu) : flatReal(cpu, CS) && flatReal(cpu, DS) && flatReal(cpu, ES) && flatReal(cpu, SS);
    if (flat) mode |= MODE_FLAT;
  }
  const cpl = load<u32>(cpu, CPL);
  if (cpl == 0) mode |= MODE_CPL0;
  else if (cpl == 3) mode |= MODE_CPL3;
  if (cpl < 3 && load<u32>(cpu, CR4) & CR4_SMAP) mode |= MODE_SMAP;
  if (cr0 & CR0_PG) mode |= MODE_PG;
  if (cr0 & (CR0_EM | CR0_TS)) mode |= MODE_NO_FPU;
  if (cr0 & CR0_EM || !(load<u32>(cpu, CR4) & CR4_OSFXSR)) mode |= MODE_NO_SSE;
  mode |= interceptMode(cpu);
  store<u64>(cpu, mask, LIN_MASK);
  store<u32>(cpu, mode, MODE);
  if (mode != old) store<u32>(cpu, 1, RESTART);
  tlbSelect(cpu);
}

const FLAT_32: u32 = MODE_PE | MODE_FLAT | MODE_CS32 | MODE_SS32;

/** In what the code segment differs from a flat one of 32-bit code. */
// @ts-ignore: decorator
@inline
function unlikeFlatCode(cpu: usize): u64 {
  const segment = cpu + SEG + CS * SEG_SIZE;
  const mask = 0xffffffff | (<u64>(ACC_P | ACC_RW | ACC_CODE | ACC_CONFORMING | ACC_DB | ACC_L) << 32);
  const flat = 0xffffffff | (<u64>(ACC_P | ACC_RW | ACC_CODE | ACC_DB) << 32);
  return load<u64>(segment, SEG_BASE) | ((load<u64>(segment, SEG_LIMIT) & mask) ^ flat);
}

/**
 * As updateMode when of all that the key depends on no more than segments, CPL and EFLAGS.VM may have changed. Mostly one kind of code, flat 32-bit or
 * 64-bit, has given way to the same at another CPL.
 */
export function updateModeOfCode(cpu: usize): void {
  const old = load<u32>(cpu, MODE);
  let alike: bool;
  if (old & MODE_64) alike = (load<u32>(cpu + CS * SEG_SIZE, SEG + SEG_ACCESS) & ACC_L) != 0;
  else {
    const unlike = unlikeFlatCode(cpu) | unlikeFlat(cpu, SS) | unlikeFlat(cpu, DS) | unlikeFlat(cpu, ES);
    alike = (old & FLAT_32) == FLAT_32 && !unlike && (load<u32>(cpu + SS * SEG_SIZE, SEG + SEG_ACCESS) & ACC_DB) != 0;
  }
  if (!alike || load<u32>(cpu, EFLAGS) & VM) {
    updateMode(cpu);
    return;
  }
  const cpl = load<u32>(cpu, CPL);
  let mode = old & 0xffff & ~(MODE_CPL0 | MODE_CPL3 | MODE_SMAP);
  if (cpl == 0) mode |= MODE_CPL0;
  else if (cpl == 3) mode |= MODE_CPL3;
  if (cpl < 3 && load<u32>(cpu, CR4) & CR4_SMAP) mode |= MODE_SMAP;
  mode |= interceptMode(cpu);
  store<u32>(cpu, mode, MODE);
  if (mode != old) store<u32>(cpu, 1, RESTART);
  tlbSelect(cpu);
}

// Debug traps, SDM Vol. 3B chapter 17: single step, instruction and I/O breakpoints, and when a #DB is due. Watched pages get no TLB
// tags, so that data breakpoints cost nothing elsewhere (memory/access). Not modelled: branch records, DR7.RTM.
import {
  CS,
  CR4,
  DEBUG_PENDING,
  DR,
  EFLAGS,
  FAULT_ERROR,
  FETCH_WATCH,
  LIN_MASK,
  MSR_DEBUGCTL,
  RESTART,
  RIP,
  SEG_BASE,
  SHADOW,
  SHADOW_MOV_SS,
  STEP_TF,
} from "../../src/layout";
import { DB, faulted, raise } from "../fault";
import { RF, TF } from "../flags";
import { branchTaken, noteBranch } from "./branch-step";
import { segmentAt } from "./descriptor";

const CR4_DE: u32 = 8;
const DR6 = DR + 48;
const DR7 = DR + 56;
const DEBUGCTL_BTF: u32 = 2;
const DR6_BD: u32 = 0x2000;
const DR6_BS: u32 = 0x4000;

/** Notes I/O breakpoints (CR4.DE and type 2) on `size` ports from `port`; IN and OUT call it. */
export function ioWatch(cpu: usize, port: u32, size: u32): void {
  const dr7 = load<u32>(cpu, DR7);
  if (!(dr7 & 0xff) || !(load<u32>(cpu, CR4) & CR4_DE)) return;
  for (let i: u32 = 0; i < 4; i++) {
    const control = (dr7 >> (16 + i * 4)) & 15;
    if (!((dr7 >> (i * 2)) & 3) || (control & 3) != 2) continue;
    const length: u32 = control >> 2 == 2 ? 8 : (control >> 2) + 1;
    const start = load<u32>(cpu + (<usize>i << 3), DR) & ~(length - 1);
    if (port >= start + length || start >= port + size) continue;
    store<u32>(cpu, load<u32>(cpu, DEBUG_PENDING) | (1 << i), DEBUG_PENDING);
    store<u32>(cpu, 1, RESTART);
  }
}

/** An instruction breakpoint matches the next instruction (and RF does not hide it): its DR6 bits, else 0. */
export function fetchWatch(cpu: usize): u32 {
  const fetch = load<u32>(cpu, FETCH_WATCH);
  if (!fetch || load<u32>(cpu, EFLAGS) & RF) return 0;
  const linear = (load<u64>(segmentAt(cpu, CS), SEG_BASE) + load<u64>(cpu, RIP)) & load<u64>(cpu, LIN_MASK);
  let hit: u32 = 0;
  for (let i: u32 = 0; i < 4; i++) {
    if (fetch & (1 << i) && load<u64>(cpu + (<usize>i << 3), DR) == linear) hit |= 1 << i;
  }
  return hit;
}

/** Puts conditions into DR6; those of breakpoints that match but are not enabled are not reported. */
export function noteDebug(cpu: usize, bits: u32): void {
  store<u64>(cpu, (load<u64>(cpu, DR6) & ~0xf) | <u64>bits, DR6);
}

/** Raises #DB with the given DR6 bits. General detect is a fault before the access, so RF is set in its frame (§17.3.1.1). */
export function raiseDebug(cpu: usize, bits: u32): void {
  noteDebug(cpu, bits);
  raise(cpu, DB);
  store<u32>(cpu, bits & DR6_BD ? 1 : 0, FAULT_ERROR);
}

/** Before an instruction that stands alone in its block. */
export function beforeInstruction(cpu: usize): void {
  store<u32>(cpu, load<u32>(cpu, EFLAGS) & TF, STEP_TF);
  if (load<u32>(cpu, EFLAGS) & TF && load<u32>(cpu, MSR_DEBUGCTL) & DEBUGCTL_BTF) noteBranch(cpu);
}

/**
 * After it: RF ends, and the single-step trap of an instruction that began with TF set is noted. One that faulted is not stepped over,
 * and the data breakpoints that it met are forgotten: `pending` is what waited before.
 */
export function afterInstruction(cpu: usize, stepping: bool, pending: u32): void {
  if (faulted(cpu)) {
    store<u32>(cpu, pending, DEBUG_PENDING);
    return;
  }
  const step = load<u32>(cpu, STEP_TF);
  store<u32>(cpu, 0, STEP_TF);
  if (!(step & RF)) store<u32>(cpu, load<u32>(cpu, EFLAGS) & ~RF, EFLAGS);
  // the trap of MOV SS and POP SS themselves is lost
  if (stepping && step & TF && !(load<u32>(cpu, SHADOW) & SHADOW_MOV_SS) && (!(load<u32>(cpu, MSR_DEBUGCTL) & DEBUGCTL_BTF) || branchTaken(cpu))) {
    store<u32>(cpu, load<u32>(cpu, DEBUG_PENDING) | DR6_BS, DEBUG_PENDING);
  }
}

// SYSCALL, SYSRET, SYSENTER, SYSEXIT as both vendors have them. AMD APM Vol. 3 "SYSCALL", SDM Vol. 2B "SYSCALL", "SYSENTER".
// AMD: SYSCALL in all of protected mode, SYSENTER outside long mode. Intel: SYSCALL in 64-bit code alone, SYSENTER everywhere.
import {
  AUX_OP64,
  CPL,
  CS,
  DEBUG_PENDING,
  EFER,
  EFLAGS,
  MODE,
  MODE_64,
  MODE_LMA,
  MODE_PE,
  MODE_V86,
  MSR_CSTAR,
  MSR_LSTAR,
  MSR_SFMASK,
  MSR_STAR,
  MSR_SYSENTER_CS,
  MSR_SYSENTER_EIP,
  MSR_SYSENTER_ESP,
  RESTART,
  RIP,
  SEG,
  SEG_ACCESS,
  SEG_BASE,
  SEG_SELECTOR,
  SEG_SIZE,
  SS,
  STEP_TF,
  U_AUX,
} from "../../src/layout";
import { raise, UD } from "../fault";
import { getFlags, IF, RF, setFlags, TF, VM } from "../flags";
import { canonical } from "../memory/segmentation";
import { formOf, setForm } from "./descriptor";
import { updateModeOfCode } from "./mode";
import { CX, DX, isAmd, privileged, R11, refuse, SP } from "./privilege";

const EFER_SCE: u32 = 1;
const CODE_LONG: u32 = 0xa09b; // G, L; present, code, readable, accessed; DPL 0
const CODE_32: u32 = 0xc09b; // G, D
const DATA_32: u32 = 0xc093; // G, B; present, data, writable, accessed
const DPL_3: u32 = 0x60;
const DR6_BS: u32 = 0x4000;
const RESTORED: u32 = 0x3c7fd7; // what SYSRET takes from R11: no RF, VM or reserved bit

function flatSegment(cpu: usize, seg: u32, selector: u32, access: u32): void {
  const segment = cpu + SEG + seg * SEG_SIZE;
  store<u64>(segment, 0, SEG_BASE);
  setForm(segment, formOf(0xffffffff, access));
  store<u32>(segment, selector, SEG_SELECTOR);
}

/** Flat CS and SS for privilege 0. */
function enterKernel(cpu: usize, selector: u32, code: u32): void {
  flatSegment(cpu, CS, selector & 0xfffc, code);
  flatSegment(cpu, SS, ((selector & 0xfffc) + 8) & 0xffff, DATA_32);
  store<u32>(cpu, 0, CPL);
  updateModeOfCode(cpu);
}

/**
 * SYSCALL and SYSRET look at the TF that they leave behind, not at the one they began with: a kernel that masks TF is not stepped into,
 * and a program that returns with TF set traps before its first instruction (as processors do; neither manual says it).
 */
function stepBoundary(cpu: usize): void {
  store<u32>(cpu, 0, STEP_TF);
  if (!(load<u32>(cpu, EFLAGS) & TF)) return;
  store<u32>(cpu, load<u32>(cpu, DEBUG_PENDING) | DR6_BS, DEBUG_PENDING);
  store<u32>(cpu, 1, RESTART);
}

/** Is SYSCALL or SYSRET there in the present mode? #UD otherwise. */
function syscallEnabled(cpu: usize): bool {
  const mode = load<u32>(cpu, MODE);
  if (load<u32>(cpu, EFER) & EFER_SCE && mode & MODE_PE && (mode & MODE_64 || isAmd(cpu))) return true;
  raise(cpu, UD);
  return false;
}

export function syscall(cpu: usize, u: usize): void {
  if (!syscallEnabled(cpu)) return;
  const mode = load<u32>(cpu, MODE);
  const star = load<u64>(cpu, MSR_STAR);
  const flags = getFlags(cpu) & ~RF;
  store<u64>(cpu, load<u64>(cpu, RIP), CX);
  if (mode & MODE_LMA) {
    store<u64>(cpu, flags, R11);
    setFlags(cpu, flags & ~load<u32>(cpu, MSR_SFMASK));
    store<u64>(cpu, mode & MODE_64 ? load<u64>(cpu, MSR_LSTAR) : load<u64>(cpu, MSR_CSTAR), RIP);
    enterKernel(cpu, <u32>(star >> 32), CODE_LONG);
  } else {
    setFlags(cpu, flags & ~(IF | VM));
    store<u64>(cpu, star & 0xffffffff, RIP);
    enterKernel(cpu, <u32>(star >> 32), CODE_32);
  }
  stepBoundary(cpu);
}

export function sysret(cpu: usize, u: usize): void {
  if (!syscallEnabled(cpu) || !privileged(cpu)) return;
  const wide = (load<u32>(u, U_AUX) & AUX_OP64) != 0;
  const amd = isAmd(cpu);
  const target = load<u64>(cpu, CX);
  if (wide && !amd && !canonical(target)) {
    refuse(cpu);
    return;
  }
  const selector = <u32>(load<u64>(cpu, MSR_STAR) >> 48);
  if (load<u32>(cpu, MODE) & MODE_LMA) setFlags(cpu, (load<u32>(cpu, R11) & RESTORED) | 2);
  else store<u32>(cpu, load<u32>(cpu, EFLAGS) | IF, EFLAGS);
  if (wide) {
    store<u64>(cpu, target, RIP);
    flatSegment(cpu, CS, ((selector + 16) & 0xffff) | 3, CODE_LONG | DPL_3);
  } else {
    store<u64>(cpu, target & 0xffffffff, RIP);
    flatSegment(cpu, CS, selector | 3, CODE_32 | DPL_3);
  }
  const stack = ((selector + 8) & 0xffff) | 3;
  if (amd) {
    // only the selector is loaded; base, limit and attributes stay
    const ss = cpu + SEG + SS * SEG_SIZE;
    store<u32>(ss, stack, SEG_SELECTOR);
    store<u32>(ss, load<u32>(ss, SEG_ACCESS) | DPL_3, SEG_ACCESS);
  } else flatSegment(cpu, SS, stack, DATA_32 | DPL_3);
  store<u32>(cpu, 3, CPL);
  updateModeOfCode(cpu);
  stepBoundary(cpu);
}

/** AMD has no SYSENTER and SYSEXIT in long mode. */
function sysenterExists(cpu: usize): bool {
  if (!(isAmd(cpu) && load<u32>(cpu, MODE) & MODE_LMA)) return true;
  raise(cpu, UD);
  return false;
}

export function sysenter(cpu: usize, u: usize): void {
  if (!sysenterExists(cpu)) return;
  const selector = load<u32>(cpu, MSR_SYSENTER_CS) & 0xfffc;
  const mode = load<u32>(cpu, MODE);
  if (!selector || !(mode & (MODE_PE | MODE_V86))) {
    refuse(cpu);
    return;
  }
  const long = (mode & MODE_LMA) != 0;
  const mask: u64 = long ? -1 : 0xffffffff;
  store<u32>(cpu, load<u32>(cpu, EFLAGS) & ~(VM | IF | RF), EFLAGS);
  store<u64>(cpu, load<u64>(cpu, MSR_SYSENTER_ESP) & mask, SP);
  store<u64>(cpu, load<u64>(cpu, MSR_SYSENTER_EIP) & mask, RIP);
  enterKernel(cpu, selector, long ? CODE_LONG : CODE_32);
}

export function sysexit(cpu: usize, u: usize): void {
  if (!privileged(cpu) || !sysenterExists(cpu)) return; // a real AMD processor looks at CPL first
  const selector = load<u32>(cpu, MSR_SYSENTER_CS) & 0xfffc;
  if (!selector || !(load<u32>(cpu, MODE) & MODE_PE)) {
    refuse(cpu);
    return;
  }
  const wide = (load<u32>(u, U_AUX) & AUX_OP64) != 0;
  const target = load<u64>(cpu, DX);
  const stack = load<u64>(cpu, CX);
  if (wide && !(canonical(target) && canonical(stack))) {
    refuse(cpu);
    return;
  }
  store<u64>(cpu, wide ? target : target & 0xffffffff, RIP);
  store<u64>(cpu, wide ? stack : stack & 0xffffffff, SP);
  const code = selector + (wide ? 32 : 16);
  flatSegment(cpu, CS, (code & 0xffff) | 3, (wide ? CODE_LONG : CODE_32) | DPL_3);
  flatSegment(cpu, SS, ((code + 8) & 0xffff) | 3, DATA_32 | DPL_3);
  store<u32>(cpu, 3, CPL);
  updateModeOfCode(cpu);
}

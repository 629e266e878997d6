// Privileged and unusual instructions that are a few lines each: interrupt flag, halt, caches, TLB invalidation, time stamp, random
// numbers, FS and GS bases, SMAP's AC, hypercalls. SDM Vol. 2. MONITOR and MWAIT are not there (#UD), nor are performance counters.
import {
  AUX_OP16,
  AUX_OP64,
  COUNT,
  CPL,
  CR4,
  EFLAGS,
  EVENT,
  EXIT,
  EXIT_ARG,
  EXIT_HALT,
  EXIT_YIELD,
  FS,
  GS,
  HALTED,
  INTERRUPT_WINDOW,
  INTR,
  MODE,
  MODE_64,
  MODE_PE,
  MODE_V86,
  MSR_KERNEL_GS_BASE,
  MSR_TSC_AUX,
  NMI,
  PAUSE_GAP,
  PAUSE_LOOP_PTR,
  PAUSED_AT,
  PAUSES,
  RESTART,
  RETIRED,
  SEG,
  SEG_BASE,
  SEG_SIZE,
  SHADOW,
  SHADOW_STI,
  STOP,
  U_AUX,
  U_DST,
  U_SEG,
  VCPU_BASE,
  VCPU_COUNT_PTR,
  VCPU_STRIDE,
} from "../../src/layout";
import { faulted, raise, UD } from "../fault";
import { AC, CF, DF, IF, setStatus, VIF, VIP } from "../flags";
import { wakes } from "../hypervisor/delivery";
import { hostHypercall, hostRandom } from "../imports";
import { rd64 } from "../memory/access";
import { canonical, uopAddress, uopOffset } from "../memory/segmentation";
import { tlbFlushAll, tlbFlushAllPcids, tlbFlushPage, tlbFlushPcid, tlbSelect } from "../memory/tlb";
import { CX, guestTsc, privileged, refuse, setPair, setSized } from "./privilege";

const CR4_VME: u32 = 0x1;
const CR4_PVI: u32 = 0x2;
const CR4_TSD: u32 = 0x4;
const CR4_FSGSBASE: u32 = 0x10000;
const CR4_PCIDE: u32 = 0x20000;

/** Which flag CLI and STI change (SDM Vol. 2 "CLI", Table 3-7): IF, VIF, or none and #GP(0) is pending. */
function interruptFlag(cpu: usize): u32 {
  const mode = load<u32>(cpu, MODE);
  if (!(mode & (MODE_PE | MODE_V86))) return IF;
  const iopl = (load<u32>(cpu, EFLAGS) >> 12) & 3;
  const cpl = load<u32>(cpu, CPL);
  if (mode & MODE_V86) {
    if (iopl == 3) return IF;
    if (load<u32>(cpu, CR4) & CR4_VME) return VIF;
  } else {
    if (iopl >= cpl) return IF;
    if (cpl == 3 && load<u32>(cpu, CR4) & CR4_PVI) return VIF;
  }
  refuse(cpu);
  return 0;
}

export function cli(cpu: usize, u: usize): void {
  const flag = interruptFlag(cpu);
  store<u32>(cpu, load<u32>(cpu, EFLAGS) & ~flag, EFLAGS);
}

/** May the next instruction not run before something is looked at? If it may, STI needs no shadow. */
export function waiting(cpu: usize): bool {
  const asked = load<u32>(cpu, INTR) | load<u32>(cpu, NMI) | load<u32>(cpu, STOP) | load<u32>(cpu, EVENT) | load<u32>(cpu, INTERRUPT_WINDOW);
  return asked != 0 || load<i64>(cpu, COUNT) <= 0;
}

/** Interrupts stay off for one more instruction when IF was clear. */
export function sti(cpu: usize, u: usize): void {
  const flag = interruptFlag(cpu);
  const flags = load<u32>(cpu, EFLAGS);
  if (flag == VIF && flags & VIP) {
    refuse(cpu);
    return;
  }
  if (flag == IF && !(flags & IF) && waiting(cpu)) {
    store<u32>(cpu, load<u32>(cpu, SHADOW) | SHADOW_STI, SHADOW);
    store<u32>(cpu, 1, RESTART);
  }
  store<u32>(cpu, flags | flag, EFLAGS);
}

export function cld(cpu: usize, u: usize): void {
  store<u32>(cpu, load<u32>(cpu, EFLAGS) & ~DF, EFLAGS);
}

export function std(cpu: usize, u: usize): void {
  store<u32>(cpu, load<u32>(cpu, EFLAGS) | DF, EFLAGS);
}

export function hlt(cpu: usize, u: usize): void {
  if (!privileged(cpu)) return;
  store<u32>(cpu, 1, HALTED);
  store<u32>(cpu, EXIT_HALT, EXIT);
}

/**
 * A spinning vCPU gives its turn to another one that has something to do: what it waits for cannot happen while it spins. When there is none,
 * it is the host that may want to know of a vCPU which goes on and on (SDM Vol. 3C §25.1.3 and §26.1.3, "PAUSE-loop exiting").
 */
export function pause(cpu: usize, u: usize): void {
  const count = load<u32>(VCPU_COUNT_PTR);
  for (let i: u32 = 0; i < count; i++) {
    const other: usize = VCPU_BASE + i * VCPU_STRIDE;
    if (other == cpu) continue;
    const halted = load<u32>(other, HALTED);
    if (halted > 1) continue;
    if (halted && !wakes(other)) continue;
    yieldTurn(cpu);
    return;
  }
  const loop = load<u32>(PAUSE_LOOP_PTR);
  if (loop == 0) return;
  const retired = load<u32>(cpu, RETIRED) - load<u32>(cpu, COUNT);
  const pauses: u32 = retired - load<u32>(cpu, PAUSED_AT) <= <u32>PAUSE_GAP ? load<u32>(cpu, PAUSES) + 1 : 1;
  store<u32>(cpu, retired, PAUSED_AT);
  store<u32>(cpu, pauses < loop ? pauses : 0, PAUSES);
  if (pauses >= loop) yieldTurn(cpu);
}

function yieldTurn(cpu: usize): void {
  store<u32>(cpu, EXIT_YIELD, EXIT);
  store<u32>(cpu, 1, RESTART);
}

/** INVD, WBINVD and WBNOINVD: there are no caches to empty. */
export function cacheControl(cpu: usize, u: usize): void {
  privileged(cpu);
}

/** The address is not checked: a non-canonical one invalidates nothing. */
export function invlpg(cpu: usize, u: usize): void {
  if (!privileged(cpu)) return;
  const seg: u32 = load<u8>(u, U_SEG) & 7;
  const offset = uopOffset(cpu, u);
  const long = (load<u32>(cpu, MODE) & MODE_64) != 0;
  if (long && seg < <u32>FS) {
    if (canonical(offset)) tlbFlushPage(cpu, offset);
    return;
  }
  const linear = load<u64>(cpu + SEG + seg * SEG_SIZE, SEG_BASE) + offset;
  if (!long) tlbFlushPage(cpu, linear & 0xffffffff);
  else if (canonical(linear)) tlbFlushPage(cpu, linear);
}

/** SDM Vol. 2A "INVPCID". Type 0 drops the page in every PCID, which is more than it must. */
export function invpcid(cpu: usize, u: usize): void {
  if (!privileged(cpu)) return;
  const linear = uopAddress(cpu, u, 16, false);
  if (faulted(cpu)) return;
  const pcid = rd64(cpu, linear);
  if (faulted(cpu)) return;
  const address = rd64(cpu, linear + 8);
  if (faulted(cpu)) return;
  const slot = cpu + load<u16>(u, U_DST);
  const type = load<u32>(cpu, MODE) & MODE_64 ? load<u64>(slot) : <u64>load<u32>(slot);
  if (type > 3 || pcid >> 12) refuse(cpu);
  else if (type < 2 && pcid && !(load<u32>(cpu, CR4) & CR4_PCIDE)) refuse(cpu);
  else if (type == 0) {
    if (canonical(address)) tlbFlushPage(cpu, address);
    else refuse(cpu);
  } else if (type == 1) tlbFlushPcid(cpu, <u32>pcid);
  else if (type == 2) tlbFlushAll(cpu);
  else tlbFlushAllPcids(cpu);
}

/** CR4.TSD keeps RDTSC and RDTSCP to CPL 0. */
function tscAllowed(cpu: usize): bool {
  return !(load<u32>(cpu, CR4) & CR4_TSD) || privileged(cpu);
}

export function rdtsc(cpu: usize, u: usize): void {
  if (tscAllowed(cpu)) setPair(cpu, guestTsc(cpu));
}

export function rdtscp(cpu: usize, u: usize): void {
  if (!tscAllowed(cpu)) return;
  setPair(cpu, guestTsc(cpu));
  store<u64>(cpu, load<u64>(cpu, MSR_TSC_AUX) & 0xffffffff, CX);
}

export function rdpid(cpu: usize, u: usize): void {
  store<u64>(cpu + load<u16>(u, U_DST), load<u64>(cpu, MSR_TSC_AUX) & 0xffffffff);
}

/** No counter exists, so each number is invalid. */
export function rdpmc(cpu: usize, u: usize): void {
  refuse(cpu);
}

/** RDRAND and RDSEED: always ready. */
export function randomNumber(cpu: usize, u: usize): void {
  hostRandom(cpu);
  setSized(cpu, load<u16>(u, U_DST), load<u32>(u, U_AUX), AUX_OP16, load<u64>(cpu, EXIT_ARG));
  setStatus(cpu, CF);
}

/** CR4.FSGSBASE enables the four; 64-bit mode only. */
function baseAccess(cpu: usize): bool {
  if (load<u32>(cpu, CR4) & CR4_FSGSBASE && load<u32>(cpu, MODE) & MODE_64) return true;
  raise(cpu, UD);
  return false;
}

function readBase(cpu: usize, u: usize, seg: u32): void {
  if (baseAccess(cpu)) setSized(cpu, load<u16>(u, U_DST), load<u32>(u, U_AUX), 0, load<u64>(cpu + SEG + seg * SEG_SIZE, SEG_BASE));
}

function writeBase(cpu: usize, u: usize, seg: u32): void {
  if (!baseAccess(cpu)) return;
  const slot = cpu + load<u16>(u, U_DST);
  const value = load<u32>(u, U_AUX) & AUX_OP64 ? load<u64>(slot) : <u64>load<u32>(slot);
  if (canonical(value)) store<u64>(cpu + SEG + seg * SEG_SIZE, value, SEG_BASE);
  else refuse(cpu);
}

export function rdfsbase(cpu: usize, u: usize): void {
  readBase(cpu, u, FS);
}
export function rdgsbase(cpu: usize, u: usize): void {
  readBase(cpu, u, GS);
}
export function wrfsbase(cpu: usize, u: usize): void {
  writeBase(cpu, u, FS);
}
export function wrgsbase(cpu: usize, u: usize): void {
  writeBase(cpu, u, GS);
}

export function swapgs(cpu: usize, u: usize): void {
  if (!privileged(cpu)) return;
  const gs = cpu + SEG + GS * SEG_SIZE;
  const base = load<u64>(gs, SEG_BASE);
  store<u64>(gs, load<u64>(cpu, MSR_KERNEL_GS_BASE), SEG_BASE);
  store<u64>(cpu, base, MSR_KERNEL_GS_BASE);
}

/** STAC and CLAC are #UD outside CPL 0. */
function setAc(cpu: usize, on: bool): void {
  if (load<u32>(cpu, CPL)) {
    raise(cpu, UD);
    return;
  }
  const flags = load<u32>(cpu, EFLAGS);
  store<u32>(cpu, on ? flags | AC : flags & ~AC, EFLAGS);
  tlbSelect(cpu);
}

export function stac(cpu: usize, u: usize): void {
  setAc(cpu, true);
}
export function clac(cpu: usize, u: usize): void {
  setAc(cpu, false);
}

/** VMCALL and VMMCALL are whoever's that answers them; there is no virtualization of the processor's own. */
export function vmcall(cpu: usize, u: usize): void {
  if (!hostHypercall(cpu)) raise(cpu, UD);
}

/** UD0, UD1, UD2. */
export function undefinedOpcode(cpu: usize, u: usize): void {
  raise(cpu, UD);
}

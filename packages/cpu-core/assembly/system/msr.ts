// RDMSR and WRMSR. SDM Vol. 4, AMD APM Vol. 2 Appendix A. An MSR that the model does not have is #GP(0), as are reserved bits and
// non-canonical addresses. IA32_APIC_BASE, the TSC deadline and the x2APIC registers belong to the board.
import {
  CR0,
  EFER,
  EFER_MASK,
  EXIT_ARG,
  FEATURES,
  FEATURE_APIC,
  FEATURE_ARCH_CAPABILITIES,
  FEATURE_LM,
  FEATURE_MCA,
  FEATURE_MTRR,
  FEATURE_PAT,
  FEATURE_RDTSCP,
  FEATURE_SEP,
  FEATURE_SPEC_CTRL,
  FEATURE_SYSCALL,
  FEATURE_TSC,
  FEATURE_TSC_ADJUST,
  FEATURE_TSC_DEADLINE,
  FEATURE_X2APIC,
  FS,
  GS,
  MISC_ENABLE_MASK,
  MSR_ARCH_CAPABILITIES,
  MSR_BIOS_SIGN_ID,
  MSR_CSTAR,
  MSR_DE_CFG,
  MSR_DEBUGCTL,
  MSR_HWCR,
  MSR_KERNEL_GS_BASE,
  MSR_LSTAR,
  MSR_MISC_ENABLE,
  MSR_MTRR_CAP,
  MSR_NB_CFG,
  MSR_PAT,
  MSR_PLATFORM_INFO,
  MSR_SFMASK,
  MSR_SPEC_CTRL,
  MSR_STAR,
  MSR_SYSENTER_CS,
  MSR_SYSENTER_EIP,
  MSR_SYSENTER_ESP,
  MSR_TSC_ADJUST,
  MSR_TSC_AUX,
  PHYS_MASK,
  SEG,
  SEG_BASE,
  SEG_SIZE,
  TSC_OFFSET,
} from "../../src/layout";
import { hostMsrRead, hostMsrWrite } from "../imports";
import { canonical } from "../memory/segmentation";
import { tlbFlushAll } from "../memory/tlb";
import { machineCheckSlot, machineCheckValid } from "./machine-check";
import { updateMode } from "./mode";
import { mtrrSlot, mtrrValid, patValid } from "./mtrr";
import { CX, executeDisableOff, guestTsc, isAmd, pair, privileged, rawTsc, refuse, setPair } from "./privilege";

const CR0_PG: u64 = 0x80000000;
const EFER_LME: u64 = 0x100;
const EFER_LMA: u64 = 0x400;
const EFER_NXE: u64 = 0x800;
const APIC_BASE: u32 = 0x1b;
const APIC_BASE_EXTD: u64 = 0x400;
const TSC_DEADLINE: u32 = 0x6e0;
const FS_BASE: usize = SEG + FS * SEG_SIZE + SEG_BASE;
const GS_BASE: usize = SEG + GS * SEG_SIZE + SEG_BASE;

// @ts-ignore: decorator
@inline
function has(cpu: usize, feature: u64): bool {
  return (load<u64>(cpu, FEATURES) & feature) != 0;
}

/** MSRs that hold a linear address in 64-bit mode; 0 when `index` is none of them. */
function addressSlot(cpu: usize, index: u32): usize {
  if (!has(cpu, FEATURE_LM)) return 0;
  if (index == 0xc0000082) return has(cpu, FEATURE_SYSCALL) ? cpu + MSR_LSTAR : 0;
  if (index == 0xc0000083) return has(cpu, FEATURE_SYSCALL) ? cpu + MSR_CSTAR : 0;
  if (index == 0xc0000100) return cpu + FS_BASE;
  if (index == 0xc0000101) return cpu + GS_BASE;
  if (index == 0xc0000102) return cpu + MSR_KERNEL_GS_BASE;
  return 0;
}

/** MSRs without side effects: bits that may be set go to `plainMask`. */
let plainMask: u64 = 0;
function plainSlot(cpu: usize, index: u32): usize {
  plainMask = -1;
  switch (index) {
    case 0x174:
      plainMask = 0xffffffff;
      return has(cpu, FEATURE_SEP) ? cpu + MSR_SYSENTER_CS : 0;
    case 0x175:
      return has(cpu, FEATURE_SEP) ? cpu + MSR_SYSENTER_ESP : 0;
    case 0x176:
      return has(cpu, FEATURE_SEP) ? cpu + MSR_SYSENTER_EIP : 0;
    case 0x48:
      plainMask = 1; // IBRS
      return has(cpu, FEATURE_SPEC_CTRL) ? cpu + MSR_SPEC_CTRL : 0;
    case 0x1d9:
      plainMask = 2; // BTF
      return cpu + MSR_DEBUGCTL;
    case 0xc0000081:
      return has(cpu, FEATURE_SYSCALL) ? cpu + MSR_STAR : 0;
    case 0xc0000084:
      plainMask = 0xffffffff;
      return has(cpu, FEATURE_SYSCALL) ? cpu + MSR_SFMASK : 0;
    case 0xc0000103:
      plainMask = 0xffffffff;
      return has(cpu, FEATURE_RDTSCP) ? cpu + MSR_TSC_AUX : 0;
  }
  if (!isAmd(cpu) || !has(cpu, FEATURE_LM)) return 0;
  switch (index) {
    case 0xc0010015:
      plainMask = 0x1040148; // TscFreqSel, McStatusWrEn, and three that concern caches and MONITOR
      return cpu + MSR_HWCR;
    case 0xc001001f:
      plainMask = 0x400000000000; // EnableCf8ExtCfg
      return cpu + MSR_NB_CFG;
    case 0xc0011029:
      plainMask = 2; // LFENCE serialises; it always does
      return cpu + MSR_DE_CFG;
  }
  return 0;
}

/** Read-only MSRs; -1 when `index` is none of them (no such MSR reads as all ones). */
function constantOf(cpu: usize, index: u32): u64 {
  const amd = isAmd(cpu);
  if (index == 0x8b) return load<u64>(cpu, MSR_BIOS_SIGN_ID);
  if (index <= 1) return has(cpu, FEATURE_MCA) ? 0 : -1; // P5_MC_ADDR, P5_MC_TYPE
  if (index == 0xfe) return has(cpu, FEATURE_MTRR) ? load<u64>(cpu, MSR_MTRR_CAP) : -1;
  if (index == 0x10a) return has(cpu, FEATURE_ARCH_CAPABILITIES) ? load<u64>(cpu, MSR_ARCH_CAPABILITIES) : -1;
  if (!amd && index == 0x17) return 0; // platform ID
  if (!amd && index == 0xce) return load<u64>(cpu, MSR_PLATFORM_INFO);
  if (amd && index == 0xc0010010) return 0; // SYSCFG: no extended MTRR features, no memory encryption
  if (amd && index == 0xc0010055) return 0; // interrupt pending and CMP-halt: no C1E state
  return -1;
}

// @ts-ignore: decorator
@inline
function boardOwns(index: u32): bool {
  return index == APIC_BASE || index == TSC_DEADLINE || (index & 0xffffff00) == 0x800 || isParavirtual(index);
}

/** Of the range that KVM has for its own; a board may answer. */
function isParavirtual(index: u32): bool {
  return (index & 0xffffff00) == 0x4b564d00;
}

/** Does the model have this register of the board's? */
function boardHas(cpu: usize, index: u32): bool {
  if (index == APIC_BASE) return has(cpu, FEATURE_APIC);
  if (isParavirtual(index)) return true;
  return has(cpu, index == TSC_DEADLINE ? FEATURE_TSC_DEADLINE : FEATURE_X2APIC);
}

/** Value of an MSR into EXIT_ARG. False: there is none. */
export function msrGet(cpu: usize, index: u32): bool {
  if (boardOwns(index)) {
    if (!boardHas(cpu, index) || !hostMsrRead(cpu, index)) return false;
    if (index == TSC_DEADLINE && load<u64>(cpu, EXIT_ARG)) {
      store<u64>(cpu, load<u64>(cpu, EXIT_ARG) + load<u64>(cpu, TSC_OFFSET), EXIT_ARG);
    }
    return true;
  }
  let slot = addressSlot(cpu, index);
  if (!slot) slot = plainSlot(cpu, index);
  if (!slot && has(cpu, FEATURE_MTRR)) slot = mtrrSlot(cpu, index);
  if (!slot && has(cpu, FEATURE_MCA)) slot = machineCheckSlot(cpu, index);
  let value: u64 = 0;
  if (slot) value = load<u64>(slot);
  else if (index == 0x10 && has(cpu, FEATURE_TSC)) value = guestTsc(cpu);
  else if (index == 0x3b && has(cpu, FEATURE_TSC_ADJUST)) value = load<u64>(cpu, MSR_TSC_ADJUST);
  else if (index == 0x1a0 && load<u64>(cpu, MISC_ENABLE_MASK)) value = load<u64>(cpu, MSR_MISC_ENABLE);
  else if (index == 0x277 && has(cpu, FEATURE_PAT)) value = load<u64>(cpu, MSR_PAT);
  else if (index == 0xc0000080 && load<u64>(cpu, EFER_MASK)) value = load<u64>(cpu, EFER);
  else {
    value = constantOf(cpu, index);
    if (value == <u64>-1) return false;
  }
  store<u64>(cpu, value, EXIT_ARG);
  return true;
}

/** EFER: LMA follows LME and CR0.PG, and LME cannot change while paging is on. */
export function writeEfer(cpu: usize, value: u64): bool {
  const old = load<u64>(cpu, EFER);
  const next = (value & ~EFER_LMA) | (old & EFER_LMA);
  if (value & ~(load<u64>(cpu, EFER_MASK) | EFER_LMA) || (value & ~old & EFER_NXE && executeDisableOff(cpu))) return false;
  if ((old ^ next) & EFER_LME && load<u64>(cpu, CR0) & CR0_PG) return false;
  store<u64>(cpu, next, EFER);
  if ((old ^ next) & EFER_NXE) tlbFlushAll(cpu);
  updateMode(cpu);
  return true;
}

/** Moves the guest's TSC; an armed deadline keeps its guest time. */
function moveTsc(cpu: usize, by: u64): void {
  const offset = load<u64>(cpu, TSC_OFFSET) + by;
  store<u64>(cpu, offset, TSC_OFFSET);
  if (hostMsrRead(cpu, TSC_DEADLINE) && load<u64>(cpu, EXIT_ARG)) {
    store<u64>(cpu, load<u64>(cpu, EXIT_ARG) - by, EXIT_ARG);
    hostMsrWrite(cpu, TSC_DEADLINE);
  }
}

function writeBoard(cpu: usize, index: u32, value: u64): bool {
  if (!boardHas(cpu, index)) return false;
  if (index == APIC_BASE) {
    if (value & ~load<u64>(cpu, PHYS_MASK)) return false;
    if (value & APIC_BASE_EXTD && !has(cpu, FEATURE_X2APIC)) return false;
  }
  if (index == TSC_DEADLINE && value) {
    // the board counts in its own ticks; a time that is past there is due now
    const offset = load<u64>(cpu, TSC_OFFSET);
    const now = rawTsc(cpu);
    value = value <= now + offset ? max<u64>(now, 1) : value - offset;
  }
  store<u64>(cpu, value, EXIT_ARG);
  return hostMsrWrite(cpu, index) != 0;
}

/** Writes an MSR. False: #GP(0) is due and nothing has changed. */
export function msrPut(cpu: usize, index: u32, value: u64): bool {
  if (boardOwns(index)) return writeBoard(cpu, index, value);
  const amd = isAmd(cpu);
  let slot = addressSlot(cpu, index);
  if (slot) {
    if (!canonical(value)) return false;
    store<u64>(slot, value);
    return true;
  }
  slot = plainSlot(cpu, index);
  if (slot) {
    if (index == 0x174 || (index == 0xc0000103 && amd)) value &= plainMask; // the upper half is ignored
    if (value & ~plainMask) return false;
    if ((index == 0x175 || index == 0x176) && !amd && !canonical(value)) return false; // AMD uses 32 bits of them
    store<u64>(slot, value);
    return true;
  }
  if (has(cpu, FEATURE_MTRR)) {
    slot = mtrrSlot(cpu, index);
    if (slot && !mtrrValid(cpu, index, value)) return false;
  }
  if (!slot && has(cpu, FEATURE_MCA)) {
    slot = machineCheckSlot(cpu, index);
    if (slot && !machineCheckValid(cpu, index, value)) return false;
  }
  if (slot) {
    store<u64>(slot, value);
    return true;
  }
  if (index == 0x10 && has(cpu, FEATURE_TSC)) {
    const by = value - guestTsc(cpu);
    store<u64>(cpu, load<u64>(cpu, MSR_TSC_ADJUST) + by, MSR_TSC_ADJUST);
    moveTsc(cpu, by);
    return true;
  }
  if (index == 0x3b && has(cpu, FEATURE_TSC_ADJUST)) {
    const by = value - load<u64>(cpu, MSR_TSC_ADJUST);
    store<u64>(cpu, value, MSR_TSC_ADJUST);
    moveTsc(cpu, by);
    return true;
  }
  if (index == 0x1a0 && load<u64>(cpu, MISC_ENABLE_MASK)) {
    const mask = load<u64>(cpu, MISC_ENABLE_MASK);
    const kept = load<u64>(cpu, MSR_MISC_ENABLE) & ~mask;
    if (value & ~mask & ~kept & ~0x1880) return false; // 7, 11 and 12 can only be read
    store<u64>(cpu, (value & mask) | kept, MSR_MISC_ENABLE);
    return true;
  }
  if (index == 0x277 && has(cpu, FEATURE_PAT)) {
    if (!patValid(value)) return false;
    store<u64>(cpu, value, MSR_PAT);
    return true;
  }
  if (index == 0xc0000080 && load<u64>(cpu, EFER_MASK)) return writeEfer(cpu, value);
  if (index == 0x49) return has(cpu, FEATURE_SPEC_CTRL) && value <= 1; // PRED_CMD: nothing predicts
  if (!amd && (index == 0x79 || index == 0x8b)) return true; // a microcode update has no effect
  if (amd && index == 0xc0010010) return value == 0;
  return false;
}

export function rdmsr(cpu: usize, u: usize): void {
  if (!privileged(cpu)) return;
  if (msrGet(cpu, load<u32>(cpu, CX))) setPair(cpu, load<u64>(cpu, EXIT_ARG));
  else refuse(cpu);
}

export function wrmsr(cpu: usize, u: usize): void {
  if (privileged(cpu) && !msrPut(cpu, load<u32>(cpu, CX), pair(cpu))) refuse(cpu);
}

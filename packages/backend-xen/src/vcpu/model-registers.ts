/** MSRs that a PV kernel may read and write; the others are #GP. Xen's guest_rdmsr and read_msr of pv/emul-priv-op.c. */
import type { Domain } from "../domain/domain.js";
import { XEN_HYPERCALL_MSR } from "../abi/arch-x86.js";
import { pvHypercallPage } from "../domain/hypercall-page.js";
import { frameTypes } from "../mmu/frame-table.js";
import { frameNumber } from "../hypercalls/call.js";
import { isCanonical } from "../hypercalls/vcpu-state.js";
import type { VirtualCpu } from "./virtual-cpu.js";

/** Says whether CPUID of user code can be made to fault. */
export const MSR_PLATFORM_INFO = 0xce;
/** Makes it. */
export const MSR_MISC_FEATURES_ENABLES = 0x140;
const MSR = {
  TSC: 0x10,
  PLATFORM_ID: 0x17,
  APIC_BASE: 0x1b,
  UCODE_REV: 0x8b,
  PLATFORM_INFO: MSR_PLATFORM_INFO,
  MISC_FEATURES_ENABLES: MSR_MISC_FEATURES_ENABLES,
  MCG_CAP: 0x179,
  MCG_STATUS: 0x17a,
  MISC_ENABLE: 0x1a0,
  DEBUGCTL: 0x1d9,
  PAT: 0x277,
  EFER: 0xc000_0080,
  FS_BASE: 0xc000_0100,
  GS_BASE: 0xc000_0101,
  KERNEL_GS_BASE: 0xc000_0102,
  TSC_AUX: 0xc000_0103,
  K8_HWCR: 0xc001_0015,
  FAM10H_MMIO: 0xc001_0058,
} as const;
/** Banks of machine checks that a domain sees: CTL, STATUS, ADDR and MISC of each, nothing of which ever happens. xen/arch/x86/cpu/mcheck/vmce.c */
const MC_BANKS = 2;
const MC0_CTL = 0x400;
const isMachineCheckBank = (index: number): boolean => index >= MC0_CTL && index < MC0_CTL + 4 * MC_BANKS;
/** LME, LMA, LMSLE: 32-bit guests know nothing of long mode. */
const EFER_LONG = 0x2500n;
const XEN_PAT = 0x0000_0501_0007_0406n;
const APIC_BASE = 0xfee0_0800n;
/** CPUID of user code can be made to fault, and does. */
const CPUID_FAULTING_AVAILABLE = 1n << 31n;
const CPUID_FAULTING = 1n;
const BOOT_PROCESSOR = 0x100n;

/** The value, or undefined for #GP. */
export function readModelRegister(vcpu: VirtualCpu, index: number): bigint | undefined {
  const { registers } = vcpu;
  switch (index) {
    case MSR.FS_BASE:
      return registers.segment("fs").base;
    case MSR.GS_BASE:
      return registers.segment("gs").base;
    case MSR.KERNEL_GS_BASE:
      return vcpu.otherGsBase;
    case MSR.EFER:
      return vcpu.bits === 64 ? registers.get("efer") : registers.get("efer") & ~EFER_LONG;
    case MSR.TSC:
    case MSR.TSC_AUX:
      return registers.msr(index);
    case MSR.APIC_BASE:
      return vcpu.id === 0 ? APIC_BASE | BOOT_PROCESSOR : APIC_BASE;
    case MSR.PAT:
      return XEN_PAT;
    case MSR.PLATFORM_INFO:
      return CPUID_FAULTING_AVAILABLE;
    case MSR.MISC_FEATURES_ENABLES:
      return vcpu.cpuidFaults ? CPUID_FAULTING : 0n;
    case MSR.DEBUGCTL:
      return 0n;
    case MSR.UCODE_REV:
    case MSR.PLATFORM_ID:
    case MSR.MISC_ENABLE:
    case MSR.K8_HWCR:
      return registers.msr(index) ?? 0n;
    case MSR.MCG_CAP:
      return BigInt(MC_BANKS);
    case MSR.MCG_STATUS:
      return 0n;
    default:
      return isMachineCheckBank(index) ? 0n : undefined;
  }
}

/** False for #GP. */
export function writeModelRegister(domain: Domain, vcpu: VirtualCpu, index: number, value: bigint): boolean {
  const { registers } = vcpu;
  switch (index) {
    case MSR.FS_BASE:
    case MSR.GS_BASE: {
      if (domain.bits === 32 || !isCanonical(value)) return false;
      const name = index === MSR.FS_BASE ? "fs" : "gs";
      registers.setSegment(name, { ...registers.segment(name), base: value });
      return true;
    }
    case MSR.KERNEL_GS_BASE:
      return domain.bits === 64 && isCanonical(value) && vcpu.setOtherGsBase(value);
    case MSR.TSC_AUX:
      return registers.setMsr(index, value);
    case MSR.EFER:
      return value === readModelRegister(vcpu, index);
    case MSR.PAT:
      return value === XEN_PAT;
    case MSR.MISC_FEATURES_ENABLES:
      return writeCpuidFaulting(vcpu, value);
    // Neither branch traces nor records of branches are the guest's.
    case MSR.DEBUGCTL:
      return value === 0n;
    // What the machine has there is not the guest's to change; kernels write workarounds and go on.
    case MSR.UCODE_REV:
    case MSR.K8_HWCR:
    case MSR.FAM10H_MMIO:
      return true;
    case MSR.MCG_STATUS:
      return true;
    case XEN_HYPERCALL_MSR:
      return writeHypercallPage(domain, value);
    default:
      return isMachineCheckBank(index);
  }
}

/** MSR_MISC_FEATURES_ENABLES: false for #GP. */
export function writeCpuidFaulting(vcpu: VirtualCpu, value: bigint): boolean {
  if ((value & ~CPUID_FAULTING) !== 0n) return false;
  vcpu.cpuidFaults = value === CPUID_FAULTING;
  return true;
}

/** Fills one of the domain's own frames with calls. */
function writeHypercallPage(domain: Domain, value: bigint): boolean {
  const frame = frameNumber(value >> 12n);
  if ((value & 0xfffn) !== 0n || domain.frames.isShared(frame) || domain.frames.get(frame, frameTypes.writable) !== 0) return false;
  domain.environment.memory.write(frame * 4096, pvHypercallPage(domain.bits));
  domain.frames.put(frame);
  return true;
}

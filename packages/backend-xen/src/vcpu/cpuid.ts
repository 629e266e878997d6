/** CPUID as a PV guest gets it: the machine's, without what a deprivileged kernel cannot use, and Xen's own leaves. */
import type { CpuidResult } from "@paravane/paravirt-ops";
import type { GuestBits } from "../abi/struct.js";
import { XEN_CPUID_BASE, XEN_CPUID_MAX, XEN_CPUID_SIGNATURE, XEN_HYPERCALL_MSR } from "../abi/arch-x86.js";

const bits = (...numbers: number[]): number => numbers.reduce((mask, number) => mask | (1 << number), 0);

/** MONITOR, VMX, SMX, PDCM, PCID, x2APIC, TSC deadline, OSXSAVE (which says what CR4 says). */
const HIDDEN_1_ECX = bits(3, 5, 6, 15, 17, 21, 24, 27);
const HYPERVISOR = bits(31);
const OSXSAVE = bits(27);
/** VME, PSE, APIC, SEP, MTRR, PGE, PSE36. */
const HIDDEN_1_EDX = bits(1, 3, 9, 11, 12, 13, 17);
/** SMEP, INVPCID, MPX, SMAP, processor trace. */
const HIDDEN_7_EBX = bits(7, 10, 14, 20, 25);
/** UMIP, protection keys, five levels of tables. */
const HIDDEN_7_ECX = bits(2, 3, 4, 16);
/** SVM, and others that need ring 0. */
const HIDDEN_EXTENDED_ECX = bits(2, 10, 12);
/** The same as in leaf 1, and 1 GiB pages. */
const HIDDEN_EXTENDED_EDX = bits(1, 3, 9, 12, 13, 17, 26);
/** What a 32-bit guest has no use for: CX16; LAHF in 64-bit code; long mode; SYSCALL, where only 64-bit code can execute it. */
const LONG_1_ECX = bits(13);
const LONG_EXTENDED_ECX = bits(0);
const LONG_EXTENDED_EDX = bits(29);
const SYSCALL = bits(11);
/** EBX of leaf 0 on processors that have SYSCALL everywhere: "Auth". */
const AMD = 0x68747541;
const LINEAR_BITS = 0xff00;
const VERSION = (4 << 16) | 17;
const PRESERVE_AD = 1;
const CR4_OSXSAVE = 1n << 18n;
const MACHINE_ADDRESS_BITS = 32;

/** What the guest's own state adds. */
export interface CpuidState {
  readonly bits: GuestBits;
  /** CR4 as the guest has it. */
  readonly cr4: bigint;
  readonly tscKhz: number;
  /** Top bits of machine addresses, for leaf 5. */
  machine(leaf: number, subleaf: number): CpuidResult;
}

/** The answer to CPUID, by the instruction and by the forced-emulation prefix alike. */
export function pvCpuid(leaf: number, subleaf: number, state: CpuidState): CpuidResult {
  if (leaf >= XEN_CPUID_BASE && leaf < XEN_CPUID_BASE + 0x100) return xenLeaf(leaf - XEN_CPUID_BASE, subleaf, state);
  const answer = pvLeaf(leaf, subleaf, state);
  return state.bits === 64 ? answer : narrow(leaf, answer, state);
}

/** Without what depends on long mode. */
function narrow(leaf: number, { eax, ebx, ecx, edx }: CpuidResult, { machine }: CpuidState): CpuidResult {
  switch (leaf) {
    case 1:
      return { eax, ebx, ecx: (ecx & ~LONG_1_ECX) >>> 0, edx };
    case 0x8000_0001: {
      const missing = machine(0, 0).ebx === AMD ? LONG_EXTENDED_EDX : LONG_EXTENDED_EDX | SYSCALL;
      return { eax, ebx, ecx: (ecx & ~LONG_EXTENDED_ECX) >>> 0, edx: (edx & ~missing) >>> 0 };
    }
    case 0x8000_0008:
      return { eax: (eax & ~LINEAR_BITS) | (32 << 8), ebx, ecx, edx };
    default:
      return { eax, ebx, ecx, edx };
  }
}

function pvLeaf(leaf: number, subleaf: number, state: CpuidState): CpuidResult {
  const { eax, ebx, ecx, edx } = state.machine(leaf, subleaf);
  switch (leaf) {
    case 1: {
      const osxsave = (state.cr4 & CR4_OSXSAVE) === 0n ? 0 : OSXSAVE;
      return { eax, ebx, ecx: ((ecx & ~HIDDEN_1_ECX) | HYPERVISOR | osxsave) >>> 0, edx: (edx & ~HIDDEN_1_EDX) >>> 0 };
    }
    case 7:
      if (subleaf !== 0) return { eax, ebx, ecx, edx };
      return { eax, ebx: (ebx & ~HIDDEN_7_EBX) >>> 0, ecx: (ecx & ~HIDDEN_7_ECX) >>> 0, edx };
    case 0xa:
      return { eax: 0, ebx: 0, ecx: 0, edx: 0 };
    case 0x8000_0001:
      return { eax, ebx, ecx: (ecx & ~HIDDEN_EXTENDED_ECX) >>> 0, edx: (edx & ~HIDDEN_EXTENDED_EDX) >>> 0 };
    default:
      return { eax, ebx, ecx, edx };
  }
}

/** Flags of leaf 4: grants may be mapped for devices; the vCPU's and the domain's numbers are given; upcalls have a vector for each vCPU. */
const HVM_FLAGS = bits(2, 3, 4, 6);

/** Xen's leaves as a guest with a physical address space of its own gets them; undefined for the processor's. public/arch-x86/cpuid.h */
export function hvmCpuid(
  leaf: number,
  subleaf: number,
  { vcpu, domain, tscKhz }: { readonly vcpu: number; readonly domain: number; readonly tscKhz: number },
): CpuidResult | undefined {
  const index = leaf - XEN_CPUID_BASE;
  if (index < 0 || index >= 0x100) return undefined;
  const none = { eax: 0, ebx: 0, ecx: 0, edx: 0 };
  if (index === 2) return { ...none, eax: 1, ebx: XEN_HYPERCALL_MSR };
  if (index === 4) return subleaf === 0 ? { ...none, eax: HVM_FLAGS, ebx: vcpu, ecx: domain } : none;
  return index < 4 ? xenLeaf(index, subleaf, { tscKhz }) : none;
}

function xenLeaf(index: number, subleaf: number, { tscKhz }: Pick<CpuidState, "tscKhz">): CpuidResult {
  const none = { eax: 0, ebx: 0, ecx: 0, edx: 0 };
  switch (index) {
    case 0: {
      const [ebx, ecx, edx] = XEN_CPUID_SIGNATURE;
      return { eax: XEN_CPUID_MAX, ebx, ecx, edx };
    }
    case 1:
      return { ...none, eax: VERSION };
    case 2:
      return { eax: 1, ebx: XEN_HYPERCALL_MSR, ecx: PRESERVE_AD, edx: 0 };
    case 3:
      // Bit 1 of the first: the counter is safe. It is not emulated, and all vCPUs read the same one.
      if (subleaf === 0) return { ...none, eax: 2, ecx: tscKhz };
      return subleaf === 2 ? { ...none, eax: tscKhz } : none;
    case 5:
      return { ...none, ebx: MACHINE_ADDRESS_BITS };
    default:
      return none;
  }
}

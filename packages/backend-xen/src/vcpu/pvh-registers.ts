/**
 * MSRs that a PVH guest has of the hypervisor and not of its processor: where the page of calls is to be, and CPUID that faults in user code.
 * An access to one is a #GP of the processor's first, so that all others cost nothing. Xen's guest_rdmsr, guest_wrmsr and guest_wrmsr_xen.
 */
import { XEN_HYPERCALL_MSR } from "../abi/arch-x86.js";
import type { Domain } from "../domain/domain.js";
import { pvhHypercallPage } from "../domain/hypercall-page.js";
import { frameNumber } from "../hypercalls/call.js";
import { MSR_MISC_FEATURES_ENABLES, MSR_PLATFORM_INFO, readModelRegister, writeCpuidFaulting } from "./model-registers.js";
import type { VirtualCpu } from "./virtual-cpu.js";

const WRMSR = 0x30;
const RDMSR = 0x32;
const TWO_BYTE = 0x0f;
const LENGTH = 2;
const SUPERVISOR = { level: 0 } as const;
/** EBX of leaf 0: "Genu". */
const INTEL = 0x756e_6547;
const LOW = 0xffff_ffffn;

/** The #GP was an access to one of these that is allowed: it has happened, and the guest goes on behind it. */
export function accessedRegister(domain: Domain, vcpu: VirtualCpu): boolean {
  const { registers } = vcpu;
  const index = Number(registers.get("rcx") & LOW);
  if (index !== XEN_HYPERCALL_MSR && index !== MSR_PLATFORM_INFO && index !== MSR_MISC_FEATURES_ENABLES) return false;
  const code = new Uint8Array(LENGTH);
  const rip = registers.get("rip");
  const linear = BigInt.asUintN(64, registers.segment("cs").base + rip);
  if (domain.hypervisor.linear.read(vcpu.id, linear, code, SUPERVISOR) !== undefined || code[0] !== TWO_BYTE) return false;
  if (code[1] === WRMSR) {
    const value = ((registers.get("rdx") & LOW) << 32n) | (registers.get("rax") & LOW);
    if (!write(domain, vcpu, index, value)) return false;
  } else {
    const value = code[1] === RDMSR && index !== XEN_HYPERCALL_MSR ? readModelRegister(vcpu, index) : undefined;
    if (value === undefined) return false;
    registers.set("rax", value & LOW);
    registers.set("rdx", value >> 32n);
  }
  registers.set("rip", rip + BigInt(LENGTH));
  return true;
}

function write(domain: Domain, vcpu: VirtualCpu, index: number, value: bigint): boolean {
  if (index === MSR_MISC_FEATURES_ENABLES) return writeCpuidFaulting(vcpu, value);
  return index === XEN_HYPERCALL_MSR && placeCalls(domain, vcpu, value);
}

/** Fills a frame of the guest's with calls. Who asks for it is about to begin with its drivers. */
function placeCalls(domain: Domain, vcpu: VirtualCpu, value: bigint): boolean {
  const { environment, frames } = domain;
  const frame = frameNumber(value >> 12n);
  if ((value & 0xfffn) !== 0n || !frames.owns(frame)) return false;
  domain.callsFrom(vcpu);
  domain.latchWidth();
  environment.memory.write(frame * 4096, pvhHypercallPage(environment.cpuid(0, 0).ebx === INTEL ? "intel" : "amd"));
  return true;
}

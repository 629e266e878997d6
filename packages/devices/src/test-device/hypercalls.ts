/**
 * The hypercalls that kernel test suites issue without asking whether anybody answers: those of KVM, by VMCALL or VMMCALL.
 * Linux Documentation/virt/kvm/x86/hypercalls.rst. Of the calls there is SEND_IPI; the others are answered as unknown. CPUID does not show
 * them, so kernels that look do not use them.
 */
import type { Hypercall, HypercallDevice } from "@paravane/paravirt-ops";
import type { ApicBus, LocalApic } from "../lapic/index.js";

const KVM_HC_SEND_IPI = 10n;
const KVM_EPERM = 1n;
const KVM_EINVAL = 22n;
const KVM_ENOSYS = 1000n;
/** ICR bits that SEND_IPI takes: vector, delivery mode, assert, level. */
const ICR_TAKEN = 0xc7ffn;
const MODE_FIXED = 0;
const MODE_NMI = 4;

/** Answers the calls. */
export class TestHypercalls implements HypercallDevice {
  constructor(private readonly apics: ApicBus) {}

  hypercall(_vcpu: number, { level, bits, registers: [call, low, high, first, icr] }: Hypercall): bigint {
    if (level !== 0) return -KVM_EPERM;
    return call === KVM_HC_SEND_IPI ? this.#sendIpi(low | (high << BigInt(bits)), first, icr) : -KVM_ENOSYS;
  }

  /** A bitmap of APIC IDs from `first` on, and an ICR value without destination; returns how many of the APICs exist. */
  #sendIpi(bitmap: bigint, first: bigint, icr: bigint): bigint {
    const mode = Number((icr >> 8n) & 7n);
    if ((icr & ~ICR_TAKEN) !== 0n || (mode !== MODE_FIXED && mode !== MODE_NMI)) return -KVM_EINVAL;
    const targets = this.apics.apics.filter(({ id }) => BigInt(id) >= first && ((bitmap >> (BigInt(id) - first)) & 1n) !== 0n);
    for (const apic of targets) this.#deliver(apic, mode, Number(icr & 0xffn));
    return BigInt(targets.length);
  }

  #deliver(apic: LocalApic, mode: number, vector: number): void {
    if (apic.enabled) apic.deliver(mode, vector, false);
  }
}

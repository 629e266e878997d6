/** RDTSC and RDTSCP of a kernel whose CR4.TSD forbids them to user code: the processor refuses both, who are above ring 0 alike. SDM Vol. 2B. */
import type { Domain } from "../domain/domain.js";
import type { VirtualCpu } from "./virtual-cpu.js";

const CR4_TSD = 1n << 2n;
const MSR_TSC_AUX = 0xc000_0103;
const LOW = 0xffff_ffffn;
const FORMS = [
  { instruction: "rdtsc", code: [0x0f, 0x31] },
  { instruction: "rdtscp", code: [0x0f, 0x01, 0xf9] },
] as const;
const LONGEST = 3;

/** The #GP was one of these: it has happened, and the guest goes on behind it. */
export function readCounter({ copy, hypervisor }: Domain, vcpu: VirtualCpu): boolean {
  if (!vcpu.inKernel || (vcpu.cr4 & CR4_TSD) === 0n) return false;
  const { registers } = vcpu;
  const rip = registers.get("rip");
  const code = copy.read(vcpu.id, BigInt.asUintN(vcpu.bits, registers.segment("cs").base + rip), LONGEST);
  const form = FORMS.find((known) => known.code.every((byte, index) => code?.[index] === byte));
  const value = form && hypervisor.execute(vcpu.id, { instruction: form.instruction });
  if (form === undefined || typeof value !== "bigint") return false;
  registers.set("rax", value & LOW);
  registers.set("rdx", value >> 32n);
  if (form.instruction === "rdtscp") registers.set("rcx", registers.msr(MSR_TSC_AUX) ?? 0n);
  registers.set("rip", rip + BigInt(form.code.length));
  return true;
}

/** NMIs between vCPUs: taken at once whatever the event mask, by the trap table's line 2, and held back until the handler's iret call. */
import { kernelCodeOf } from "../abi/arch-x86.js";
import type { Domain } from "../domain/domain.js";
import type { VirtualCpu } from "./virtual-cpu.js";

const NMI = 2;

/** The kernel's handler is at `address`; it is entered with events masked. */
export function setNmiHandler(vcpu: VirtualCpu, address: bigint): void {
  vcpu.traps.set(NMI, { selector: kernelCodeOf(vcpu.bits), address, level: 0, masksEvents: true });
}

/** There is no handler. */
export function clearNmiHandler(vcpu: VirtualCpu): void {
  vcpu.traps.delete(NMI);
}

/** VCPUOP_send_nmi: latches one; a vCPU that is between two instructions takes it. */
export function sendNmi(domain: Domain, vcpu: VirtualCpu, caller: VirtualCpu): void {
  vcpu.nmiPending = true;
  domain.wake(vcpu);
  if (vcpu !== caller && vcpu.online) takeNmi(domain, vcpu);
}

/** Enters the handler when one is due: the registers are those after the instruction. Without a handler it is lost, as in Xen. */
export function takeNmi(domain: Domain, vcpu: VirtualCpu): void {
  if (!vcpu.nmiPending || vcpu.nmiMasked) return;
  vcpu.nmiPending = false;
  const target = vcpu.traps.get(NMI);
  if (target === undefined || target.address === 0n) return;
  const entered = domain.entry.enter(vcpu, { target });
  if ("crash" in entered) domain.crash(vcpu, entered.crash);
  else domain.entry.apply(vcpu, entered);
  vcpu.nmiMasked = true;
}

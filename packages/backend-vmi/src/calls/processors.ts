/** Calls on the local APIC, on other processors and on the machine as a whole (VMI calls 36, 37 and 62 to 65). */
import { isGuestFault } from "@paravane/paravirt-ops";
import { AP_STATE_BYTES, apState } from "../abi/vmi.js";
import type { CallHandlers } from "./rom-call.js";

/** SetInitialAPState's structure, by field. */
export type StartImage = Readonly<Record<keyof typeof apState, bigint>>;

const REGISTER_MASK = 0xfff;

/** Reads the structure. */
export function startImage(bytes: Uint8Array): StartImage {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return Object.fromEntries(
    Object.entries(apState).map(([name, [offset, width]]) => [
      name,
      width === 8 ? view.getBigUint64(offset, true) : BigInt(width === 4 ? view.getUint32(offset, true) : view.getUint16(offset, true)),
    ]),
  ) as StartImage;
}

/** Handlers of these calls. */
export const processorCalls: CallHandlers = {
  /** VMI_CALL_Reboot (36). */
  Reboot: (call) => call.guest.under.smp.shutdown.run(call.vcpu, "reboot"),
  /** VMI_CALL_Shutdown (37). */
  Shutdown: (call) => call.guest.under.smp.shutdown.run(call.vcpu, "poweroff"),
  /** VMI_CALL_SetInitialAPState (62): structure EAX, local APIC identifier EDX; the next STARTUP of that vCPU starts it so. */
  SetInitialAPState: (call) => {
    const bytes = call.read(BigInt(call.eax), AP_STATE_BYTES);
    if (isGuestFault(bytes)) return bytes;
    const target = call.guest.cpus[call.edx];
    if (target !== undefined) target.start = startImage(bytes);
  },
  /** VMI_CALL_APICWrite (63): register EAX, as an offset or an address, value EDX. */
  APICWrite: (call) => call.guest.under.irq.apicWrite.run(call.vcpu, call.eax & REGISTER_MASK, call.edx),
  /** VMI_CALL_APICRead (64): register EAX, value in EAX. */
  APICRead: (call) => call.result(call.guest.under.irq.apicRead.run(call.vcpu, call.eax & REGISTER_MASK)),
};

/**
 * Interrupts under Xen. A PV guest masks events by a store to its own vcpu_info, which reaches no operation; CLI and STI come as intercepted
 * instructions and are ignored or refused by the virtual I/O privilege. These are the processor's own answers, for a guest that has none of that.
 */
import type { IrqOps } from "@paravane/paravirt-ops";

/** The irq group, over that of the layer beneath. */
export function irqOps(under: IrqOps): IrqOps {
  return {
    saveFl: under.saveFl,
    restoreFl: under.restoreFl,
    disable: under.disable,
    enable: under.enable,
    safeHalt: under.safeHalt,
    halt: under.halt,
    nmi: under.nmi,
    adjustExceptionFrame: under.adjustExceptionFrame,
    apicRead: under.apicRead,
    apicWrite: under.apicWrite,
  };
}

/**
 * Interrupts under VMI. The flag's calls are code in the ROM and reach no operation; the local APIC's registers are the bare machine's.
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

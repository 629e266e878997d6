/**
 * Operations on interrupts as one vCPU sees them. Only the interrupt flag counts in `saveFl` and `restoreFl`.
 * Origins: pv_irq_ops of both versions, pv_apic_ops of 2.6.32, struct apic.
 */
import { operation as op, type SlotsOf } from "./operation.js";

/** Operations on interrupts. */
export const irqOperations = {
  saveFl: op<[], number>("irq.save_fl", "Bit 9 of the result is set exactly when interrupts are enabled."),
  restoreFl: op<[flags: number]>("irq.restore_fl (2.6.32; derived in 6.1)", "Interrupts are enabled exactly when bit 9 of `flags` is set."),
  disable: op("irq.irq_disable", "No interrupt is delivered until they are enabled again."),
  enable: op("irq.irq_enable", "Interrupts are enabled, and what is pending is delivered after the next instruction."),
  safeHalt: op("irq.safe_halt", "Interrupts are enabled and the vCPU sleeps until one is delivered; none is lost in between."),
  halt: op("irq.halt", "The vCPU sleeps as HLT does with the present interrupt flag."),
  nmi: op("nmi; Xen NMIOP", "A non-maskable interrupt is delivered as soon as none is being handled."),
  adjustExceptionFrame: op("irq.adjust_exception_frame (2.6.32, 64 bit)", "The exception frame on the stack has the architectural layout."),
  apicRead: op<[register: number], number>("apic->read", "The result is the local APIC register at offset `register`."),
  apicWrite: op<[register: number, value: number]>(
    "apic->write, apic->eoi, icr_write",
    "The local APIC has taken the write; 0xb0 is the end of interrupt.",
  ),
} as const;

/** A backend's answers to the irq group. */
export type IrqOps = SlotsOf<typeof irqOperations>;

/** I/O APIC: 24 interrupt inputs turned into messages to local APICs. */
export { IOAPIC_PINS, type InterruptMessages, IoApic, type IoApicState } from "./ioapic.js";
export { attachIoApic, IOAPIC_BASE } from "./mmio-ioapic.js";

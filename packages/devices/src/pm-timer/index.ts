/** ACPI fixed hardware: PM1 event and control blocks, power management timer. The reset register at 0xcf9 is in ../pci/config-mechanism.ts. */
export { AcpiPm, type AcpiPmState, PM_TIMER_HZ } from "./acpi-pm.js";
export { type AcpiPmWiring, attachAcpiPm, type PortAcpiPm } from "./port-acpi-pm.js";

/** PCI: configuration mechanism #1, configuration spaces, bridges, INTx routing, MSI-X. */
export { COMMAND_BUS_MASTER, COMMAND_INTX_DISABLE, COMMAND_IO, COMMAND_MEMORY, PciConfigSpace } from "./config-space.js";
export type { PciBar, PciConfigState, PciIdentity } from "./config-space.js";
export { BarWindows } from "./bar-windows.js";
export type { BarTarget, PciBuses } from "./bar-windows.js";
export { PciBus, defaultPciWindows } from "./pci-bus.js";
export type { PciBusState, PciFunction, PciWindows } from "./pci-bus.js";
export { PciConfigMechanism, attachPciConfigMechanism } from "./config-mechanism.js";
export type { PciConfigMechanismState } from "./config-mechanism.js";
export { HostBridge, IsaBridge } from "./host-bridge.js";
export type { IsaBridgeState } from "./host-bridge.js";
export { PIRQ_DISABLED, PIRQ_FIRMWARE_ROUTES, PIRQ_GSI_BASE, PirqRouter, pirqOf } from "./pirq.js";
export { CAP_MSIX, Msix } from "./msix.js";
export type { MsixState } from "./msix.js";
export { PciHost } from "./pci-host.js";
export type { PciHostState, PciHostWiring, PciSlotWiring } from "./pci-host.js";

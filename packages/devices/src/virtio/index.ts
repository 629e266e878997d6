/** Virtio 1.x: split queues, the PCI transport, and the block, console and entropy devices. */
export { VirtqChain } from "./chain.js";
export { VirtQueue } from "./queue.js";
export type { VirtQueueState } from "./queue.js";
export { F_EVENT_IDX, F_INDIRECT_DESC, F_VERSION_1 } from "./device.js";
export type { VirtioDevice, VirtioLink } from "./device.js";
export { COMMON_CONFIG_LENGTH, NO_VECTOR, STATUS_DRIVER_OK, STATUS_FEATURES_OK, STATUS_NEEDS_RESET, VirtioRegisters } from "./registers.js";
export type { VirtioInterrupts, VirtioState } from "./registers.js";
export { VirtioPci } from "./pci-transport.js";
export type { VirtioPciState } from "./pci-transport.js";
export { VirtioBlock } from "./block.js";
export type { VirtioBlockOptions, VirtioBlockState } from "./block.js";
export { VirtioConsole } from "./console.js";
export type { VirtioConsoleState } from "./console.js";
export { VirtioEntropy } from "./entropy.js";
export type { VirtioEntropyState } from "./entropy.js";

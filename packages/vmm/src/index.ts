/**
 * @paravane/vmm: composes a machine from a core, a board and backends, places a kernel in it, and runs it. It depends on the contract alone.
 */

// The machine.
export { createMachine, Machine } from "./machine.js";
export type { BootReport, MachineEvents, MachineStats } from "./machine.js";
export { memoryBytes } from "./machine-options.js";
export type { DriveOptions, GuestOptions, MachineOptions } from "./machine-options.js";
export type { VcpuStats } from "./run/processors.js";
export type { RunCounters } from "./run/run-loop.js";
export type { RunResult } from "./run/run-result.js";

// Images: what a file is, and how it is placed.
export { inspectImage } from "./loaders/detect.js";
export type { ImageParts } from "./loaders/detect.js";
export { parseElf } from "./loaders/elf.js";
export type { ParsedElf } from "./loaders/elf.js";
export { bootImage } from "./loaders/boot.js";
export type { BootTarget } from "./loaders/boot-target.js";
export { E820, MemoryMap } from "./loaders/memory-map.js";
export type { MemoryRegion, Placement } from "./loaders/memory-map.js";
export { decompressPayload, payloadFormat } from "./loaders/payload.js";
export type { Decompressor, Decompressors, PayloadFormat } from "./loaders/payload.js";

// Layers.
export { composeBackends } from "./compose.js";
export type { Composition } from "./compose.js";

// Clocks and host resources, for whoever composes by hand.
export { HostClock } from "./clock/host-clock.js";
export type { HostNow } from "./clock/host-clock.js";
export { ICOUNT_NS_PER_INSTRUCTION, IcountClock } from "./clock/icount-clock.js";
export { TSC_HZ } from "./clock/machine-clock.js";
export type { MachineClock, RetiredSource } from "./clock/machine-clock.js";
export { guestWallClock, hostEntropy, hostWallClock, ICOUNT_EPOCH_MS, seededEntropy } from "./host/defaults.js";
export { SerialPort } from "./host/serial-port.js";

/**
 * @paravane/paravirt-ops: the contract between CPU cores, boards, hypervisor backends and the monitor that composes them.
 * Every public name is listed by hand, in the order in which the README explains them.
 */

// Units: numbers that say what they count.
export type { AccessSize, Gfn, Gpa, Gsi, Mfn, Ns, Port, Vector } from "./units.js";

// Errors that survive several copies of this package.
export { HvError, isHvError } from "./errors.js";
export type { HvErrorOptions } from "./errors.js";

// Buses: what a device implements and what a bus offers.
export type { PioBus, PioDevice } from "./bus/pio.js";
export type { MmioBus, MmioDevice } from "./bus/mmio.js";
export type { BusTap } from "./bus/tap.js";

// Handles: what a core and a board lend.
export type { Alarm, Clock } from "./handles/clock.js";
export type { GuestMemory } from "./handles/guest-memory.js";
export type { IrqFlow, IrqLine, MsiSink } from "./handles/irq-line.js";
export type {
  ControlRegister,
  ExitReason,
  GeneralRegister,
  SegmentCache,
  SegmentName,
  TableRegister,
  Vcpu,
  VcpuRegisters,
} from "./handles/vcpu.js";

// Host resources.
export type { BlockStore, ByteStream, Entropy, PacketPort, WallClock } from "./host/resources.js";

// Guest images, parsed once.
export type { BootProtocol, ElfImage, GuestImage, GuestNote, GuestSegment, GuestSymbol, LinuxSetup, MultibootHeader } from "./image.js";

// Parts: definitions that the monitor makes instances of.
export type { Core, CoreDefinition, CoreEnvironment, LocalInterrupts, MsrDevice } from "./core.js";
export type { Board, BoardDefinition, BoardDrive, BoardEnvironment, PowerEvent } from "./board.js";

/**
 * @paravane/paravirt-ops: the contract between CPU cores, boards, hypervisor backends and the monitor that composes them.
 * Every public name is listed by hand, in the order in which the README explains them.
 */

// Units: numbers that say what they count.
export type { AccessSize, Gfn, Gpa, Gsi, Mfn, Ns, Port, Vector } from "./units.js";

// Errors that survive several copies of this package.
export { HvError, isHvError } from "./errors.js";
export type { HvErrorOptions } from "./errors.js";

// Operations: five groups, and how a slot is filled.
export { layerOver, listOperations, operations } from "./ops/index.js";
export type { OperationGroup, OperationRow, OwnAnswers, ParavirtOps } from "./ops/index.js";
export { completeOperations } from "./ops/complete.js";
export { cpuOperations } from "./ops/cpu.js";
export type { CpuidResult, CpuOps, TableOperand } from "./ops/cpu.js";
export { irqOperations } from "./ops/irq.js";
export type { IrqOps } from "./ops/irq.js";
export { mmuOperations } from "./ops/mmu.js";
export type { LazyMode, MmuOps, TableLevel } from "./ops/mmu.js";
export { clockEventSlots, timeOperations } from "./ops/time.js";
export type { TimeOps } from "./ops/time.js";
export { smpOperations } from "./ops/smp.js";
export type { ShutdownReason, SmpOps, StartState } from "./ops/smp.js";
export {
  architectural,
  deviceNotAvailable,
  exit,
  faulting,
  generalProtection,
  isGuestFault,
  nop,
  operation,
  undefinedOpcode,
} from "./ops/operation.js";
export type { FieldMeaning, FieldReference, GuestFault, InlineForm, Operation, OperationSpec, SlotsOf } from "./ops/operation.js";

// Backends: definitions, layers, and what they are given.
export { defineBackend, requireHypervisor, requireUnder } from "./backend.js";
export type {
  Acceptance,
  BackendDefinition,
  BackendEnvironment,
  BackendSource,
  BootMethod,
  BootWay,
  InstalledBackend,
  ProbedImage,
} from "./backend.js";

// Answers: how guests of a backend get what operations promise.
export { answerOfForm, answersOfForms, by, contradictions, listAnswers, operationsOf } from "./answers.js";
export type { Answer, AnswerKind, AnswerRow, Answers, GuestCall, GuestMode, OperationName } from "./answers.js";

// Handles: what a core and a board lend.
export { generalRegisters } from "./handles/vcpu.js";
export type {
  ControlRegister,
  DebugRegister,
  ExitReason,
  GeneralRegister,
  SegmentCache,
  SegmentName,
  TableRegister,
  Vcpu,
  VcpuRegisters,
} from "./handles/vcpu.js";
export type { GuestMemory } from "./handles/guest-memory.js";
export type { IrqFlow, IrqLine, MsiSink } from "./handles/irq-line.js";
export type { Alarm, Clock } from "./handles/clock.js";
export type { ClockEvent, Clocksource, Timekeeping } from "./handles/time.js";
export { clockEventOver } from "./handles/clock-event.js";
export { noIntercepts } from "./handles/intercepts.js";
export type {
  InterceptableInstruction,
  InterceptAnswer,
  InterceptedInstruction,
  InterceptHandler,
  InterceptSet,
  PrivilegeLevel,
} from "./handles/intercepts.js";
export type { DeliveryAnswer, DeliveryEvent, DeliveryHandler, ResumeAt } from "./handles/delivery.js";
export type {
  ArchitecturalRequest,
  HypervisorFrames,
  HypervisorHandle,
  LinearAccess,
  LinearMemory,
  LinearWindow,
  OpenWindow,
  ProtectedStore,
  StoreAnswer,
  StoreHandler,
} from "./handles/hypervisor.js";

// Buses: what a device implements and what a bus offers.
export type { PioBus, PioDevice } from "./bus/pio.js";
export type { MmioBus, MmioDevice } from "./bus/mmio.js";
export type { BusTap } from "./bus/tap.js";

// Host resources.
export type { BlockStore, ByteStream, Entropy, PacketPort, WallClock } from "./host/resources.js";

// Guest images, parsed once.
export type {
  BootProtocol,
  ElfImage,
  GuestImage,
  GuestNote,
  GuestSegment,
  GuestSymbol,
  LinuxSetup,
  MultibootHeader,
} from "./image.js";

// Parts: definitions that the monitor makes instances of, and what they say of themselves.
export { contractIncludes, PART, partKind, sameMajor } from "./part.js";
export type { Part, PartDeclaration, PartKind, PartMark } from "./part.js";
export { defineCore } from "./core.js";
export type {
  CodeRegion,
  Core,
  CoreDefinition,
  CoreEnvironment,
  Hypercall,
  HypercallDevice,
  LocalInterrupts,
  MsrDevice,
  TscGuess,
} from "./core.js";
export { defineBoard } from "./board.js";
export type { Board, BoardDefinition, BoardDrive, BoardEnvironment, PowerEvent } from "./board.js";

// Taps, saved state, versions and guest-visible numbers.
export type { Taps } from "./trace.js";
export { expectSchema } from "./snapshot.js";
export type { SnapshotRecord, Snapshottable, SnapshotValue } from "./snapshot.js";
export { abiConstants, CONTRACT_VERSION, machineAbi, MEMORY_LAYOUT } from "./abi.js";
export type { AbiEntry, AbiKind, AbiManifest, AbiTable } from "./abi.js";

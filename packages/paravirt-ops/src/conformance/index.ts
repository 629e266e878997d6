/**
 * @paravane/paravirt-ops/conformance: the suites that every implementer runs, and a recording core and board, so that a part's own tests
 * need no sibling. Suites are plain `{ name, run }` records without a test runner.
 */
export { check, same } from "./case.js";
export type { ConformanceCase } from "./case.js";
export { RecordingMemory } from "./recording-memory.js";
export { RecordingRegisters, RecordingVcpu, spin } from "./recording-vcpu.js";
export type { GuestProgram } from "./recording-vcpu.js";
export { RecordingHypervisor } from "./recording-hypervisor.js";
export { recordingCore } from "./recording-core.js";
export type { RecordingCore, RecordingCoreDefinition } from "./recording-core.js";
export { recordingBoard } from "./recording-board.js";
export type { RecordingBoard, RecordingBoardDefinition } from "./recording-board.js";
export { plainBackend, plainOps } from "./plain-backend.js";
export { backendBench, ownAnswers } from "./backend-bench.js";
export type { BackendBench } from "./backend-bench.js";
export { backendSuite } from "./backend.js";
export { clockEventSuite, timerOf } from "./clock-events.js";
export type { ClockEventBench, ClockEventTraits, GuestTimer } from "./clock-events.js";
export { coreSuite } from "./core.js";
export { deviceSuite } from "./device.js";
export type { DeviceBench } from "./device.js";
export { sampleArguments } from "./samples.js";

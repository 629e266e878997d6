// The engine's exports: what TypeScript calls.
export { run } from "./run";
export { coldOp } from "./generated/interpreter";
export * from "./generated/unit-calls";
export { codeFlush, codeInit, codeInsert, codeReserve } from "./code-cache";
export { dmaInvalidate, machineInit, setA20, tlbFlushAll, tlbForgetFrame, tlbProtectFrame, tlbSelect, tlbWipe } from "./memory/index";
export { jumpForget, jumpWipe } from "./jumps";
export { fetchPtr } from "./memory/access";
export { updateMode } from "./system/mode";
export { msrGet, msrPut } from "./system/msr";
export { getFlags, setFlags } from "./flags";
export { debugRegistersChanged } from "./system/debug-registers";
export { logCapture, logDiffers, logRestore, runPlain } from "./verify";

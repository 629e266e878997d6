// The engine's exports: what TypeScript calls.
export { run } from "./run";
export { coldOp, lentOp, settleFlags, systemOp } from "./generated/interpreter";
export * from "./generated/unit-calls";
export { linearTranslate } from "./hypervisor/linear";
export { interceptAddress, interceptWord } from "./hypervisor/operand";
export { popFlagsWithout, pushFlagsWith } from "./hypervisor/inline-form";
export { loadCodeSegment, loadLdtr, loadSegment, loadTaskRegister } from "./system/segment-load";
export { codeFlush, codeInit, codeInsert, codeInvalidate, codeReserve } from "./code-cache";
export {
  dmaInvalidate, machineInit, setA20, tlbFlushAll, pagingChanged, switchRoot, tlbFlushPage, tlbForgetFrame, tlbProtectFrame, tlbSelect, tlbWipe,
} from "./memory/index";
export { jumpForget, jumpWipe } from "./jumps";
export { fetchPtr } from "./memory/access";
export { updateMode } from "./system/mode";
export { msrGet, msrPut } from "./system/msr";
export { getFlags, setFlags } from "./flags";
export { debugRegistersChanged } from "./system/debug-registers";
export { logCapture, logRestore, runPlain, verifyAgain, verifyBegin, verifyDiffers, verifyUndo } from "./verify";

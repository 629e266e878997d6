// The system side of the engine: exceptions, control transfers, segments, tasks, debugging.
export { updateMode } from "./mode";
export { loadSegment } from "./segment-load";
export { pushSlow, popSlow } from "./stack";
export { deliverException, interrupt } from "./exceptions";
export { pendingWork, takeInterrupt } from "./pending";
export { afterInstruction, beforeInstruction, ioWatch } from "./debug";
export { iret } from "./iret";
export * from "./far";
export * from "./software-interrupts";
export * from "./segment-instructions";
export * from "./table-registers";
export * from "./stack-instructions";

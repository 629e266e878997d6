/** The x86 CPU core of Paravane. */
export { cpuCore, createCore } from "./core.js";
export { MAX_RAM_BYTES } from "./memory-plan.js";

/** The x86 CPU core of Paravane. */
export { type CpuCoreOptions, cpuCore, cpuCoreWith, createCore } from "./core.js";
export { MAX_RAM_BYTES } from "./memory-plan.js";
export type { TranslationTuning } from "./translate/translator.js";

/**
 * @paravane/backend-vmi: VMware's VMI 3.0 as a backend. Every public name is listed by hand; the README says what is modelled.
 */
export { vmi } from "./backend.js";
export { vmi as default } from "./backend.js";
export type { VmiConfig } from "./backend.js";
export { manifest } from "./abi/manifest.js";
export { describePolicy, parsePolicy } from "./policy.js";
export type { CallPolicy } from "./policy.js";
export type { CallName, RomAnswer } from "./abi/calls.js";

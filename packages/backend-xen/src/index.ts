/**
 * @paravane/backend-xen: Xen 4.17's guest ABI as a backend. Every public name is listed by hand; the README says what is not there yet.
 */
export { xen } from "./backend.js";
export { xen as default } from "./backend.js";
export type { XenConfig } from "./domain/domain.js";
export { manifest } from "./abi/manifest.js";

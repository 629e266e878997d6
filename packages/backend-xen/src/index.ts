/**
 * @paravane/backend-xen: Xen 4.17's guest ABI. So far what a domain is built of; the README says what is not there yet.
 * Every public name is listed by hand.
 */
export { manifest } from "./abi/manifest.js";

/** isa-debug-exit: a port that ends the run. */
export { attachDebugExit } from "./debug-exit.js";

// When V8 optimises WebAssembly. Its budget suits programs that are translated once and whole; translations of a guest's code are made because the
// code runs, and code that runs a few hundred times a second would stay with V8's first compiler for a minute.
import { setFlagsFromString } from "node:v8";

/** What a function may run, roughly in bytes of machine code, before V8 optimises it in the background: unless told, 1.8 million on Node 20 and 13 million on Node 26. */
const BUDGET = 1_000_000;

/** Has modules that are compiled from here on optimised sooner, in the whole process; once all code has been loaded, as for `boundHeap`. */
export function optimizeSooner(): void {
  setFlagsFromString(`--wasm-tiering-budget=${BUDGET}`);
}

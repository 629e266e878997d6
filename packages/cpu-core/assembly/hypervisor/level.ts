// Privilege as a backend sees it, and what comes to it at each level.
import { CPL, LEVEL_EXCEPTIONS, LEVEL_INTERRUPTS, LEVEL_MODE, VIRTUAL_LEVEL } from "../../src/layout";

/** The virtual level where there is one, else the CPL. */
// @ts-ignore: decorator
@inline
export function levelOf(cpu: usize): u32 {
  const virtual = load<u32>(cpu, VIRTUAL_LEVEL);
  return virtual ? virtual - 1 : load<u32>(cpu, CPL);
}

/** The intercept set of the present level, in its place in the mode key. */
// @ts-ignore: decorator
@inline
export function interceptMode(cpu: usize): u32 {
  return load<u32>(cpu + (<usize>levelOf(cpu) << 2), LEVEL_MODE);
}

/** Does exception or software interrupt `vector` come to delivery at the present level? */
export function exceptionComes(cpu: usize, vector: u32): bool {
  const byte = load<u8>(cpu + (<usize>levelOf(cpu) << 5) + <usize>(vector >> 3), LEVEL_EXCEPTIONS);
  return (byte & (<u8>1 << <u8>(vector & 7))) != 0;
}

/** Do interrupts and NMIs? */
export function interruptsCome(cpu: usize): bool {
  return load<u32>(cpu + (<usize>levelOf(cpu) << 2), LEVEL_INTERRUPTS) != 0;
}

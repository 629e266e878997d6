// A backend's look at linear memory.
import { EFLAGS, EXIT_ARG } from "../../src/layout";
import { AC } from "../flags";
import { foundPa, translate } from "../memory/tlb";
import { ACCESS_ANY, ACCESS_FREE, ACCESS_I, ACCESS_W } from "../memory/walk";

/**
 * Translates `linear` for an access at privilege `level`; 4 stands for an implicit one. 1: the physical address is in EXIT_ARG; 0: a fault
 * is pending. Protected frames are no obstacle.
 */
export function linearTranslate(cpu: usize, linear: u64, level: u32, write: bool, execute: bool): u32 {
  const array: u32 = level == 3 ? 0 : level < 3 && load<u32>(cpu, EFLAGS) & AC ? 2 : 1;
  const access = ACCESS_FREE | (level == 0 || level == 4 ? ACCESS_ANY : 0) | (write ? ACCESS_W : 0) | (execute ? ACCESS_I : 0);
  if (!translate(cpu, linear, access, array)) return 0;
  store<u64>(cpu, foundPa, EXIT_ARG);
  return 1;
}

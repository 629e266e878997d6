// Memory operands of instructions that are intercepted: their addresses without checks, and the words that selectors are read from.
import { FS, LIN_MASK, MODE, MODE_64, SEG, SEG_BASE, SEG_SIZE, U_SEG } from "../../src/layout";
import { faulted } from "../fault";
import { rd16 } from "../memory/access";
import { uopAddress, uopOffset } from "../memory/segmentation";

/** Linear address of `u`'s memory operand; whoever uses it finds out whether it can be used. */
export function interceptAddress(cpu: usize, u: usize): u64 {
  const seg: u32 = load<u8>(u, U_SEG) & 7;
  const offset = uopOffset(cpu, u);
  if (load<u32>(cpu, MODE) & MODE_64 && seg < <u32>FS) return offset;
  return (load<u64>(cpu + SEG + seg * SEG_SIZE, SEG_BASE) + offset) & load<u64>(cpu, LIN_MASK);
}

/** The 16 bits there; a fault may be pending. */
export function interceptWord(cpu: usize, u: usize): u32 {
  const linear = uopAddress(cpu, u, 2, false);
  return faulted(cpu) ? 0 : rd16(cpu, linear);
}

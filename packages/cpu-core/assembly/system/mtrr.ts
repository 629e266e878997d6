// Memory-type registers: PAT, and the MTRRs (SDM Vol. 3A §12.11-12.12). They are kept and checked as an OS expects; memory types have
// no effect here, since there are no caches.
import { MSR_MTRR_CAP, MSR_MTRR_DEF_TYPE, MSR_MTRR_FIX, MSR_MTRR_PHYS, PHYS_MASK } from "../../src/layout";

const TYPES: u32 = 0x73; // UC 0, WC 1, WT 4, WP 5, WB 6
const PAT_TYPES: u32 = 0xf3; // and UC- 7

/** Is each of the eight bytes a memory type of the set `types`? */
function typesValid(value: u64, types: u32): bool {
  for (let i: u32 = 0; i < 8; i++, value >>= 8) {
    const type = <u32>value & 0xff;
    if (type > 7 || !((types >> type) & 1)) return false;
  }
  return true;
}

export function patValid(value: u64): bool {
  return typesValid(value, PAT_TYPES);
}

/** Slot of an MTRR in the vCPU block, 0 when the index is none that exists. */
export function mtrrSlot(cpu: usize, index: u32): usize {
  if (index == 0x2ff) return cpu + MSR_MTRR_DEF_TYPE;
  if (index >= 0x200 && index < 0x200 + 2 * (load<u32>(cpu, MSR_MTRR_CAP) & 0xff)) return cpu + MSR_MTRR_PHYS + ((index - 0x200) << 3);
  if (index == 0x250) return cpu + MSR_MTRR_FIX;
  if (index == 0x258 || index == 0x259) return cpu + MSR_MTRR_FIX + ((index - 0x257) << 3);
  if (index >= 0x268 && index <= 0x26f) return cpu + MSR_MTRR_FIX + ((index - 0x265) << 3);
  return 0;
}

/** May `value` be written to the MTRR `index`, which exists? */
export function mtrrValid(cpu: usize, index: u32, value: u64): bool {
  if (index == 0x2ff) return !(value & ~0xcff) && ((value & 0xff) < 8 && (TYPES >> <u32>(value & 0xff)) & 1) != 0;
  if (index >= 0x250) return typesValid(value, TYPES);
  if (value & ~load<u64>(cpu, PHYS_MASK)) return false;
  if (index & 1) return !(value & 0x7ff);
  return !(value & 0xf00) && (value & 0xff) < 8 && ((TYPES >> <u32>(value & 0xff)) & 1) != 0;
}

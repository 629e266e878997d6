// Machine-check registers (SDM Vol. 3B §16.3): banks that never report anything, and accept what an OS writes when it sets them up.
import { MC_BANKS, MSR_HWCR, MSR_MCG_CAP, MSR_MCG_CTL, MSR_MCG_STATUS } from "../../src/layout";

const MCG_CTL_P: u32 = 0x100;
const HWCR_MC_STATUS_WRITE: u32 = 0x40000; // AMD McStatusWrEn

/** Slot of a machine-check register, 0 when the index is none that exists. */
export function machineCheckSlot(cpu: usize, index: u32): usize {
  const cap = load<u32>(cpu, MSR_MCG_CAP);
  if (index == 0x179) return cpu + MSR_MCG_CAP;
  if (index == 0x17a) return cpu + MSR_MCG_STATUS;
  if (index == 0x17b) return cap & MCG_CTL_P ? cpu + MSR_MCG_CTL : 0;
  if (index >= 0x400 && index < 0x400 + 4 * (cap & 0xff)) return cpu + MC_BANKS + ((index - 0x400) << 3);
  return 0;
}

/** May `value` be written to the register `index`, which exists? */
export function machineCheckValid(cpu: usize, index: u32, value: u64): bool {
  if (index == 0x179) return false;
  if (index == 0x17a) return value < 8;
  if (index == 0x17b || !(index & 3)) return value == 0 || value == <u64>-1; // CTL: all on or all off
  if ((index & 3) == 1) return value == 0 || (load<u32>(cpu, MSR_HWCR) & HWCR_MC_STATUS_WRITE) != 0; // STATUS: only cleared
  return true;
}

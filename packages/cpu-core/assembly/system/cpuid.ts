// CPUID: rows of a table that the host fills from the model (src/vcpu/cpuid.ts), and the bits that follow the running state.
// SDM Vol. 2A "CPUID", AMD APM Vol. 3 Appendix E.
import { CPUID_COUNT, CPUID_TABLE, CR4, EXIT_ARG, MSR_MISC_ENABLE } from "../../src/layout";
import { hostMsrRead } from "../imports";
import { AX, BX, CX, DX, executeDisableOff, isAmd } from "./privilege";

const ROW: usize = 24;
const ANY_SUBLEAF: u32 = 0xffffffff;
const APIC_BASE: u32 = 0x1b;
const APIC_BASE_ENABLE: u32 = 0x800;
const LIMIT_CPUID: u32 = 0x400000; // in IA32_MISC_ENABLE
const NX: u32 = 0x100000;
const CR4_OSXSAVE: u32 = 0x40000;

/** Row for a leaf; 0 when there is none. */
function find(cpu: usize, leaf: u32, subleaf: u32): usize {
  const end = cpu + CPUID_TABLE + <usize>load<u32>(cpu, CPUID_COUNT) * ROW;
  for (let row = cpu + CPUID_TABLE; row < end; row += ROW) {
    if (load<u32>(row) != leaf) continue;
    const wanted = load<u32>(row, 4);
    if (wanted == ANY_SUBLEAF || wanted == subleaf) return row;
  }
  return 0;
}

/** Intel answers for a leaf beyond the last one as for the highest basic leaf; AMD gives zeros. */
function findIntel(cpu: usize, leaf: u32, subleaf: u32): usize {
  const highest = load<u32>(cpu, CPUID_TABLE + 8); // leaf 0 is the first row
  if (leaf <= highest || leaf >> 28 == 4) return find(cpu, leaf, subleaf);
  const extended = find(cpu, 0x80000000, 0);
  if (extended && leaf >= 0x80000000 && leaf <= load<u32>(extended, 8)) return find(cpu, leaf, subleaf);
  return find(cpu, highest, subleaf);
}

export function cpuid(cpu: usize, u: usize): void {
  const leaf = load<u32>(cpu, AX);
  const subleaf = load<u32>(cpu, CX);
  let a: u32 = 0;
  let b: u32 = 0;
  let c: u32 = 0;
  let d: u32 = 0;
  const row = isAmd(cpu) ? find(cpu, leaf, subleaf) : findIntel(cpu, leaf, subleaf);
  if (row) {
    a = load<u32>(row, 8);
    b = load<u32>(row, 12);
    c = load<u32>(row, 16);
    d = load<u32>(row, 20);
  }
  if (leaf == 1 || (leaf == 0x80000001 && isAmd(cpu))) {
    if (leaf == 1 && load<u32>(cpu, CR4) & CR4_OSXSAVE) c |= 1 << 27;
    // a local APIC that is absent or turned off in IA32_APIC_BASE is not there
    if (d & 0x200 && !(hostMsrRead(cpu, APIC_BASE) && load<u32>(cpu, EXIT_ARG) & APIC_BASE_ENABLE)) d &= ~0x200;
  } else if (leaf == 0 && !isAmd(cpu) && load<u32>(cpu, MSR_MISC_ENABLE) & LIMIT_CPUID) a = min<u32>(a, 2);
  else if (leaf == 0x80000001 && executeDisableOff(cpu)) d &= ~NX;
  else if (leaf == 0xb) c |= subleaf & 0xff; // the subleaf comes back
  store<u64>(cpu, a, AX);
  store<u64>(cpu, b, BX);
  store<u64>(cpu, c, CX);
  store<u64>(cpu, d, DX);
}

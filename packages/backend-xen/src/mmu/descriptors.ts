/** Segment descriptors that a guest may have in its tables: Xen's check_descriptor. SDM Vol. 3A §3.4.5. */
import { FIRST_RESERVED_GDT_ENTRY, hypervisorHole } from "../abi/arch-x86.js";
import type { GuestBits } from "../abi/struct.js";

const SEGMENT_TYPE = 0xf00;
const SEGMENT_S = 1 << 12;
const SEGMENT_DPL = 3 << 13;
const SEGMENT_P = 1 << 15;
const SEGMENT_L = 1 << 21;
const SEGMENT_G = 1 << 23;
const LIMIT_HIGH = 0xf_0000;
const BASE_HIGH = 0xff00_00ff;
const CALL_GATE = 0xc00;

/** A descriptor, by its halves. */
export interface Descriptor {
  readonly low: number;
  readonly high: number;
}

/** A descriptor as it may be installed, with its privilege made the guest's; undefined for one that may not. */
export function safeDescriptor(low: number, high: number, bits: GuestBits): Descriptor | undefined {
  if ((high & SEGMENT_P) === 0) return { low, high };
  const level = Math.max((high >>> 13) & 3, bits === 64 ? 3 : 1);
  if ((high & SEGMENT_S) !== 0) {
    if (bits === 32 && (high & SEGMENT_L) !== 0) return undefined;
    const raised = ((high & ~SEGMENT_DPL) | (level << 13)) >>> 0;
    if (bits === 64 || !reachesXen(low, high)) return { low, high: raised };
    return { low: (low | 0xffff) >>> 0, high: (raised | LIMIT_HIGH) >>> 0 };
  }
  // The second half of a 64-bit gate looks like this.
  if ((high & SEGMENT_TYPE) === 0) return { low, high };
  if ((high & SEGMENT_TYPE) !== CALL_GATE || !isGateTarget(low >>> 16, bits)) return undefined;
  if ((high & (bits === 32 ? 0xe0 : 0xff)) !== 0) return undefined;
  // A gate stays out of reach: using it faults, and the fault is where it is emulated. Who may use it is kept in its selector's level.
  return { low: ((low & ~0x3_0000) | (level << 16)) >>> 0, high: (high & ~SEGMENT_DPL) >>> 0 };
}

/** A flat segment up to some place in Xen's hole: older 32-bit kernels know it smaller, and would miss the list of frames there. */
function reachesXen(low: number, high: number): boolean {
  const units = ((high & LIMIT_HIGH) | (low & 0xffff)) + 1;
  const base = (low >>> 16) | (high & BASE_HIGH);
  return base === 0 && BigInt((high & SEGMENT_G) === 0 ? units : units * 4096) > hypervisorHole[32].start;
}

/** A code selector that a gate may lead to: the guest's own, or the flat one that Xen lends. */
function isGateTarget(selector: number, bits: GuestBits): boolean {
  if ((selector & 4) !== 0 || selector >>> 3 < FIRST_RESERVED_GDT_ENTRY) return true;
  return (selector & ~3) === (bits === 64 ? 0xe030 : 0xe018);
}

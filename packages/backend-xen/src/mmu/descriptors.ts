/** Segment descriptors that a guest may have in its tables: Xen's check_descriptor. SDM Vol. 3A §3.4.5. */
import { FIRST_RESERVED_GDT_ENTRY } from "../abi/arch-x86.js";
import type { GuestBits } from "../abi/struct.js";

const SEGMENT_TYPE = 0xf00;
const SEGMENT_S = 1 << 12;
const SEGMENT_DPL = 3 << 13;
const SEGMENT_P = 1 << 15;
const SEGMENT_L = 1 << 21;
const CALL_GATE = 0xc00;

/** The high half of a descriptor that may be installed, with its privilege made the guest's; undefined for one that may not. */
export function safeDescriptor(low: number, high: number, bits: GuestBits): number | undefined {
  if ((high & SEGMENT_P) === 0) return high;
  const ring = bits === 64 ? 3 : 1;
  const raised = ((high >>> 13) & 3) < ring ? (high & ~SEGMENT_DPL) | (ring << 13) : high;
  if ((high & SEGMENT_S) !== 0) return bits === 32 && (high & SEGMENT_L) !== 0 ? undefined : raised;
  if ((high & SEGMENT_TYPE) === 0) return raised;
  // A call gate stays out of reach: using it faults, and the fault is where it is emulated.
  if ((high & SEGMENT_TYPE) !== CALL_GATE || !isGateTarget(low >>> 16, bits)) return undefined;
  if ((high & (bits === 32 ? 0xe0 : 0xff)) !== 0) return undefined;
  return high & ~SEGMENT_DPL;
}

/** A code selector that a gate may lead to: the guest's own, or the flat one that Xen lends. */
function isGateTarget(selector: number, bits: GuestBits): boolean {
  if ((selector & 4) !== 0 || selector >>> 3 < FIRST_RESERVED_GDT_ENTRY) return true;
  return (selector & ~3) === (bits === 64 ? 0xe030 : 0xe018);
}

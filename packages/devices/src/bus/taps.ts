/** Taps of the two buses: called for accesses that no device claims. Absent by default. */
import type { AccessSize } from "@paravane/paravirt-ops";

/** Where unclaimed accesses are shown. A tap must not throw; it cannot change what the guest sees. */
export interface BusTap {
  unclaimedRead?(address: number, size: AccessSize): void;
  unclaimedWrite?(address: number, size: AccessSize, value: number): void;
}

/** What a bus of undriven wires reads as, at each width. */
export function floating(size: AccessSize): number {
  return size === 1 ? 0xff : size === 2 ? 0xffff : 0xffffffff;
}

/** Cuts a device's answer to the width that was asked for. */
export function truncate(value: number, size: AccessSize): number {
  return size === 1 ? value & 0xff : size === 2 ? value & 0xffff : value >>> 0;
}

/** The tap of the two buses: accesses that no device claims. */
import type { AccessSize } from "../units.js";

/** Where unclaimed accesses are shown. A tap must not throw, and cannot change what the guest sees. Addresses are ports or guest-physical. */
export interface BusTap {
  /** A read floated. */
  unclaimedRead?(address: number, size: AccessSize): void;
  /** A write vanished. */
  unclaimedWrite?(address: number, size: AccessSize, value: number): void;
}

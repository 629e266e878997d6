/** Values as wide as an access. */
import type { AccessSize } from "@paravane/paravirt-ops";

/** What a bus of undriven wires reads as, at each width. */
export function floating(size: AccessSize): number {
  return size === 1 ? 0xff : size === 2 ? 0xffff : 0xffffffff;
}

/** Cuts a device's answer to the width that was asked for. */
export function truncate(value: number, size: AccessSize): number {
  return size === 1 ? value & 0xff : size === 2 ? value & 0xffff : value >>> 0;
}

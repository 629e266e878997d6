/** Guest memory for tests: an array with the VGA hole, strict about its bounds, that also says where it was written. */
import { HvError } from "@paravane/paravirt-ops";
import type { GuestMemory } from "@paravane/paravirt-ops";

export interface TestMemory extends GuestMemory {
  readonly bytes: Uint8Array;
}

export function createRam(size: number): TestMemory {
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  const contains = (address: number, length: number) =>
    Number.isSafeInteger(address) &&
    address >= 0 &&
    length >= 0 &&
    address + length <= size &&
    (address + length <= 0xa0000 || address >= 0xc0000);
  const at = (address: number, length: number) => {
    if (!contains(address, length)) throw new HvError("memory/out-of-range", `0x${address.toString(16)}+${length} is not RAM`);
    return address;
  };
  return {
    bytes,
    size,
    contains,
    view: (address, length) => bytes.subarray(at(address, length), address + length),
    write: (address, from) => bytes.set(from, at(address, from.length)),
    fill: (address, length, value) => void bytes.fill(value, at(address, length), address + length),
    readU8: (address) => view.getUint8(at(address, 1)),
    readU16: (address) => view.getUint16(at(address, 2), true),
    readU32: (address) => view.getUint32(at(address, 4), true),
    readU64: (address) => view.getBigUint64(at(address, 8), true),
    writeU8: (address, value) => view.setUint8(at(address, 1), value),
    writeU16: (address, value) => view.setUint16(at(address, 2), value, true),
    writeU32: (address, value) => view.setUint32(at(address, 4), value, true),
    writeU64: (address, value) => view.setBigUint64(at(address, 8), value, true),
  };
}

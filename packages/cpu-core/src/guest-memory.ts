/** Guest RAM by guest-physical address, over the machine's WebAssembly memory; writes drop decoded code. */
import { type GuestMemory, HvError } from "@paravane/paravirt-ops";
import type { EngineExports } from "./engine.js";

const DEVICE_START = 0xa0000,
  DEVICE_END = 0xc0000;

export function createGuestMemory(
  buffer: ArrayBufferLike,
  ramBase: number,
  size: number,
  engine: Pick<EngineExports, "dmaInvalidate">,
): GuestMemory {
  const bytes = new Uint8Array(buffer);
  const view = new DataView(buffer);
  const contains = (address: number, length: number): boolean =>
    Number.isInteger(address) &&
    Number.isInteger(length) &&
    address >= 0 &&
    length >= 0 &&
    address + length <= size &&
    (address + length <= DEVICE_START || address >= DEVICE_END);
  const at = (address: number, length: number): number => {
    if (!contains(address, length))
      throw new HvError("memory/out-of-range", `0x${address.toString(16)}..+0x${length.toString(16)} is not guest RAM`);
    return ramBase + address;
  };
  const written = (address: number, length: number): void => engine.dmaInvalidate(address, length);
  return {
    size,
    contains,
    view: (address, length) => bytes.subarray(at(address, length), ramBase + address + length),
    write(address, data) {
      bytes.set(data, at(address, data.length));
      written(address, data.length);
    },
    fill(address, length, value) {
      const start = at(address, length);
      bytes.fill(value, start, start + length);
      written(address, length);
    },
    readU8: (address) => view.getUint8(at(address, 1)),
    readU16: (address) => view.getUint16(at(address, 2), true),
    readU32: (address) => view.getUint32(at(address, 4), true),
    readU64: (address) => view.getBigUint64(at(address, 8), true),
    writeU8(address, value) {
      view.setUint8(at(address, 1), value);
      written(address, 1);
    },
    writeU16(address, value) {
      view.setUint16(at(address, 2), value, true);
      written(address, 2);
    },
    writeU32(address, value) {
      view.setUint32(at(address, 4), value, true);
      written(address, 4);
    },
    writeU64(address, value) {
      view.setBigUint64(at(address, 8), value, true);
      written(address, 8);
    },
  };
}

/** Adapter for parts with an eight-bit data bus: a wider access is that many byte accesses to neighbouring ports. */
import type { PioDevice } from "@paravane/paravirt-ops";

/** Makes port-I/O callbacks of a byte-wide part. */
export function bytePorts(name: string, read: (offset: number) => number, write: (offset: number, value: number) => void): PioDevice {
  return {
    name,
    pioRead(offset, size) {
      if (size === 1) return read(offset);
      let value = 0;
      for (let byte = 0; byte < size; byte++) value |= read(offset + byte) << (8 * byte);
      return value >>> 0;
    },
    pioWrite(offset, size, value) {
      if (size === 1) write(offset, value);
      else for (let byte = 0; byte < size; byte++) write(offset + byte, (value >>> (8 * byte)) & 0xff);
    },
  };
}

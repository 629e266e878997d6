/**
 * The port-I/O bus: 65,536 ports, one table look-up an access. SDM Vol. 1 §19.3.
 * Left out: alignment penalties and the bus cycles that a wide access to a narrow ISA device takes; such an access is split into bytes.
 */
import { type AccessSize, type BusTap, HvError, type PioBus, type PioDevice } from "@paravane/paravirt-ops";
import { floating, truncate } from "./width.js";

interface Range {
  readonly first: number;
  readonly last: number;
  readonly device: PioDevice;
}

const PORTS = 0x10000;

class TablePioBus implements PioBus {
  readonly #tap: BusTap;
  /** Index of a port's range, 0 where nobody is. */
  readonly #table = new Uint16Array(PORTS);
  readonly #ranges: (Range | undefined)[] = [undefined];

  constructor(tap: BusTap) {
    this.#tap = tap;
  }

  attach(port: number, length: number, device: PioDevice): void {
    if (!Number.isInteger(port) || !Number.isInteger(length) || port < 0 || length < 1 || port + length > PORTS) {
      throw new HvError("bus/bad-range", `${device.name} asks for ${length} ports at 0x${port.toString(16)}, outside 0..0xffff`);
    }
    for (let each = port; each < port + length; each++) {
      const taken = this.#ranges[this.#table[each]!];
      if (taken) throw new HvError("bus/overlap", `port 0x${each.toString(16)} of ${device.name} belongs to ${taken.device.name}`);
    }
    let slot = this.#ranges.indexOf(undefined, 1);
    if (slot < 0) slot = this.#ranges.length;
    this.#ranges[slot] = { first: port, last: port + length - 1, device };
    this.#table.fill(slot, port, port + length);
  }

  detach(port: number): void {
    const slot = this.#table[port] ?? 0;
    const range = this.#ranges[slot];
    if (!range) return;
    this.#table.fill(0, range.first, range.last + 1);
    this.#ranges[slot] = undefined;
  }

  read(port: number, size: AccessSize): number {
    const range = this.#ranges[this.#table[port]!];
    if (range && port + size - 1 <= range.last) return truncate(range.device.pioRead(port - range.first, size), size);
    return this.#readOdd(port, size, range);
  }

  write(port: number, size: AccessSize, value: number): void {
    const range = this.#ranges[this.#table[port]!];
    if (range && port + size - 1 <= range.last) range.device.pioWrite(port - range.first, size, truncate(value, size));
    else this.#writeOdd(port, size, value, range);
  }

  /** Nobody's port, or an access that leaves its device: bytes, which float where nobody is; ports wrap at 64 K. */
  #readOdd(port: number, size: AccessSize, range: Range | undefined): number {
    if (!range && this.#allFree(port, size)) {
      this.#tap.unclaimedRead?.(port, size);
      return floating(size);
    }
    let value = 0;
    for (let byte = 0; byte < size; byte++) value |= this.read((port + byte) & 0xffff, 1) << (8 * byte);
    return value >>> 0;
  }

  #writeOdd(port: number, size: AccessSize, value: number, range: Range | undefined): void {
    if (!range && this.#allFree(port, size)) {
      this.#tap.unclaimedWrite?.(port, size, truncate(value, size));
      return;
    }
    for (let byte = 0; byte < size; byte++) this.write((port + byte) & 0xffff, 1, (value >>> (8 * byte)) & 0xff);
  }

  #allFree(port: number, size: AccessSize): boolean {
    for (let byte = 0; byte < size; byte++) if (this.#table[(port + byte) & 0xffff] !== 0) return false;
    return true;
  }
}

/** Makes an empty port-I/O bus; `tap` sees accesses that no device claims. */
export function createPioBus(tap: BusTap = {}): PioBus {
  return new TablePioBus(tap);
}

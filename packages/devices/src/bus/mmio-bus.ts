/**
 * The memory-mapped I/O bus: a short list of windows sorted by address, with the last hit tried first.
 * Left out: burst and posted-write ordering; every access completes before the next one begins.
 */
import { type AccessSize, type BusTap, HvError, type MmioBus, type MmioDevice } from "@paravane/paravirt-ops";
import { floating, truncate } from "./width.js";

interface Window {
  readonly base: number;
  readonly end: number;
  readonly device: MmioDevice;
}

class WindowMmioBus implements MmioBus {
  readonly #tap: BusTap;
  #windows: Window[] = [];
  #last: Window | undefined;

  constructor(tap: BusTap) {
    this.#tap = tap;
  }

  attach(base: number, length: number, device: MmioDevice): void {
    const end = base + length;
    if (!Number.isSafeInteger(base) || !Number.isSafeInteger(end) || base < 0 || length < 1) {
      throw new HvError("bus/bad-range", `${device.name} asks for ${length} bytes at 0x${base.toString(16)}`);
    }
    const taken = this.#windows.find((window) => base < window.end && window.base < end);
    if (taken) {
      throw new HvError("bus/overlap", `${device.name} at 0x${base.toString(16)}+0x${length.toString(16)} overlaps ${taken.device.name}`);
    }
    this.#windows = [...this.#windows, { base, end, device }].sort((a, b) => a.base - b.base);
  }

  detach(base: number): void {
    this.#windows = this.#windows.filter((window) => window.base !== base);
    this.#last = undefined;
  }

  read(address: number, size: AccessSize): number {
    const window = this.#find(address);
    if (window && address + size <= window.end) return truncate(window.device.mmioRead(address - window.base, size), size);
    if (!window && !this.#find(address + size - 1)) {
      this.#tap.unclaimedRead?.(address, size);
      return floating(size);
    }
    let value = 0;
    for (let byte = 0; byte < size; byte++) value |= this.read(address + byte, 1) << (8 * byte);
    return value >>> 0;
  }

  write(address: number, size: AccessSize, value: number): void {
    const window = this.#find(address);
    if (window && address + size <= window.end) window.device.mmioWrite(address - window.base, size, truncate(value, size));
    else if (!window && !this.#find(address + size - 1)) this.#tap.unclaimedWrite?.(address, size, truncate(value, size));
    else for (let byte = 0; byte < size; byte++) this.write(address + byte, 1, (value >>> (8 * byte)) & 0xff);
  }

  #find(address: number): Window | undefined {
    const last = this.#last;
    if (last && address >= last.base && address < last.end) return last;
    const windows = this.#windows;
    let low = 0;
    let high = windows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (windows[middle]!.end <= address) low = middle + 1;
      else high = middle;
    }
    const found = windows[low];
    if (!found || address < found.base) return undefined;
    this.#last = found;
    return found;
  }
}

/** Makes an empty memory-mapped I/O bus; `tap` sees accesses that no device claims. */
export function createMmioBus(tap: BusTap = {}): MmioBus {
  return new WindowMmioBus(tap);
}

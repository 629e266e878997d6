/**
 * The device that multiboot kernel test suites expect of a PC: ports 0xe0-0xe3 keep what was written, 0xe4-0xe7 flush a page, 0xe8-0xeb are
 * bytes of scratch, 0x2000 + n drives interrupt line n, and 64 KiB of memory lie at 0xff000000. Modelled on QEMU's pc-testdev.
 * Left out: what a page flush does. Nothing maps guest memory behind the core's back, so there is nothing to drop; the write is accepted.
 */
import type { AccessSize, IrqLine, MmioBus, PioBus } from "@paravane/paravirt-ops";
import { floating } from "../bus/width.js";
import { requireSchema } from "../schema.js";

const LATCH_PORT = 0xe0;
const FLUSH_PORT = 0xe4;
const SCRATCH_PORT = 0xe8;
const LINE_PORT = 0x2000;
const LINES = 24;
const MEMORY_BASE = 0xff000000;
const MEMORY_BYTES = 0x10000;

/** Everything the device remembers. */
export interface TestDeviceState {
  readonly schema: "test-device@1";
  latch: number[];
  scratch: number[];
  lines: number;
  memory: string;
}

/** The test device. `line(n)` is the wire of interrupt line n. */
export class TestDevice {
  readonly #latch = new Uint8Array(4);
  readonly #scratch = new Uint8Array(4);
  readonly #memory = new Uint8Array(MEMORY_BYTES);
  readonly #lines: readonly IrqLine[];
  #levels = 0;

  constructor(line: (n: number) => IrqLine) {
    this.#lines = Array.from({ length: LINES }, (_, n) => line(n));
  }

  reset(): void {
    this.#latch.fill(0);
    this.#scratch.fill(0);
    this.#memory.fill(0);
    this.#drive(0);
  }

  /** Joins the device to its ports and its memory. */
  attach(pio: PioBus, mmio: MmioBus): void {
    const { read, write } = bytesOf(this.#latch);
    pio.attach(LATCH_PORT, 4, { name: "test-latch", pioRead: read, pioWrite: write });
    pio.attach(FLUSH_PORT, 4, {
      name: "test-flush",
      pioRead: (_offset, size) => floating(size),
      pioWrite: () => {}, // see above: nothing to drop
    });
    const scratch = bytesOf(this.#scratch);
    pio.attach(SCRATCH_PORT, 4, { name: "test-scratch", pioRead: scratch.read, pioWrite: scratch.write });
    pio.attach(LINE_PORT, LINES, {
      name: "test-lines",
      pioRead: (offset) => (this.#levels >>> offset) & 1,
      pioWrite: (offset, _size, value) => {
        const bit = 1 << offset;
        this.#drive(value === 0 ? this.#levels & ~bit : this.#levels | bit);
      },
    });
    const memory = bytesOf(this.#memory);
    mmio.attach(MEMORY_BASE, MEMORY_BYTES, { name: "test-memory", mmioRead: memory.read, mmioWrite: memory.write });
  }

  save(): TestDeviceState {
    let memory = "";
    for (const byte of this.#memory) memory += String.fromCharCode(byte);
    return { schema: "test-device@1", latch: [...this.#latch], scratch: [...this.#scratch], lines: this.#levels, memory };
  }

  load(state: TestDeviceState): void {
    requireSchema(state, "test-device@1");
    this.#latch.set(state.latch);
    this.#scratch.set(state.scratch);
    for (let index = 0; index < MEMORY_BYTES; index++) this.#memory[index] = state.memory.charCodeAt(index);
    this.#drive(state.lines);
  }

  #drive(levels: number): void {
    this.#levels = levels;
    for (let n = 0; n < LINES; n++) this.#lines[n]!.set(((levels >>> n) & 1) !== 0);
  }
}

/** Little-endian access of any width to an array; bytes past its end float. */
function bytesOf(bytes: Uint8Array) {
  return {
    read(offset: number, size: AccessSize): number {
      let value = 0;
      for (let byte = 0; byte < size; byte++) value |= (bytes[offset + byte] ?? 0xff) << (8 * byte);
      return value >>> 0;
    },
    write(offset: number, size: AccessSize, value: number): void {
      for (let byte = 0; byte < size; byte++) bytes[offset + byte] = value >>> (8 * byte);
    },
  };
}

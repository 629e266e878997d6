/** The console's page: 1 KiB of input, 2 KiB of output, four free-running indices. public/io/console.h. */
import type { ByteStream, HypervisorFrames, Mfn } from "@paravane/paravirt-ops";

const INPUT = { at: 0, size: 1024 } as const;
const OUTPUT = { at: 0x400, size: 2048 } as const;
const IN_CONS = 0xc00;
const IN_PROD = 0xc04;
const OUT_CONS = 0xc08;
const OUT_PROD = 0xc0c;

/** The backend's side of the ring. */
export class ConsoleRing {
  constructor(
    private readonly frames: HypervisorFrames,
    private readonly frame: Mfn,
    private readonly console: ByteStream,
    /** The guest has something to look at. */
    private readonly notify: () => void,
  ) {
    console.onDrain(() => this.notified());
    console.onData((bytes) => this.#receive(bytes));
  }

  /** The guest has written, or made room. */
  notified(): void {
    if (this.#send()) this.notify();
    this.console.ready();
  }

  /** Hands the guest's output on as far as the host takes it; true when something was. */
  #send(): boolean {
    const { bytes, view } = this.#page();
    const start = view.getUint32(OUT_CONS, true);
    const length = (view.getUint32(OUT_PROD, true) - start) >>> 0;
    // More than the ring holds is nonsense that the guest wrote: there is nothing to believe in it.
    if (length === 0 || length > OUTPUT.size) return false;
    const text = new Uint8Array(length);
    for (let index = 0; index < length; index++) text[index] = bytes[OUTPUT.at + ((start + index) & (OUTPUT.size - 1))]!;
    // Writing may make room at once, which leads here again: what is on its way is not looked at twice.
    view.setUint32(OUT_CONS, (start + length) >>> 0, true);
    if (this.console.write(text)) return true;
    this.#page().view.setUint32(OUT_CONS, start, true);
    return false;
  }

  /** Takes what has room; the rest is offered again. */
  #receive(data: Uint8Array): number {
    const { bytes, view } = this.#page();
    const producer = view.getUint32(IN_PROD, true);
    const used = (producer - view.getUint32(IN_CONS, true)) >>> 0;
    if (used > INPUT.size) return 0;
    const count = Math.min(INPUT.size - used, data.byteLength);
    for (let index = 0; index < count; index++) bytes[INPUT.at + ((producer + index) & (INPUT.size - 1))] = data[index]!;
    if (count > 0) {
      view.setUint32(IN_PROD, (producer + count) >>> 0, true);
      this.notify();
    }
    return count;
  }

  #page(): { bytes: Uint8Array; view: DataView } {
    const bytes = this.frames.bytes(this.frame);
    return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength) };
  }
}

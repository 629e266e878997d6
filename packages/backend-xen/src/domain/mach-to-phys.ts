/** The machine-to-physical table: for each machine frame the domain's own number of it. Guests read it in the hypervisor's hole. */
import type { HypervisorHandle, Mfn } from "@paravane/paravirt-ops";
import { machToPhys } from "../abi/arch-x86.js";
import type { GuestBits } from "../abi/struct.js";
import { INVALID_M2P_ENTRY, SHARED_M2P_ENTRY } from "../abi/xen.js";

/** The table, in frames of the hypervisor's own. */
export class MachToPhys {
  readonly #first: Mfn;
  readonly #pages: number;
  readonly #entryBytes: number;

  constructor(
    private readonly hypervisor: HypervisorHandle,
    readonly bits: GuestBits,
    /** Machine frames that the table tells about: 0 up to this. */
    readonly frames: number,
    /** A guest with a physical address space of its own knows no machine frames: there is no table then. */
    private readonly shown = true,
  ) {
    this.#entryBytes = machToPhys[bits].entryBytes;
    this.#pages = Math.ceil((frames * this.#entryBytes) / 4096);
    if (!shown) {
      this.#first = 0;
      return;
    }
    this.#first = hypervisor.frames.allocate(this.#pages);
    for (let page = 0; page < this.#pages; page++) hypervisor.frames.bytes(this.#first + page).fill(0xff);
    hypervisor.openWindow({
      address: machToPhys[bits].start,
      frames: Array.from({ length: this.#pages }, (_, index) => this.#first + index),
      write: false,
      execute: false,
      level: 3,
      scope: "all",
    });
  }

  /** Frame `frame` is the domain's `pfn`. Frames beyond the table are let pass. */
  set(frame: Mfn, pfn: bigint): void {
    const at = frame * this.#entryBytes;
    if (!this.shown || frame < 0 || frame >= this.frames) return;
    const bytes = this.hypervisor.frames.bytes(this.#first + Math.floor(at / 4096));
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    if (this.#entryBytes === 8) view.setBigUint64(at % 4096, BigInt.asUintN(64, pfn), true);
    else view.setUint32(at % 4096, Number(BigInt.asUintN(32, pfn)), true);
  }

  /** What the table says of a frame; the invalid entry beyond it. */
  get(frame: Mfn): bigint {
    const at = frame * this.#entryBytes;
    if (frame < 0 || frame >= this.frames) return INVALID_M2P_ENTRY;
    const bytes = this.hypervisor.frames.bytes(this.#first + Math.floor(at / 4096));
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    return this.#entryBytes === 8 ? view.getBigUint64(at % 4096, true) : BigInt(view.getUint32(at % 4096, true));
  }

  /** Machine frames in which each 2 MiB of the table begin. */
  get chunks(): readonly Mfn[] {
    return Array.from({ length: Math.ceil(this.#pages / 512) }, (_, chunk) => this.#first + chunk * 512);
  }

  /** The frame belongs to nobody. */
  clear(frame: Mfn): void {
    this.set(frame, INVALID_M2P_ENTRY);
  }

  /** The frame is the hypervisor's, and the domain may map it. */
  setShared(frame: Mfn): void {
    this.set(frame, SHARED_M2P_ENTRY);
  }
}

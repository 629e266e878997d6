/** The domain's grant table, version 1: pages of the hypervisor's in which the guest writes who may use which of its frames. */
import type { HypervisorHandle, Mfn } from "@paravane/paravirt-ops";
import { isHvError } from "@paravane/paravirt-ops";
import type { FrameTable } from "../mmu/frame-table.js";
import type { MachToPhys } from "./mach-to-phys.js";

const ENTRY_BYTES = 8;
const ENTRIES_PER_FRAME = 512;
const GTF_permit_access = 1;
const GTF_readonly = 4;
const GTF_reading = 8;
const GTF_writing = 16;

/** The table. */
export class GrantTable {
  readonly #frames: Mfn[] = [];
  /** As Xen 4.17 gives by default. */
  readonly maxFrames = 64;

  constructor(
    private readonly hypervisor: HypervisorHandle,
    private readonly table: FrameTable,
    private readonly machToPhys: MachToPhys,
  ) {
    this.grow(1);
  }

  /** Machine frames of the table. */
  get frames(): readonly Mfn[] {
    return this.#frames;
  }

  /** At least so many frames; false when the machine has no more. */
  grow(count: number): boolean {
    try {
      while (this.#frames.length < count) {
        const frame = this.hypervisor.frames.allocate(1);
        this.table.share(frame);
        this.machToPhys.setShared(frame);
        this.#frames.push(frame);
      }
      return true;
    } catch (error) {
      if (isHvError(error)) return false;
      throw error;
    }
  }

  /** Grants a frame to a domain, as the toolstack does for the rings. */
  permit(reference: number, domain: number, frame: Mfn): void {
    const entry = this.#entry(reference);
    entry?.setUint16(2, domain, true);
    entry?.setUint32(4, frame, true);
    entry?.setUint16(0, GTF_permit_access, true);
  }

  /** The frame of a grant to `domain`, marked as in use until `release`; undefined for none that allows it. */
  use(reference: number, domain: number, write: boolean): Mfn | undefined {
    const entry = this.#entry(reference);
    const flags = entry?.getUint16(0, true) ?? 0;
    if (entry === undefined || (flags & 3) !== GTF_permit_access || entry.getUint16(2, true) !== domain) return undefined;
    if (write && (flags & GTF_readonly) !== 0) return undefined;
    const frame = entry.getUint32(4, true);
    if (!this.table.owns(frame)) return undefined;
    entry.setUint16(0, flags | GTF_reading | (write ? GTF_writing : 0), true);
    return frame;
  }

  /** The grant is not in use any more. */
  release(reference: number): void {
    const entry = this.#entry(reference);
    entry?.setUint16(0, entry.getUint16(0, true) & ~(GTF_reading | GTF_writing), true);
  }

  #entry(reference: number): DataView | undefined {
    const frame = this.#frames[Math.floor(reference / ENTRIES_PER_FRAME)];
    if (frame === undefined) return undefined;
    const bytes = this.hypervisor.frames.bytes(frame);
    return new DataView(bytes.buffer, bytes.byteOffset + (reference % ENTRIES_PER_FRAME) * ENTRY_BYTES, ENTRY_BYTES);
  }
}

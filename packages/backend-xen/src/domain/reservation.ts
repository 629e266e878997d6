/**
 * How much memory a domain has: frames that it gives back, and takes again up to what it had at the start. A frame that is given back while
 * something still names it is gone when the last of these lets go. Frames of the hypervisor's own stand ready for exchanges.
 */
import type { GuestMemory, Mfn } from "@paravane/paravirt-ops";
import type { FrameTable } from "../mmu/frame-table.js";
import type { MachToPhys } from "./mach-to-phys.js";

/** The hypervisor keeps what lies below 1 MiB; what of that is RAM serves as its heap. */
const HEAP = { first: 1, end: 0xa0 } as const;

/** Frames in and out. */
export class Reservation {
  readonly #free = new Set<Mfn>();
  #pages = 0;
  #maximum = 0;

  constructor(
    private readonly frames: FrameTable,
    private readonly machToPhys: MachToPhys,
    private readonly memory: GuestMemory,
  ) {
    for (let frame: number = HEAP.first; frame < HEAP.end; frame++) this.#free.add(frame);
    frames.onFree((frame) => this.#freed(frame));
  }

  /** Pages that the domain has. */
  get pages(): number {
    return this.#pages;
  }

  /** Pages that it may have. */
  get maximum(): number {
    return this.#maximum;
  }

  /** A frame of the domain's from the start. */
  build(frame: Mfn, pfn: number): void {
    this.claim(frame, BigInt(pfn));
    this.#maximum++;
  }

  /** The frame is the domain's, and so is its number. Without a number the guest is to set one. */
  claim(frame: Mfn, pfn?: bigint): void {
    this.#free.delete(frame);
    this.frames.give(frame);
    if (pfn !== undefined) this.machToPhys.set(frame, pfn);
    this.#pages++;
  }

  /** Takes a frame that nothing but the domain itself holds on to; false for any other. */
  release(frame: Mfn): boolean {
    return this.frames.take(frame);
  }

  /** The domain lets go of a frame, unpinned if it was pinned; it is free when nothing names it any more. False for one that is not its own. */
  giveUp(frame: Mfn): boolean {
    if (!this.frames.owns(frame) || this.frames.isShared(frame)) return false;
    if (this.frames.isPinned(frame)) {
      this.frames.setPinned(frame, false);
      this.frames.put(frame);
    }
    return this.frames.disown(frame);
  }

  /**
   * `count` frames one after another, aligned to their number and below `limit`, cleared, for an exchange or within the maximum. Undefined when
   * there are none.
   */
  allocate(count: number, limit: number, exchanged = false): Mfn | undefined {
    if (!exchanged && this.#pages + count > this.#maximum) return undefined;
    for (const first of this.#free) {
      if (first % count !== 0 || first + count > limit || !this.#allFree(first, count)) continue;
      for (let frame = first; frame < first + count; frame++) {
        this.#free.delete(frame);
        this.memory.fill(frame * 4096, 4096, 0);
      }
      return first;
    }
    return undefined;
  }

  /** A domain whose frames are where it counts them has these again: true when all of them are free and within the maximum. */
  takeBack(first: Mfn, count: number): boolean {
    if (!this.#allFree(first, count) || this.#pages + count > this.#maximum) return false;
    for (let frame = first; frame < first + count; frame++) {
      this.memory.fill(frame * 4096, 4096, 0);
      this.claim(frame);
    }
    return true;
  }

  /** Keeps free frames from being given out, until they are put back. */
  reserve(frame: Mfn): void {
    this.#free.delete(frame);
  }

  /** Frames that were reserved or allocated, and that nobody claimed, are free again. */
  putBack(first: Mfn, count: number): void {
    for (let frame = first; frame < first + count; frame++) this.#free.add(frame);
  }

  #allFree(first: Mfn, count: number): boolean {
    for (let frame = first; frame < first + count; frame++) if (!this.#free.has(frame)) return false;
    return true;
  }

  #freed(frame: Mfn): void {
    this.machToPhys.clear(frame);
    this.#free.add(frame);
    this.#pages--;
  }
}

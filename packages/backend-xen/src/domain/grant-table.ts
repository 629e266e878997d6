/**
 * The domain's grant table: pages of the hypervisor's in which the guest writes who may use which of its frames, in one of two versions.
 * This file knows the pages and their entries; who uses an entry now is `ActiveGrants`' affair. public/grant_table.h.
 */
import type { HypervisorHandle, Mfn } from "@paravane/paravirt-ops";
import { isHvError } from "@paravane/paravirt-ops";
import { errno } from "../abi/errno.js";
import { GNTTAB_NR_RESERVED_ENTRIES, grantFlags, grantTransferFlags, grantTypes } from "../abi/grant-table.js";
import type { FrameTable } from "../mmu/frame-table.js";
import type { MachToPhys } from "./mach-to-phys.js";

const PAGE = 4096;
const ENTRY_BYTES = { 1: 8, 2: 16 } as const;
const STATUS_BYTES = 2;

const USE = grantFlags.reading | grantFlags.writing;

/** Layout of the entries. */
export type GrantVersion = 1 | 2;

/** An entry as the guest wrote it. */
export interface GrantEntry {
  readonly flags: number;
  /** Who may use it. */
  readonly domain: number;
  /** Frame number as the guest counts: machine frames for PV guests. */
  readonly frame: bigint;
  /** Bytes of the frame that are granted; the whole of it but for sub-page grants. */
  readonly offset: number;
  readonly length: number;
  /** For transitive grants: whose grant is meant, and which. */
  readonly via: { readonly domain: number; readonly reference: number };
}

/** The table's pages. */
export class GrantTable {
  readonly #frames: Mfn[] = [];
  readonly #statusFrames: Mfn[] = [];
  /** Frames that were taken for status words once, and are the hypervisor's alone now. */
  readonly #spareStatusFrames: Mfn[] = [];
  #version: GrantVersion = 1;
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

  /** Machine frames of the status words, which version 2 has apart. */
  get statusFrames(): readonly Mfn[] {
    return this.#statusFrames;
  }

  get version(): GrantVersion {
    return this.#version;
  }

  /** Entries that there are. */
  get entries(): number {
    return (this.#frames.length * PAGE) / ENTRY_BYTES[this.#version];
  }

  /** At least so many frames; false when the machine has no more. */
  grow(count: number): boolean {
    return this.#growTo(this.#frames, count) && (this.#version === 1 || this.#growStatus());
  }

  /**
   * Changes the layout; nothing but the toolstack's entries may be in use. Those go over to the new layout, all others are gone. 0, or -ENOMEM
   * when the machine has no frames for the status words, -ERANGE when an entry cannot be said in version 1, -EBUSY while status words are mapped.
   */
  setVersion(version: GrantVersion): number {
    if (version === this.#version) return 0;
    const reserved = Array.from({ length: GNTTAB_NR_RESERVED_ENTRIES }, (_, reference) => this.entry(reference)!);
    if (version === 2) {
      if (!this.#growStatus()) return -errno.ENOMEM;
    } else {
      if (reserved.some(cannotBeVersion1)) return -errno.ERANGE;
      if (this.#statusFrames.some((frame) => this.table.countOf(frame) > 1)) return -errno.EBUSY;
    }
    for (const frame of [...this.#frames, ...this.#statusFrames]) this.#bytes(frame).fill(0);
    if (version === 1) {
      for (const frame of this.#statusFrames) this.table.unshare(frame);
      this.#spareStatusFrames.push(...this.#statusFrames.splice(0));
    }
    this.#version = version;
    for (const [reference, { flags, domain, frame }] of reserved.entries()) {
      if ((flags & grantTypes.mask) !== grantTypes.permit_access) continue;
      this.#put(reference, flags & ~USE, domain, frame);
      this.mark(reference, flags & USE);
    }
    return 0;
  }

  /** A page of the table is that frame of the guest's from now on, contents and all. */
  move(index: number, frame: Mfn): void {
    const before = this.#frames[index]!;
    if (before === frame) return;
    this.#bytes(frame).set(this.#bytes(before));
    this.#frames[index] = frame;
  }

  /** Grants a frame to a domain, as the toolstack does for the rings. */
  permit(reference: number, domain: number, frame: Mfn): void {
    this.#put(reference, grantTypes.permit_access, domain, BigInt(frame));
  }

  /** What an entry says; undefined for one that is not there. */
  entry(reference: number): GrantEntry | undefined {
    const view = this.#view(reference);
    if (view === undefined) return undefined;
    const domain = view.getUint16(2, true);
    const used = this.#version === 1 ? 0 : (this.#marks(reference)?.getUint16(0, true) ?? 0) & USE;
    const flags = view.getUint16(0, true) | used;
    const via = { domain: 0, reference: 0 };
    if (this.#version === 1) return { flags, domain, frame: BigInt(view.getUint32(4, true)), offset: 0, length: PAGE, via };
    const frame = view.getBigUint64(8, true);
    if ((flags & grantTypes.mask) === grantTypes.transitive) {
      return {
        flags,
        domain,
        frame,
        offset: 0,
        length: PAGE,
        via: { domain: view.getUint16(4, true), reference: view.getUint32(8, true) },
      };
    }
    if ((flags & grantFlags.sub_page) === 0) return { flags, domain, frame, offset: 0, length: PAGE, via };
    return { flags, domain, frame, offset: view.getUint16(4, true), length: view.getUint16(6, true), via };
  }

  /** Tells the guest that an entry is in use: `grantFlags.reading`, `writing`. */
  mark(reference: number, bits: number): void {
    const view = this.#marks(reference);
    view?.setUint16(0, view.getUint16(0, true) | bits, true);
  }

  /** Tells it that it is not any more. */
  unmark(reference: number, bits: number): void {
    const view = this.#marks(reference);
    view?.setUint16(0, view.getUint16(0, true) & ~bits, true);
  }

  /** Two entries change places. Neither may be in use. */
  swap(one: number, other: number): void {
    const a = this.#entryBytes(one);
    const b = this.#entryBytes(other);
    if (a === undefined || b === undefined) return;
    const kept = a.slice();
    a.set(b);
    b.set(kept);
    if (this.#version === 1) return;
    const status = [one, other].map((reference) => this.#marks(reference)?.getUint16(0, true) ?? 0);
    this.#marks(one)?.setUint16(0, status[1]!, true);
    this.#marks(other)?.setUint16(0, status[0]!, true);
  }

  /**
   * Gives a frame to an entry that accepts one from `domain`; the number that the guest wants for it, or undefined when the entry does not. The
   * frame's own number is told in its place.
   */
  acceptTransfer(reference: number, domain: number, frame: Mfn): bigint | undefined {
    const entry = this.entry(reference);
    const view = this.#view(reference);
    if (entry === undefined || view === undefined) return undefined;
    if (view.getUint16(0, true) !== grantTypes.accept_transfer || entry.domain !== domain) return undefined;
    const flags = grantTypes.accept_transfer | grantTransferFlags.committed | grantTransferFlags.completed;
    this.#put(reference, flags, domain, BigInt(frame));
    return entry.frame;
  }

  #put(reference: number, flags: number, domain: number, frame: bigint): void {
    const view = this.#view(reference);
    view?.setUint16(2, domain, true);
    if (this.#version === 1) view?.setUint32(4, Number(BigInt.asUintN(32, frame)), true);
    else view?.setBigUint64(8, frame, true);
    view?.setUint16(0, flags, true);
  }

  /** Where reading and writing of an entry are shown. */
  #marks(reference: number): DataView | undefined {
    if (this.#version === 1) return this.#view(reference);
    const at = reference * STATUS_BYTES;
    const frame = this.#statusFrames[Math.floor(at / PAGE)];
    if (frame === undefined) return undefined;
    const bytes = this.#bytes(frame);
    return new DataView(bytes.buffer, bytes.byteOffset + (at % PAGE), STATUS_BYTES);
  }

  #view(reference: number): DataView | undefined {
    const bytes = this.#entryBytes(reference);
    return bytes === undefined ? undefined : new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  #entryBytes(reference: number): Uint8Array | undefined {
    const size = ENTRY_BYTES[this.#version];
    const at = reference * size;
    const frame = this.#frames[Math.floor(at / PAGE)];
    return frame === undefined ? undefined : this.#bytes(frame).subarray(at % PAGE, (at % PAGE) + size);
  }

  #bytes(frame: Mfn): Uint8Array {
    return this.hypervisor.frames.bytes(frame);
  }

  #growStatus(): boolean {
    const entries = (this.#frames.length * PAGE) / ENTRY_BYTES[2];
    return this.#growTo(this.#statusFrames, Math.ceil((entries * STATUS_BYTES) / PAGE));
  }

  #growTo(list: Mfn[], count: number): boolean {
    try {
      while (list.length < count) {
        const spare = list === this.#statusFrames ? this.#spareStatusFrames.pop() : undefined;
        const frame = spare ?? this.hypervisor.frames.allocate(1);
        this.table.share(frame);
        this.machToPhys.setShared(frame);
        list.push(frame);
      }
      return true;
    } catch (error) {
      if (isHvError(error)) return false;
      throw error;
    }
  }
}

/** True for an entry that has no place in the smaller layout. */
function cannotBeVersion1({ flags, frame }: GrantEntry): boolean {
  const type = flags & grantTypes.mask;
  return type === grantTypes.transitive || (type === grantTypes.permit_access && frame > 0xffff_ffffn);
}

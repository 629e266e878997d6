/**
 * Leaf entries that map granted frames into the caller's own tables. An entry holds on to its frame as every other entry does, so a guest that
 * overwrites one has given the frame back, and has only lost the means to end the mapping. Xen's create_grant_pv_mapping and its inverse.
 */
import type { Mfn } from "@paravane/paravirt-ops";
import { grantMapFlags, grantStatus } from "../abi/grant-table.js";
import type { DirectPaging, LeafSlot } from "./direct-paging.js";
import { ACCESSED, DIRTY, frameOf, PRESENT, USER, WRITE } from "./entry.js";
import { frameTypes } from "./frame-table.js";

const NO_EXECUTE = 0x8000_0000;
const AVAILABLE_SHIFT = 9;
const GUEST_AVAILABLE_SHIFT = 16;
const MAX_FRAME = 0xff_ffff_ffffn;

/** Where a call says that the mapping is: the machine address of an entry, the linear address that it translates, or a physical address. */
export interface GrantPlace {
  readonly address: bigint;
  /** GNTMAP flags. */
  readonly flags: number;
  /** The top level of a PV caller. */
  readonly root: Mfn | undefined;
}

/** How a guest comes to see granted frames. */
export interface GrantMapper {
  /** Maps a frame: a status. */
  create(place: GrantPlace, frame: Mfn): number;
  /** Ends a mapping of a frame; with `replacement`, what is mapped there takes its place and is no more where it was. A status. */
  destroy(place: GrantPlace, frame: Mfn, replacement: bigint): number;
}

/** Entries for grants in a domain's tables. */
export class GrantEntries implements GrantMapper {
  constructor(private readonly paging: DirectPaging) {}

  create(place: GrantPlace, frame: Mfn): number {
    const slot = this.#slot(place);
    if (slot === undefined) return grantStatus.general_error;
    const { flags } = place;
    const available = ((flags >>> GUEST_AVAILABLE_SHIFT) & 7) << AVAILABLE_SHIFT;
    const rights = (flags & grantMapFlags.readonly ? 0 : WRITE) | (flags & grantMapFlags.application_map ? USER : 0);
    const low = ((frame & 0xf_ffff) << 12) | PRESENT | ACCESSED | DIRTY | available | rights;
    const high = (Math.floor(frame / 0x10_0000) | NO_EXECUTE) >>> 0;
    return this.paging.setEntry(slot.table, slot.index, low >>> 0, high) === 0 ? grantStatus.okay : grantStatus.general_error;
  }

  destroy(place: GrantPlace, frame: Mfn, replacement: bigint): number {
    if (replacement !== 0n && (place.flags & grantMapFlags.contains_pte) !== 0) return grantStatus.general_error;
    const taken = replacement === 0n ? undefined : this.#slot({ ...place, address: replacement });
    if (replacement !== 0n && taken === undefined) return grantStatus.general_error;
    const slot = this.#slot(place);
    const fits = slot !== undefined && !isSame(slot, taken) && this.#maps(slot, frame, place.flags);
    const [low, high] = taken === undefined ? [0, 0] : this.paging.readEntry(taken.table, taken.index);
    const done = fits && this.paging.setEntry(slot.table, slot.index, low, high) === 0;
    // What was to be taken is gone in either case, as in Xen.
    if (taken !== undefined) this.paging.setEntry(taken.table, taken.index, 0, 0);
    return done ? grantStatus.okay : grantStatus.general_error;
  }

  #maps({ table, index }: LeafSlot, frame: Mfn, flags: number): boolean {
    const [low, high] = this.paging.readEntry(table, index);
    const rights = PRESENT | (flags & grantMapFlags.readonly ? 0 : WRITE);
    return frameOf(low, high) === frame && (low & (PRESENT | WRITE)) === rights;
  }

  #slot({ address, flags, root }: GrantPlace): LeafSlot | undefined {
    if ((flags & grantMapFlags.contains_pte) === 0) {
      if (root === undefined || (this.paging.bits === 32 && address > 0xffff_ffffn)) return undefined;
      return this.paging.leafSlot(root, address);
    }
    const frame = address >> 12n;
    if ((address & 7n) !== 0n || frame > MAX_FRAME) return undefined;
    const table = Number(frame);
    if (!this.paging.frames.owns(table) || this.paging.frames.typeOf(table) !== frameTypes.l1) return undefined;
    return { table, index: Number(address & 0xfffn) / 8 };
  }
}

function isSame(one: LeafSlot, other: LeafSlot | undefined): boolean {
  return one.table === other?.table && one.index === other.index;
}

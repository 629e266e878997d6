/**
 * What the hypervisor remembers about each machine frame: whose it is, how often it is used at all, and what it is used *as*.
 *
 * This is the heart of direct paging. A guest builds the very page tables that the processor walks, so it must never hold a writable
 * mapping of one. Every frame therefore has one type at a time and a count of its uses as that type: while a frame is a page table, its
 * count as "writable" is zero, and the other way round. A frame changes its type only while that count is zero, and before it becomes
 * a table no processor may hold a translation from the time when it was writable: `forget`, which is why the hooks are called here and
 * nowhere else. Xen's xen/arch/x86/mm.c, the essay at its head.
 *
 * Counting is all that happens here; what makes a frame a good page table is `TableValidation`'s affair, which `get` calls.
 */
import type { Mfn } from "@paravane/paravirt-ops";
import { errno } from "../abi/errno.js";
import type { Level } from "./entry.js";

/** What a frame is used as. `l2top` is the second level under the last slot of a 32-bit top level, where Xen's own entries are. */
export const frameTypes = { none: 0, l1: 1, l2: 2, l3: 3, l4: 4, segmentDescriptors: 5, l2top: 6, writable: 7 } as const;
/** A type by number. */
export type FrameType = (typeof frameTypes)[keyof typeof frameTypes];

/** True for the types whose contents the hypervisor vouches for. */
export function isGuarded(type: FrameType): boolean {
  return type !== frameTypes.none && type !== frameTypes.writable;
}

/** Level of a table's type, or undefined for what is no page table. */
export function levelOf(type: FrameType): Level | undefined {
  if (type === frameTypes.l2top) return 2;
  return type >= frameTypes.l1 && type <= frameTypes.l4 ? (type as Level) : undefined;
}

/** What the processor side does when types change. */
export interface FrameHooks {
  /** Guest stores to the frame are to be refused from now on, or no longer. */
  protect(frame: Mfn, on: boolean): void;
  /** No processor may use what it cached of the frame. */
  forget(frame: Mfn): void;
}

/** Who checks and undoes the contents of a frame that becomes, or ceases to be, a guarded type. */
export interface TypeContents {
  /** Takes references to all that the frame names; 0, or a negative error with nothing taken. */
  validate(frame: Mfn, type: FrameType): number;
  /** Gives them back. */
  release(frame: Mfn, type: FrameType): void;
}

/** Frames that may come to the table beyond RAM: shared pages, grant tables. */
const EXTRA_FRAMES = 1024;

/** All frames of one machine. There is one domain; a frame is the domain's or it is not. */
export class FrameTable {
  readonly #type: Uint8Array;
  readonly #typeCount: Uint32Array;
  readonly #count: Uint32Array;
  readonly #flags: Uint8Array;
  readonly #extra = new Map<Mfn, number>();
  #contents: TypeContents | undefined;
  #freed: (frame: Mfn) => void = () => {};

  constructor(
    /** Frames of RAM: 0 up to this. */
    readonly ramFrames: number,
    private readonly hooks: FrameHooks,
  ) {
    const slots = ramFrames + EXTRA_FRAMES;
    this.#type = new Uint8Array(slots);
    this.#typeCount = new Uint32Array(slots);
    this.#count = new Uint32Array(slots);
    this.#flags = new Uint8Array(slots);
  }

  /** Second step of construction: contents are checked by whoever knows tables. */
  connect(contents: TypeContents): void {
    this.#contents = contents;
  }

  /** Told of frames that were the domain's and that nobody uses any more. */
  onFree(listener: (frame: Mfn) => void): void {
    this.#freed = listener;
  }

  /** The frame is the domain's from now on. */
  give(frame: Mfn): void {
    const slot = this.#slot(frame);
    this.#flags[slot] = OWNED;
    this.#count[slot] = 1;
    this.#typeCount[slot] = 0;
    this.#type[slot] = frameTypes.none;
  }

  /** A frame of the hypervisor's that the domain may map: writable for ever, and never a table. */
  share(frame: Mfn): void {
    if (frame >= this.ramFrames && !this.#extra.has(frame)) this.#extra.set(frame, this.ramFrames + this.#extra.size);
    const slot = this.#slot(frame);
    this.#flags[slot] = OWNED | SHARED;
    this.#count[slot] = 1;
    this.#typeCount[slot] = 1;
    this.#type[slot] = frameTypes.writable;
  }

  /** The frame is the hypervisor's alone again; no mapping of it may be left. */
  unshare(frame: Mfn): void {
    if (!this.isShared(frame)) return;
    const slot = this.#slot(frame);
    this.#flags[slot] = 0;
    this.#count[slot] = 0;
    this.#typeCount[slot] = 0;
    this.#type[slot] = frameTypes.none;
    this.hooks.forget(frame);
  }

  /** The domain lets go of a frame that nobody uses: true when that was so, and it is nobody's now. */
  take(frame: Mfn): boolean {
    const slot = this.#slot(frame);
    if (!this.owns(frame) || this.isShared(frame) || (this.#flags[slot]! & DISOWNED) !== 0) return false;
    if (this.#count[slot] !== 1 || this.#typeCount[slot] !== 0) return false;
    this.#count[slot] = 0;
    this.#free(frame, slot);
    return true;
  }

  /** The domain's own claim to a frame ends; the frame is free when its last use does. False when the claim had ended before. */
  disown(frame: Mfn): boolean {
    const slot = this.#slot(frame);
    if (!this.owns(frame) || this.isShared(frame) || (this.#flags[slot]! & DISOWNED) !== 0) return false;
    this.#flags[slot]! |= DISOWNED;
    this.#putAny(frame, slot);
    return true;
  }

  /** True for frames that the domain may name. */
  owns(frame: Mfn): boolean {
    const slot = this.#slot(frame);
    return slot >= 0 && (this.#flags[slot]! & OWNED) !== 0;
  }

  /** True for the hypervisor's own frames that the domain may map. */
  isShared(frame: Mfn): boolean {
    const slot = this.#slot(frame);
    return slot >= 0 && (this.#flags[slot]! & SHARED) !== 0;
  }

  /** What the frame is used as now; none when it is not used as anything. */
  typeOf(frame: Mfn): FrameType {
    const slot = this.#slot(frame);
    return slot >= 0 && this.#typeCount[slot]! > 0 ? (this.#type[slot] as FrameType) : frameTypes.none;
  }

  /** How often it is used as its type. */
  typeCountOf(frame: Mfn): number {
    const slot = this.#slot(frame);
    return slot < 0 ? 0 : this.#typeCount[slot]!;
  }

  /** How often it is used at all, the domain's own claim included. */
  countOf(frame: Mfn): number {
    const slot = this.#slot(frame);
    return slot < 0 ? 0 : this.#count[slot]!;
  }

  /** A use of whatever kind. False when the frame is not the domain's. */
  getAny(frame: Mfn): boolean {
    if (!this.owns(frame)) return false;
    this.#count[this.#slot(frame)]!++;
    return true;
  }

  /** Ends a use of whatever kind. */
  putAny(frame: Mfn): void {
    this.#putAny(frame, this.#slot(frame));
  }

  /** A use as `type`. 0, or a negative error: -EINVAL for a frame that is something else, or whose contents will not do. */
  get(frame: Mfn, type: FrameType): number {
    if (!this.owns(frame)) return -errno.EINVAL;
    const slot = this.#slot(frame);
    if (this.#typeCount[slot]! > 0) {
      if (this.#type[slot] !== type || (this.#flags[slot]! & CHECKING) !== 0) return -errno.EINVAL;
    } else if (type !== frameTypes.segmentDescriptors || this.#type[slot] !== type) {
      // Descriptors hold on to nothing, and stay as good as they were: a gate that is looked at again would lose its level.
      this.#setType(frame, slot, type);
      if (isGuarded(type)) {
        const error = this.#validate(frame, slot, type);
        if (error !== 0) return error;
      }
    }
    this.#typeCount[slot]!++;
    this.#count[slot]!++;
    return 0;
  }

  /** Ends a use as its type. */
  put(frame: Mfn): void {
    const slot = this.#slot(frame);
    if (--this.#typeCount[slot]! === 0 && isGuarded(this.#type[slot] as FrameType)) {
      this.#contents?.release(frame, this.#type[slot] as FrameType);
    }
    this.#putAny(frame, slot);
  }

  /** The frame stays what it is until it is unpinned. */
  setPinned(frame: Mfn, pinned: boolean): void {
    const slot = this.#slot(frame);
    this.#flags[slot] = pinned ? this.#flags[slot]! | PINNED : this.#flags[slot]! & ~PINNED;
  }

  /** True between pin and unpin. */
  isPinned(frame: Mfn): boolean {
    const slot = this.#slot(frame);
    return slot >= 0 && (this.#flags[slot]! & PINNED) !== 0;
  }

  #putAny(frame: Mfn, slot: number): void {
    if (--this.#count[slot]! === 0) this.#free(frame, slot);
  }

  /** Nobody may use what he cached of it, nor is it protected for the domain's sake. */
  #free(frame: Mfn, slot: number): void {
    this.#setType(frame, slot, frameTypes.none);
    this.hooks.forget(frame);
    this.#flags[slot] = 0;
    this.#freed(frame);
  }

  /** While contents are checked the frame counts as in use, so that a table which names itself finds it taken. */
  #validate(frame: Mfn, slot: number, type: FrameType): number {
    this.#typeCount[slot] = 1;
    this.#flags[slot]! |= CHECKING;
    const error = this.#contents?.validate(frame, type) ?? 0;
    this.#flags[slot]! &= ~CHECKING;
    this.#typeCount[slot] = 0;
    if (error !== 0) this.#setType(frame, slot, frameTypes.none);
    return error;
  }

  #setType(frame: Mfn, slot: number, type: FrameType): void {
    const before = this.#type[slot] as FrameType;
    if (before === type) return;
    if (isGuarded(type) && !isGuarded(before)) {
      this.hooks.forget(frame);
      this.hooks.protect(frame, true);
    } else if (!isGuarded(type) && isGuarded(before)) this.hooks.protect(frame, false);
    this.#type[slot] = type;
  }

  #slot(frame: Mfn): number {
    return frame >= 0 && frame < this.ramFrames ? frame : (this.#extra.get(frame) ?? -1);
  }
}

const OWNED = 1;
const SHARED = 2;
const PINNED = 4;
const CHECKING = 8;
const DISOWNED = 16;

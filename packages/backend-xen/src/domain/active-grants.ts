/**
 * Grants in use. While an entry is, it stays what it was when its use began, whatever the guest writes over it, and the guest sees the bits
 * "reading" and "writing" in it. The frame itself is held by whoever uses it: a mapping by its page-table entry, all others by `GrantedFrames`.
 */
import type { Mfn } from "@paravane/paravirt-ops";
import { grantFlags, grantStatus, grantTypes } from "../abi/grant-table.js";
import type { GrantEntry, GrantTable } from "./grant-table.js";

/** How users of grants hold on to frames. A PV guest names machine frames, a translated one its own. */
export interface GrantedFrames {
  /** The machine frame that an entry means; undefined when the guest has none by this number. */
  resolve(frame: bigint): Mfn | undefined;
  /** The frame stays the guest's until `drop`; with `write` it cannot become a page table meanwhile. False when it is one, or nobody's. */
  hold(frame: Mfn, write: boolean): boolean;
  /** Ends a `hold` of the same kind. */
  drop(frame: Mfn, write: boolean): void;
}

/** What an entry grants, while it is in use. */
export interface ActiveGrant {
  /** Machine frame. */
  readonly frame: Mfn;
  /** Who uses it. */
  readonly domain: number;
  /** Bytes of the frame that are granted. */
  readonly offset: number;
  readonly length: number;
  /** Only a part of a frame, or somebody else's grant: good for copies alone. */
  readonly copyOnly: boolean;
  /** Uses by reading alone, and by writing. */
  readers: number;
  writers: number;
}

/** What a use is for. Only copies may use parts of a frame. */
export interface GrantUse {
  readonly domain: number;
  readonly write: boolean;
  readonly copy: boolean;
}

/** Uses of one entry that counters have room for, as in Xen. */
const MAX_USES = 0x7f;

/** Who uses what of one domain's table. */
export class ActiveGrants {
  readonly #active = new Map<number, ActiveGrant>();

  constructor(
    readonly table: GrantTable,
    readonly frames: GrantedFrames,
  ) {}

  /** True while anything is in use, from a reference on. */
  busyFrom(reference: number): boolean {
    for (const used of this.#active.keys()) if (used >= reference) return true;
    return false;
  }

  /** What is in use under a reference. */
  get(reference: number): ActiveGrant | undefined {
    return this.#active.get(reference);
  }

  /** Begins a use: what is granted, or a negative status. */
  begin(reference: number, use: GrantUse): ActiveGrant | number {
    const entry = this.table.entry(reference);
    if (entry === undefined) return grantStatus.bad_gntref;
    const known = this.#active.get(reference);
    if (known !== undefined) {
      if (known.domain !== use.domain || (known.copyOnly && !use.copy)) return grantStatus.general_error;
      if (known.readers >= MAX_USES || known.writers >= MAX_USES) return grantStatus.general_error;
      if (use.write && known.writers === 0 && (entry.flags & grantFlags.readonly) !== 0) return grantStatus.general_error;
    }
    const grant = known ?? this.#look(entry, use);
    if (typeof grant === "number") return grant;
    this.#active.set(reference, grant);
    if (use.write) grant.writers++;
    else grant.readers++;
    this.table.mark(reference, grantFlags.reading | (use.write ? grantFlags.writing : 0));
    return grant;
  }

  /** Ends a use. */
  end(reference: number, write: boolean): void {
    const grant = this.#active.get(reference);
    if (grant === undefined) return;
    if (write) grant.writers--;
    else grant.readers--;
    const unused = grant.readers + grant.writers === 0;
    this.table.unmark(reference, (grant.writers === 0 ? grantFlags.writing : 0) | (unused ? grantFlags.reading : 0));
    if (unused) this.#active.delete(reference);
  }

  /** A use that holds on to the frame itself: a negative status, or the grant, to be given to `drop`. */
  hold(reference: number, use: GrantUse): ActiveGrant | number {
    const grant = this.begin(reference, use);
    if (typeof grant === "number" || this.frames.hold(grant.frame, use.write)) return grant;
    this.end(reference, use.write);
    return grantStatus.general_error;
  }

  /** Ends a `hold`. */
  drop(reference: number, grant: ActiveGrant, write: boolean): void {
    this.frames.drop(grant.frame, write);
    this.end(reference, write);
  }

  /** A fresh look at an entry that nobody uses. Of somebody else's grants there are none here, so a transitive one leads nowhere. */
  #look(entry: GrantEntry, { domain, write, copy }: GrantUse): ActiveGrant | number {
    const { flags, offset, length } = entry;
    const type = flags & grantTypes.mask;
    const part = (flags & grantFlags.sub_page) !== 0;
    if (entry.domain !== domain || type !== grantTypes.permit_access) return grantStatus.general_error;
    if ((part && !copy) || (write && (flags & grantFlags.readonly) !== 0)) return grantStatus.general_error;
    const frame = this.frames.resolve(entry.frame);
    if (frame === undefined) return grantStatus.bad_page;
    return { frame, domain, offset, length, copyOnly: part && this.table.version === 2, readers: 0, writers: 0 };
  }
}

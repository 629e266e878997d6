/**
 * A frontend's pages as the block backend reaches them: by grant reference, held while they are in use. Grants that the frontend calls
 * persistent are held until the end, up to a bound. Every page is the domain's own at that moment, whatever kind of domain it is.
 */
import type { GuestMemory, HypervisorFrames } from "@paravane/paravirt-ops";
import { storeToFrame } from "../../domain/frame-store.js";
import type { ActiveGrant, ActiveGrants } from "../../domain/active-grants.js";

/** Persistent grants that a frontend may have, as in Linux's backend. */
const MAX_PERSISTENT = 1056;

/** A page in use. */
export interface GrantedPage {
  /** Bytes of it that are granted, live. Not to be kept across guest execution. */
  read(): Uint8Array;
  /** Stores bytes at an offset. */
  write(offset: number, bytes: Uint8Array): void;
  /** The use ends. */
  release(): void;
}

/** What is needed of the domain. */
export interface GrantedMemoryParts {
  readonly grants: ActiveGrants;
  readonly frames: HypervisorFrames;
  readonly memory: GuestMemory;
  /** The domain that the grants are to. */
  readonly backend: number;
}

/** Pages of one frontend. */
export class GrantedMemory {
  readonly #persistent = new Map<number, ActiveGrant>();
  /** The frontend keeps its grants, and wants them kept. */
  persistent = false;
  #abandoned = false;

  constructor(private readonly parts: GrantedMemoryParts) {}

  /** Begins a use of a whole page; undefined for a reference that does not allow it. */
  use(reference: number, write: boolean): GrantedPage | undefined {
    const known = this.#persistent.get(reference);
    if (known !== undefined) return this.#page(known, () => {});
    const keep = this.persistent && this.#persistent.size < MAX_PERSISTENT;
    const holdWrite = write || keep;
    const grant = this.parts.grants.hold(reference, { domain: this.parts.backend, write: holdWrite, copy: false });
    if (typeof grant === "number") return undefined;
    if (keep) this.#persistent.set(reference, grant);
    return this.#page(grant, keep ? () => {} : () => this.parts.grants.drop(reference, grant, holdWrite));
  }

  /** Uses a page until `release` is called, and never keeps it beyond. */
  map(reference: number): GrantedPage | undefined {
    const grant = this.parts.grants.hold(reference, { domain: this.parts.backend, write: true, copy: false });
    return typeof grant === "number" ? undefined : this.#page(grant, () => this.parts.grants.drop(reference, grant, true));
  }

  /** The domain is over: nothing of it is touched any more, by whoever still holds pages either. */
  abandon(): void {
    this.#abandoned = true;
    this.#persistent.clear();
  }

  /** Ends all persistent uses. */
  forget(): void {
    for (const [reference, grant] of this.#persistent) this.parts.grants.drop(reference, grant, true);
    this.#persistent.clear();
    this.persistent = false;
  }

  #page({ frame }: ActiveGrant, release: () => void): GrantedPage {
    const { memory, frames } = this.parts;
    return {
      read: () => frames.bytes(frame),
      write: (offset, bytes) => {
        if (!this.#abandoned) storeToFrame({ memory, frames }, frame, offset, bytes);
      },
      release: () => {
        if (!this.#abandoned) release();
      },
    };
  }
}

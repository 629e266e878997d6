/** Grants that the domain has mapped, by the handle that it gives back to unmap them. Bounded as in Xen: 1024 frames of 256 each. */

/** As Xen 4.17 gives by default. */
const MAX_MAPPINGS = 1024 * 256;

/** A mapping. `flags` are what is left of those that it was made with. */
export interface GrantMapping {
  readonly reference: number;
  flags: number;
}

/** Mappings by handle. */
export class MapTrack {
  readonly #mappings = new Map<number, GrantMapping>();
  readonly #free: number[] = [];
  #next = 0;

  /** Room for one more. */
  get hasRoom(): boolean {
    return this.#free.length > 0 || this.#next < MAX_MAPPINGS;
  }

  get(handle: number): GrantMapping | undefined {
    return this.#mappings.get(handle);
  }

  /** The handle of a new mapping; there must be room. */
  add(mapping: GrantMapping): number {
    const handle = this.#free.pop() ?? this.#next++;
    this.#mappings.set(handle, mapping);
    return handle;
  }

  remove(handle: number): void {
    if (this.#mappings.delete(handle)) this.#free.push(handle);
  }

  /** All that there are. */
  values(): IterableIterator<GrantMapping> {
    return this.#mappings.values();
  }
}

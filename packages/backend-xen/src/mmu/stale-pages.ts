/** What processors may still have cached although the tables no longer say it: the last changes, in their order. */
import { wide } from "../abi/wide.js";

const KEPT = 32;
const EVERYTHING = -1;
const SIGN = 0x8_0000_0000;
const PAGE = 0x1000;
const HALF = 0x1_0000_0000;

/** Linear pages whose leaves were changed. Each processor remembers up to which change it has dropped what it had. */
export class StalePages {
  #changes = 0;
  readonly #pages = new Float64Array(KEPT);
  /** Last change that may concern any page. */
  #everythingAt = 0;

  /** How many changes there have been. */
  get changes(): number {
    return this.#changes;
  }

  /** A present entry changes: the leaf of linear page number `page`, or, without one, what may translate any page. */
  note(page: number | undefined): void {
    this.#pages[this.#changes++ % KEPT] = page ?? EVERYTHING;
    if (page === undefined) this.#everythingAt = this.#changes;
  }

  /** Linear addresses of pages that changed after the first `seen` changes; undefined when all pages may have, or they are too many. */
  since(seen: number): readonly bigint[] | undefined {
    if (seen === this.#changes) return NONE;
    if (this.#everythingAt > seen || this.#changes - seen > KEPT) return undefined;
    const pages: bigint[] = [];
    for (let change = seen; change < this.#changes; change++) pages.push(addressOf(this.#pages[change % KEPT]!));
    return pages;
  }
}

const NONE: readonly bigint[] = [];

/** Canonical address of a linear page of 48 bits. */
function addressOf(page: number): bigint {
  const at = (page >= SIGN ? page - 2 * SIGN : page) * PAGE;
  return wide(at % HALF, Math.floor(at / HALF));
}

/** Translations that a guest has changed and whose flush may wait: for a flush, for the page's own invalidation, or for the end of a batch. */
import type { GuestFault, MmuOps, Vcpu } from "@paravane/paravirt-ops";

/** Beyond this many pages everything is flushed instead. */
const MOST = 64;

/** One vCPU's pages whose flush waits. */
export class DeferredFlushes {
  readonly #pages = new Set<bigint>();
  #all = false;

  constructor(
    private readonly mmu: MmuOps,
    private readonly vcpu: Vcpu,
  ) {}

  /** The page at `address`, or any page. */
  add(address: bigint | undefined): void {
    if (address !== undefined && this.#pages.size < MOST) this.#pages.add(address & ~0xfffn);
    else this.#all = true;
  }

  /** The page has been flushed. */
  drop(address: bigint): void {
    this.#pages.delete(address & ~0xfffn);
  }

  /** What waits is done now. */
  settle(): GuestFault | undefined {
    const pages = [...this.#pages];
    const all = this.#all;
    this.#pages.clear();
    this.#all = false;
    if (all) return this.mmu.flushTlbKernel.run(this.vcpu) ?? undefined;
    for (const page of pages) {
      const fault = this.mmu.flushTlbSingle.run(this.vcpu, page);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }
}

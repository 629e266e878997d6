/**
 * A descriptor table of a kernel at CPL 1: the guest's own, and the shadow with raised levels that the processor reads. With a hole the shadow lies
 * there; without one the guest's table itself is raised. Stores to the guest's table come here, so that the two never differ in anything else.
 */
import type { HypervisorHandle, Mfn } from "@paravane/paravirt-ops";
import { raised } from "./descriptors.js";
import type { HeldFrames } from "./held-frames.js";

const PAGE = 4096;
/** A table is at most 64 KiB. */
export const TABLE_PAGES = 16;
const SUPERVISOR = { level: 0, implicit: true } as const;

/** One table of one vCPU. */
export class ShadowTable {
  #base = 0n;
  #bytes = 0;
  /** Physical page of each of the guest's pages that hold the table. */
  #pages: (number | undefined)[] = [];
  readonly #shadow: { readonly address: bigint; readonly first: Mfn } | undefined;

  constructor(
    private readonly hypervisor: HypervisorHandle,
    private readonly vcpu: number,
    private readonly held: HeldFrames,
    /** Where the shadow is seen; undefined without a hole. */
    address: bigint | undefined,
  ) {
    if (address === undefined) return;
    const first = hypervisor.frames.allocate(TABLE_PAGES);
    const frames = Array.from({ length: TABLE_PAGES }, (_, index) => first + index);
    hypervisor.openWindow({ address, frames, write: true, execute: false, level: 0, scope: { vcpu } });
    this.#shadow = { address, first };
  }

  /** The guest's table is at `base` now: all of it is raised. Linear address of what the processor is to read. */
  load(base: bigint, limit: number): bigint {
    this.forget();
    this.#base = base;
    this.#bytes = limit + 1;
    for (let at = base & ~0xfffn; at < base + BigInt(this.#bytes); at += BigInt(PAGE)) {
      const physical = this.hypervisor.linear.translate(this.vcpu, BigInt.asUintN(32, at), SUPERVISOR);
      const page = typeof physical === "number" && this.held.hold(physical / PAGE) ? physical : undefined;
      this.#pages.push(page);
    }
    this.#raiseAll();
    return this.#shadow?.address ?? base;
  }

  /** No table. */
  forget(): void {
    for (const physical of this.#pages) if (physical !== undefined) this.held.release(physical / PAGE);
    this.#pages = [];
    this.#bytes = 0;
  }

  /** Is it the table at this linear address? */
  isAt(base: bigint): boolean {
    return this.#bytes > 0 && this.#base === base;
  }

  /** The guest's entry; undefined outside of the table. */
  entry(index: number): bigint | undefined {
    if (index * 8 + 7 >= this.#bytes) return undefined;
    const bytes = new Uint8Array(8);
    const fault = this.hypervisor.linear.read(this.vcpu, BigInt.asUintN(32, this.#base + BigInt(index * 8)), bytes, SUPERVISOR);
    return fault === undefined ? new DataView(bytes.buffer).getBigUint64(0, true) : undefined;
  }

  /** Something was stored to guest memory: entries that lie there are raised anew. */
  stored(physical: number, bytes: number): void {
    for (const [page, start] of this.#pages.entries()) {
      if (start === undefined || physical + bytes <= start || physical >= start + PAGE) continue;
      const offset = page * PAGE + (physical - start) - Number(this.#base & 0xfffn);
      for (let index = Math.max(0, Math.floor(offset / 8)); index * 8 < offset + bytes && index * 8 + 7 < this.#bytes; index++)
        this.#raise(index);
    }
  }

  /** All entries, a page of them at a time. */
  #raiseAll(): void {
    for (let from = 0; from < this.#bytes; from += PAGE) {
      const bytes = new Uint8Array(Math.min(PAGE, this.#bytes - from) & ~7);
      const unread = this.hypervisor.linear.read(this.vcpu, BigInt.asUintN(32, this.#base + BigInt(from)), bytes, SUPERVISOR);
      // Where the guest has no memory it has no descriptors.
      if (unread !== undefined) bytes.fill(0);
      const view = new DataView(bytes.buffer);
      for (let at = 0; at < bytes.length; at += 8) this.#put((from + at) / 8, view.getBigUint64(at, true));
    }
  }

  /** Brings the processor's entry up to date. */
  #raise(index: number): void {
    this.#put(index, this.entry(index) ?? 0n);
  }

  #put(index: number, own: bigint): void {
    const value = raised(own);
    if (this.#shadow !== undefined) {
      const frame = this.hypervisor.frames.bytes(this.#shadow.first + Math.floor((index * 8) / PAGE));
      new DataView(frame.buffer, frame.byteOffset).setBigUint64((index * 8) % PAGE, value, true);
    } else if (value !== own) {
      const bytes = new Uint8Array(8);
      new DataView(bytes.buffer).setBigUint64(0, value, true);
      this.hypervisor.linear.write(this.vcpu, BigInt.asUintN(32, this.#base + BigInt(index * 8)), bytes, { ...SUPERVISOR, write: true });
    }
  }
}

/** Pending and masked ports as two bitmaps in shared_info, with a word of selectors in each vcpu_info: public/event_channel.h "2-level". */
import { errno } from "../abi/errno.js";
import { shared_info } from "../abi/xen.js";
import type { SharedInfo, VcpuInfo } from "../domain/shared-info.js";
import type { EventDelivery } from "./ports.js";

/** Where a vCPU's events show, and how it is told. */
export interface EventTarget {
  readonly info: VcpuInfo;
  /** vcpu_info has become pending. */
  notify(): void;
}

/** The two-level delivery. */
export class TwoLevel implements EventDelivery {
  readonly hasPriorities = false;

  constructor(
    private readonly shared: SharedInfo,
    private readonly targets: readonly EventTarget[],
  ) {}

  get limit(): number {
    return this.shared.bits ** 2;
  }

  raise(port: number, vcpu: number): void {
    if (this.#set(this.#pendingAt(port), port)) return;
    if (!this.#test(this.#maskAt(port), port)) this.#select(this.targets[vcpu]!, port);
  }

  unmask(port: number, vcpu: number): void {
    this.#clear(this.#maskAt(port), port);
    if (this.isPending(port)) this.#select(this.targets[vcpu]!, port);
  }

  isPending(port: number): boolean {
    return this.#test(this.#pendingAt(port), port);
  }

  clear(port: number): void {
    this.#clear(this.#pendingAt(port), port);
  }

  isBusy(): boolean {
    return false;
  }

  opened(): void {}

  setPriority(): number {
    return -errno.ENOSYS;
  }

  close(): void {}

  #select({ info, notify }: EventTarget, port: number): void {
    const word = 1n << BigInt(Math.floor(port / this.shared.bits));
    const selector = info.selector;
    if ((selector & word) !== 0n) return;
    info.selector = selector | word;
    if (info.pending) return;
    info.pending = true;
    notify();
  }

  #pendingAt(port: number): number {
    return shared_info[this.shared.bits].fields.evtchn_pending.offset + (port >>> 3);
  }

  #maskAt(port: number): number {
    return shared_info[this.shared.bits].fields.evtchn_mask.offset + (port >>> 3);
  }

  #test(at: number, port: number): boolean {
    return (this.shared.bytes[at]! & (1 << (port & 7))) !== 0;
  }

  /** True when it was set before. */
  #set(at: number, port: number): boolean {
    const { bytes } = this.shared;
    const before = (bytes[at]! & (1 << (port & 7))) !== 0;
    bytes[at]! |= 1 << (port & 7);
    return before;
  }

  #clear(at: number, port: number): void {
    this.shared.bytes[at]! &= ~(1 << (port & 7));
  }
}

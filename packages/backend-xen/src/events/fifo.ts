/**
 * Pending ports as queues in the guest's memory, one for each vCPU and priority: a word for each port, linked into lists that the guest
 * takes apart, and a control block for each vCPU with the lists' heads. public/event_channel.h "FIFO"; Xen's common/event_fifo.c.
 *
 * All words are the guest's to write, so nothing here follows a link: a queue is known by its tail alone, and each change looks at two words.
 */
import type { Mfn } from "@paravane/paravirt-ops";
import { errno } from "../abi/errno.js";
import { fifo } from "../abi/services.js";
import type { EventDelivery } from "./ports.js";
import type { EventTarget } from "./two-level.js";

const WORDS_PER_PAGE = 1024;
const MAX_PAGES = fifo.NR_CHANNELS / WORDS_PER_PAGE;
const QUEUES = fifo.PRIORITY_MIN + 1;

/** Memory of the guest's that the queues lie in. */
export interface FifoPages {
  /** Holds on to a frame as one that is written to; undefined for a frame that is not the guest's or is something else. */
  take(frame: number): Mfn | undefined;
  /** Lets go of it. */
  release(frame: Mfn): void;
  /** The live frame. */
  bytes(frame: Mfn): Uint8Array;
}

interface ControlBlock {
  readonly frame: Mfn;
  readonly offset: number;
  /** Last port of each queue as far as the hypervisor knows; 0: none. */
  readonly tails: Uint32Array;
}

/** The FIFO delivery. */
export class Fifo implements EventDelivery {
  readonly limit = fifo.NR_CHANNELS;
  readonly hasPriorities = true;
  readonly #controls: (ControlBlock | undefined)[] = [];
  readonly #pages: Mfn[] = [];
  readonly #priorities = new Uint8Array(fifo.NR_CHANNELS).fill(fifo.PRIORITY_DEFAULT);
  /** Where a port was last linked: vCPU and priority. */
  readonly #lastVcpu = new Uint8Array(fifo.NR_CHANNELS);
  readonly #lastPriority = new Uint8Array(fifo.NR_CHANNELS).fill(fifo.PRIORITY_DEFAULT);
  /** Pending ports whose words have no page yet. */
  readonly #early = new Map<number, number>();

  constructor(
    private readonly pages: FifoPages,
    private readonly targets: readonly EventTarget[],
  ) {}

  /** EVTCHNOP_init_control: 0, or -EINVAL when the vCPU has a control block or the frame will not do. */
  addControlBlock(vcpu: number, frame: number, offset: number): number {
    if (this.#controls[vcpu] !== undefined) return -errno.EINVAL;
    const taken = this.pages.take(frame);
    if (taken === undefined) return -errno.EINVAL;
    this.#controls[vcpu] = { frame: taken, offset, tails: new Uint32Array(QUEUES) };
    return 0;
  }

  /** EVTCHNOP_expand_array: 0, -ENOSPC or -EINVAL. What was pending without a word is raised. */
  addPage(frame: number): number {
    if (this.#pages.length === MAX_PAGES) return -errno.ENOSPC;
    const taken = this.pages.take(frame);
    if (taken === undefined) return -errno.EINVAL;
    this.#pages.push(taken);
    const end = this.#pages.length * WORDS_PER_PAGE;
    for (const [port, vcpu] of [...this.#early]) {
      if (port >= end) continue;
      this.#early.delete(port);
      this.raise(port, vcpu);
    }
    return 0;
  }

  setPriority(port: number, priority: number): number {
    if (priority > fifo.PRIORITY_MIN) return -errno.EINVAL;
    this.#priorities[port] = priority;
    return 0;
  }

  raise(port: number, vcpu: number): void {
    const word = this.#read(port);
    if (word === undefined) {
      this.#early.set(port, vcpu);
      return;
    }
    this.#write(port, word | fifo.PENDING);
    if ((word & (fifo.MASKED | fifo.LINKED)) === 0) this.#link(port, vcpu);
  }

  unmask(port: number, vcpu: number): void {
    const word = this.#read(port);
    if (word === undefined) return;
    this.#write(port, word & ~fifo.MASKED);
    if ((word & fifo.PENDING) !== 0) this.raise(port, vcpu);
  }

  isPending(port: number): boolean {
    return ((this.#read(port) ?? 0) & fifo.PENDING) !== 0;
  }

  /** The guest takes it out of its queue itself, and passes over what is not pending. */
  clear(port: number): void {
    this.#early.delete(port);
    const word = this.#read(port);
    if (word !== undefined) this.#write(port, word & ~fifo.PENDING);
  }

  isBusy(port: number): boolean {
    return ((this.#read(port) ?? 0) & fifo.LINKED) !== 0;
  }

  opened(port: number): void {
    this.#priorities[port] = fifo.PRIORITY_DEFAULT;
  }

  close(): void {
    for (const block of this.#controls) if (block !== undefined) this.pages.release(block.frame);
    for (const page of this.#pages) this.pages.release(page);
    this.#controls.length = this.#pages.length = 0;
    this.#early.clear();
  }

  /** Appends the port to the queue of its vCPU and priority. */
  #link(port: number, vcpu: number): void {
    const priority = this.#priorities[port]!;
    const block = this.#controls[vcpu];
    const before = this.#controls[this.#lastVcpu[port]!];
    // As the last one of a queue it was the only one there: it is not linked. Nothing may be appended to it in its old place.
    const last = this.#lastPriority[port]!;
    if (before !== undefined && before.tails[last] === port) before.tails[last] = 0;
    if (block === undefined) return;
    this.#lastVcpu[port] = vcpu;
    this.#lastPriority[port] = priority;
    this.#write(port, this.#read(port)! | fifo.LINKED);
    const tail = block.tails[priority]!;
    const linked = tail !== 0 && this.#setLink(tail, port);
    block.tails[priority] = port;
    if (linked) return;
    const bytes = this.pages.bytes(block.frame);
    const view = new DataView(bytes.buffer, bytes.byteOffset + block.offset);
    view.setUint32(fifo.HEADS + 4 * priority, port, true);
    const ready = view.getUint32(fifo.READY, true);
    view.setUint32(fifo.READY, ready | (1 << priority), true);
    if ((ready & (1 << priority)) !== 0) return;
    const target = this.targets[vcpu]!;
    if (target.info.pending) return;
    target.info.pending = true;
    target.notify();
  }

  /** Makes `port` the successor of `tail`, if the guest has not taken that out of its queue. */
  #setLink(tail: number, port: number): boolean {
    const word = this.#read(tail) ?? 0;
    if ((word & fifo.LINKED) === 0) return false;
    this.#write(tail, (word & ~(fifo.BUSY | fifo.LINK_MASK)) | port);
    return true;
  }

  #read(port: number): number | undefined {
    const page = this.#pages[Math.floor(port / WORDS_PER_PAGE)];
    if (page === undefined) return undefined;
    const bytes = this.pages.bytes(page);
    return new DataView(bytes.buffer, bytes.byteOffset).getUint32((port % WORDS_PER_PAGE) * 4, true);
  }

  #write(port: number, word: number): void {
    const bytes = this.pages.bytes(this.#pages[Math.floor(port / WORDS_PER_PAGE)]!);
    new DataView(bytes.buffer, bytes.byteOffset).setUint32((port % WORDS_PER_PAGE) * 4, word, true);
  }
}

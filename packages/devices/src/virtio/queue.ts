/**
 * A split virtqueue as the device sees it. Virtio 1.2 §2.7: descriptor table (16 bytes an entry), available ring, used ring, all in guest
 * memory, little-endian; indirect descriptors; used and available event indices.
 * The driver is not trusted: each index and address is checked when it is read, a chain has a bound, and a queue that lies is broken
 * (the device then asks for a reset, §2.1.2) instead of being followed. Left out: packed rings, in-order use, queue reset.
 */
import type { GuestMemory } from "@paravane/paravirt-ops";
import { requireSchema } from "../schema.js";
import { VirtqChain } from "./chain.js";

const DESC_SIZE = 16;
const DESC_F_NEXT = 1;
const DESC_F_WRITE = 2;
const DESC_F_INDIRECT = 4;
const AVAIL_F_NO_INTERRUPT = 1;

/** Saved queue. `taken` are the heads of chains that the device holds, oldest first. */
export interface VirtQueueState {
  schema: "virtqueue@1";
  size: number;
  enabled: boolean;
  broken: boolean;
  msixVector: number;
  descriptors: number;
  driver: number;
  device: number;
  indirect: boolean;
  eventIndex: boolean;
  nextAvailable: number;
  usedIndex: number;
  signalled: number;
  taken: number[];
}

/** The device's end of one queue. */
export class VirtQueue {
  readonly maxSize: number;
  /** Entries, a power of two up to `maxSize`. */
  size: number;
  /** Guest addresses of the descriptor table and the two rings. */
  descriptors = 0;
  driver = 0;
  device = 0;
  /** MSI-X vector, or 0xffff for none. */
  msixVector = 0xffff;
  #memory: GuestMemory | undefined;
  #enabled = false;
  #broken = false;
  #indirect = false;
  #eventIndex = false;
  #nextAvailable = 0;
  #usedIndex = 0;
  /** Used index when the driver was last considered for an interrupt. */
  #signalled = 0;
  #epoch = 0;
  readonly #free: VirtqChain[] = [];
  /** Chains the device holds; at most `size`. */
  readonly #taken = new Set<VirtqChain>();

  constructor(maxSize: number) {
    this.maxSize = maxSize;
    this.size = maxSize;
  }

  get enabled(): boolean {
    return this.#enabled;
  }
  /** The driver broke the rules; nothing is taken any more until reset. */
  get broken(): boolean {
    return this.#broken;
  }
  get chainsHeld(): number {
    return this.#taken.size;
  }

  /** Guest memory exists now. */
  connect(memory: GuestMemory): void {
    this.#memory = memory;
  }

  /** Negotiated ring features; fixed before the queue is used. */
  negotiate(features: { indirect: boolean; eventIndex: boolean }): void {
    this.#indirect = features.indirect;
    this.#eventIndex = features.eventIndex;
  }

  /** The driver says that the rings are in place. False, and broken, when they are not in guest memory. */
  enable(): boolean {
    this.#enabled = true;
    if (!this.#ringsAreMemory()) this.#broken = true;
    return !this.#broken;
  }

  /** Forgets everything; chains still held by the device become void. */
  reset(): void {
    this.size = this.maxSize;
    this.descriptors = this.driver = this.device = 0;
    this.msixVector = 0xffff;
    this.#enabled = this.#broken = this.#indirect = this.#eventIndex = false;
    this.#nextAvailable = this.#usedIndex = this.#signalled = 0;
    this.#void();
  }

  /** Takes the next buffer, or undefined when there is none, or when the driver broke the rules (see `broken`). */
  take(): VirtqChain | undefined {
    const memory = this.#memory;
    if (memory === undefined || !this.#enabled || this.#broken) return undefined;
    const waiting = (memory.readU16(this.driver + 2) - this.#nextAvailable) & 0xffff;
    if (waiting === 0) {
      if (this.#eventIndex) memory.writeU16(this.device + 4 + 8 * this.size, this.#nextAvailable);
      return undefined;
    }
    if (waiting > this.size || this.#taken.size >= this.size) return this.#break();
    const head = memory.readU16(this.driver + 4 + 2 * (this.#nextAvailable & (this.size - 1)));
    const chain = this.#collect(memory, head);
    if (chain === undefined) return this.#break();
    chain.order = this.#nextAvailable;
    this.#nextAvailable = (this.#nextAvailable + 1) & 0xffff;
    return chain;
  }

  /** True while a chain belongs to this queue's present life: after a reset the device must touch neither it nor guest memory. */
  holds(chain: VirtqChain): boolean {
    return chain.epoch === this.#epoch && this.#taken.has(chain);
  }

  /** Gives a buffer back with `written` bytes stored in it. A chain that is no longer held is ignored. */
  complete(chain: VirtqChain, written: number): void {
    if (!this.holds(chain)) return;
    this.#taken.delete(chain);
    this.#free.push(chain);
    const memory = this.#memory!;
    const at = this.device + 4 + 8 * (this.#usedIndex & (this.size - 1));
    memory.writeU32(at, chain.head);
    memory.writeU32(at + 4, written);
    this.#usedIndex = (this.#usedIndex + 1) & 0xffff;
    memory.writeU16(this.device + 2, this.#usedIndex);
  }

  /** True when the driver wants to hear of what was completed since the last call. */
  interruptDue(): boolean {
    const memory = this.#memory;
    if (memory === undefined || !this.#enabled || this.#usedIndex === this.#signalled) return false;
    const completed = (this.#usedIndex - this.#signalled) & 0xffff;
    this.#signalled = this.#usedIndex;
    if (!this.#eventIndex) return (memory.readU16(this.driver) & AVAIL_F_NO_INTERRUPT) === 0;
    const event = memory.readU16(this.driver + 4 + 2 * this.size);
    return ((this.#usedIndex - event - 1) & 0xffff) < completed;
  }

  save(): VirtQueueState {
    const { size, msixVector, descriptors, driver, device } = this;
    const next = this.#nextAvailable;
    const taken = [...this.#taken].sort((a, b) => ((next - b.order) & 0xffff) - ((next - a.order) & 0xffff)).map((chain) => chain.head);
    return {
      schema: "virtqueue@1",
      size,
      enabled: this.#enabled,
      broken: this.#broken,
      msixVector,
      descriptors,
      driver,
      device,
      indirect: this.#indirect,
      eventIndex: this.#eventIndex,
      nextAvailable: this.#nextAvailable,
      usedIndex: this.#usedIndex,
      signalled: this.#signalled,
      taken,
    };
  }
  /** Restores the registers and takes the held chains again; returns them for the device to go on with. Guest memory is there already. */
  load(state: VirtQueueState): VirtqChain[] {
    requireSchema(state, "virtqueue@1");
    this.#void();
    const size = state.size;
    this.size = size >= 1 && size <= this.maxSize && (size & (size - 1)) === 0 ? size : this.maxSize;
    this.msixVector = state.msixVector;
    this.descriptors = state.descriptors;
    this.driver = state.driver;
    this.device = state.device;
    this.#enabled = state.enabled;
    this.#indirect = state.indirect;
    this.#eventIndex = state.eventIndex;
    this.#nextAvailable = state.nextAvailable & 0xffff;
    this.#usedIndex = state.usedIndex & 0xffff;
    this.#signalled = state.signalled & 0xffff;
    this.#broken = state.broken || (state.enabled && !this.#ringsAreMemory());
    const chains: VirtqChain[] = [];
    const memory = this.#memory;
    if (memory === undefined || !this.#enabled || this.#broken) return chains;
    const held = state.taken.slice(0, this.size);
    held.forEach((head, i) => {
      const chain = this.#collect(memory, head);
      if (chain === undefined) return;
      chain.order = (this.#nextAvailable - held.length + i) & 0xffff;
      chains.push(chain);
    });
    return chains;
  }

  #void(): void {
    this.#epoch++;
    this.#taken.clear();
    this.#free.length = 0;
  }
  #break(): undefined {
    this.#broken = true;
    return undefined;
  }

  #ringsAreMemory(): boolean {
    const memory = this.#memory;
    return (
      memory !== undefined &&
      this.descriptors % 16 === 0 &&
      this.driver % 2 === 0 &&
      this.device % 4 === 0 &&
      memory.contains(this.descriptors, DESC_SIZE * this.size) &&
      memory.contains(this.driver, 6 + 2 * this.size) &&
      memory.contains(this.device, 6 + 8 * this.size)
    );
  }

  /** Follows a chain from `head`; undefined when the driver broke a rule. Each step consumes a segment of a bounded list, so it ends. */
  #collect(memory: GuestMemory, head: number): VirtqChain | undefined {
    const chain = this.#free.pop() ?? new VirtqChain(this.maxSize);
    chain.clear();
    chain.head = head;
    chain.epoch = this.#epoch;
    let table = this.descriptors;
    let entries = this.size;
    let index = head;
    for (let steps = 0; steps <= this.maxSize; steps++) {
      if (index >= entries) break;
      const at = table + DESC_SIZE * index;
      const address = memory.readU32(at) + memory.readU32(at + 4) * 2 ** 32;
      const length = memory.readU32(at + 8);
      const flags = memory.readU16(at + 12);
      if ((flags & DESC_F_INDIRECT) !== 0) {
        // A table of its own, once, in the place of a last descriptor (§2.7.5.3).
        const usable =
          this.#indirect && table === this.descriptors && (flags & DESC_F_NEXT) === 0 && length !== 0 && length % DESC_SIZE === 0;
        if (!usable || length > DESC_SIZE * 0x1_0000 || !memory.contains(address, length)) break;
        table = address;
        entries = length / DESC_SIZE;
        index = 0;
        continue;
      }
      if (length !== 0 && (!memory.contains(address, length) || !chain.add(address, length, (flags & DESC_F_WRITE) !== 0))) break;
      if ((flags & DESC_F_NEXT) === 0) {
        this.#taken.add(chain);
        return chain;
      }
      index = memory.readU16(at + 14);
    }
    this.#free.push(chain);
    return undefined;
  }
}

/** A small virtio driver for tests: finds the structures by their capabilities as a kernel does, sets up queues, posts buffers. */
import type { MmioBus } from "@paravane/paravirt-ops";
import type { VirtioPci } from "../src/virtio/index.js";
import type { TestMemory } from "./ram.js";

export interface Segment {
  readonly address: number;
  readonly length: number;
  readonly write?: boolean;
}

export class TestDriver {
  readonly memory: TestMemory;
  readonly #mmio: MmioBus;
  readonly #at: Record<number, number> = {};
  readonly rings: { descriptors: number; driver: number; device: number; size: number; free: number; seen: number }[] = [];
  eventIndex = false;

  constructor(pci: VirtioPci, mmio: MmioBus, memory: TestMemory) {
    this.memory = memory;
    this.#mmio = mmio;
    const space = pci.space;
    for (let cap = space.read(0x34, 1); cap !== 0; cap = space.read(cap + 1, 1)) {
      if (space.read(cap, 1) !== 9) continue;
      const base = space.barBase(space.bars.find((bar) => bar.index === space.read(cap + 4, 1))!);
      this.#at[space.read(cap + 3, 1)] = base + space.read(cap + 8, 4);
    }
  }

  read(offset: number, size: 1 | 2 | 4): number {
    return this.#mmio.read(this.#at[1]! + offset, size);
  }
  write(offset: number, size: 1 | 2 | 4, value: number): void {
    this.#mmio.write(this.#at[1]! + offset, size, value);
  }
  readConfig(offset: number, size: 1 | 2 | 4): number {
    return this.#mmio.read(this.#at[4]! + offset, size);
  }
  takeIsr(): number {
    return this.#mmio.read(this.#at[3]!, 1);
  }
  get status(): number {
    return this.read(0x14, 1);
  }
  set status(value: number) {
    this.write(0x14, 1, value);
  }

  /** Negotiates; returns whether the device took the features. */
  negotiate(low: number, high = 1): boolean {
    this.status = 0;
    this.status = 1;
    this.status = 3;
    this.write(0x08, 4, 0);
    this.write(0x0c, 4, low >>> 0);
    this.write(0x08, 4, 1);
    this.write(0x0c, 4, high);
    this.status = 11;
    this.eventIndex = (low & (1 << 29)) !== 0;
    return (this.status & 8) !== 0;
  }
  setQueue(index: number, size: number, base: number, vector = 0xffff): void {
    const ring = { descriptors: base, driver: base + 0x2000, device: base + 0x3000, size, free: 0, seen: 0 };
    this.rings[index] = ring;
    this.write(0x16, 2, index);
    this.write(0x18, 2, size);
    this.write(0x1a, 2, vector);
    this.write(0x20, 4, ring.descriptors);
    this.write(0x28, 4, ring.driver);
    this.write(0x30, 4, ring.device);
    this.write(0x1c, 2, 1);
  }
  /** Everything up to DRIVER_OK with the features and queue sizes given. */
  start(features: number, sizes: readonly number[], vector?: (queue: number) => number): void {
    if (!this.negotiate(features)) throw new Error("features were refused");
    for (const [i, size] of sizes.entries()) this.setQueue(i, size, 0x10_0000 + i * 0x1_0000, vector?.(i));
    this.status = 15;
  }

  describe(queue: number, index: number, segment: Segment, flags: number, next: number): void {
    this.#describeAt(this.rings[queue]!.descriptors + 16 * index, segment, flags, next);
  }
  #describeAt(at: number, segment: Segment, flags: number, next: number): void {
    this.memory.writeU64(at, BigInt(segment.address));
    this.memory.writeU32(at + 8, segment.length);
    this.memory.writeU16(at + 12, flags | (segment.write ? 2 : 0));
    this.memory.writeU16(at + 14, next);
  }
  /** Posts a buffer without ringing; with `table` as an indirect one. Returns its head. */
  post(queue: number, segments: readonly Segment[], table?: number): number {
    const ring = this.rings[queue]!;
    const head = ring.free % ring.size;
    if (table !== undefined) {
      for (const [i, segment] of segments.entries()) this.#describeAt(table + 16 * i, segment, i + 1 < segments.length ? 1 : 0, i + 1);
      this.describe(queue, head, { address: table, length: 16 * segments.length }, 4, 0);
      ring.free++;
    } else {
      segments.forEach((segment, i) => {
        this.describe(queue, (head + i) % ring.size, segment, i + 1 < segments.length ? 1 : 0, (head + i + 1) % ring.size);
      });
      ring.free += segments.length;
    }
    this.offer(queue, head);
    return head;
  }
  offer(queue: number, head: number): void {
    const ring = this.rings[queue]!;
    const index = this.memory.readU16(ring.driver + 2);
    this.memory.writeU16(ring.driver + 4 + 2 * (index % ring.size), head);
    this.memory.writeU16(ring.driver + 2, (index + 1) & 0xffff);
  }
  ring(queue: number): void {
    this.#mmio.write(this.#at[2]! + 4 * queue, 2, queue);
  }
  /** Buffers the device gave back since the last call. */
  completed(queue: number): { head: number; length: number }[] {
    const ring = this.rings[queue]!;
    const result: { head: number; length: number }[] = [];
    while (ring.seen !== this.memory.readU16(ring.device + 2)) {
      const at = ring.device + 4 + 8 * (ring.seen % ring.size);
      result.push({ head: this.memory.readU32(at), length: this.memory.readU32(at + 4) });
      ring.seen = (ring.seen + 1) & 0xffff;
    }
    return result;
  }
  /** With event indices: interrupt when the used index passes `at`. */
  setUsedEvent(queue: number, at: number): void {
    const ring = this.rings[queue]!;
    this.memory.writeU16(ring.driver + 4 + 2 * ring.size, at & 0xffff);
  }
  availableEvent(queue: number): number {
    const ring = this.rings[queue]!;
    return this.memory.readU16(ring.device + 4 + 8 * ring.size);
  }
}

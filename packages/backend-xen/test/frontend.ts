/** A block frontend that a test drives: its nodes, its grants and its ring, in the memory of a domain on the recording parts. */
import type { BlockStore } from "@paravane/paravirt-ops";
import { backendBench } from "@paravane/paravirt-ops/conformance";
import { blockAbis, sharedRing } from "../src/abi/blkif.js";
import type { GuestBits } from "../src/abi/struct.js";
import type { Domain } from "../src/domain/domain.js";
import { readNotes } from "../src/domain/notes.js";
import { startPvDomain } from "../src/domain/start-pv.js";
import { BlockDevice } from "../src/services/block/device.js";
import { XenStore } from "../src/services/xenstore/store.js";
import { coreOps, native } from "./guest.js";
import { elfKernel, image, plainNotes } from "./images.js";
import { xen } from "../src/backend.js";

const FRONT = "/local/domain/1/device/vbd/51712";
const BACK = "/local/domain/0/backend/vbd/1/51712";
const SECTOR = 512;

/** A domain at its entry. */
export async function testDomain(bits: GuestBits): Promise<Domain> {
  const { core, environment } = await backendBench(xen, [native], 1);
  const elf = elfKernel({ machine: bits === 64 ? 62 : 3, notes: plainNotes(), physical: 0x100000 });
  const config = { mode: "auto", frames: "scrambled", seed: 5, hypervisorConsole: false } as const;
  return startPvDomain({ image: image(elf), elf, notes: readNotes(elf)! }, environment, core.hypervisor, config, coreOps(core.hypervisor));
}

/** A store in memory whose requests wait until the test lets them go. */
export class TestStore implements BlockStore {
  readonly sectorSize = SECTOR;
  readonly readOnly = false;
  readonly log: string[] = [];
  readonly bytes: Uint8Array;
  /** Requests that wait, oldest first; undefined: none ever waits. */
  held: (() => void)[] | undefined;
  failing = false;

  constructor(sectors = 64) {
    this.bytes = Uint8Array.from({ length: sectors * SECTOR }, (_, index) => Math.floor(index / SECTOR) + 1);
  }

  get size(): number {
    return this.bytes.byteLength;
  }

  async read(offset: number, into: Uint8Array): Promise<void> {
    await this.#turn(`read ${offset / SECTOR}+${into.byteLength / SECTOR}`);
    into.set(this.bytes.subarray(offset, offset + into.byteLength));
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    const data = bytes.slice();
    await this.#turn(`write ${offset / SECTOR}+${bytes.byteLength / SECTOR}`);
    this.bytes.set(data, offset);
  }

  async flush(): Promise<void> {
    await this.#turn("flush");
  }

  async discard(offset: number, length: number): Promise<void> {
    await this.#turn(`discard ${offset / SECTOR}+${length / SECTOR}`);
  }

  async close(): Promise<void> {}

  async #turn(what: string): Promise<void> {
    this.log.push(what);
    if (this.failing) throw new Error("the host cannot");
    if (this.held !== undefined) await new Promise<void>((resolve) => this.held!.push(resolve));
  }
}

/** The frontend. Frames are taken from the domain's plain pages, one after another. */
export class TestFrontend {
  readonly xenstore = new XenStore();
  readonly device: BlockDevice;
  readonly #abi;
  #pfnFrames: number[];
  #nextReference = 8;
  #ring: number[] = [];
  #produced = 0;
  #seen = 0;
  port = 0;

  constructor(
    readonly domain: Domain,
    readonly store: BlockStore,
    options: { readOnly?: boolean; protocol?: GuestBits } = {},
  ) {
    const { activeGrants, hypervisor, events, environment, bits } = domain;
    this.#abi = blockAbis[options.protocol ?? bits];
    // Frames that no table maps writable yet or that are plain: any will do for a grant.
    this.#pfnFrames = Array.from({ length: 0x700 }, (_, index) => 0x100 + index).filter(
      (frame) => domain.frames.owns(frame) && domain.frames.countOf(frame) <= 2 && domain.frames.typeOf(frame) !== 1,
    );
    const common = { grants: activeGrants, frames: hypervisor.frames, memory: environment.memory, backend: 0, bits, events };
    const { xenstore } = this;
    this.device = new BlockDevice({ ...common, xenstore, domain: 1, store, readOnly: options.readOnly ?? false, index: 0 });
  }

  /** A fresh frame of the domain's. */
  frame(): number {
    return this.#pfnFrames.pop()!;
  }

  /** Grants a frame to the backend: the reference. */
  grant(frame: number, flags = 1): number {
    const reference = this.#nextReference++;
    const view = this.entry(reference);
    view.setUint16(2, 0, true);
    view.setUint32(4, frame, true);
    view.setUint16(0, flags, true);
    return reference;
  }

  /** An entry of the table as the guest has it mapped. */
  entry(reference: number): DataView {
    const { hypervisor, grants } = this.domain;
    const bytes = hypervisor.frames.bytes(grants.frames[Math.floor(reference / 512)]!);
    return new DataView(bytes.buffer, bytes.byteOffset + (reference % 512) * 8, 8);
  }

  bytes(frame: number): Uint8Array {
    return this.domain.hypervisor.frames.bytes(frame);
  }

  front(name: string): string {
    return this.#text(`${FRONT}/${name}`);
  }

  back(name: string): string {
    return this.#text(`${BACK}/${name}`);
  }

  write(name: string, value: number | string): void {
    this.xenstore.write(`${FRONT}/${name}`, new TextEncoder().encode(`${value}`), 1);
  }

  /** Offers a ring of some pages and says so. */
  connect(pages = 1, features: Readonly<Record<string, number | string>> = {}): void {
    this.#ring = Array.from({ length: pages }, () => this.frame());
    for (const frame of this.#ring) this.bytes(frame).fill(0);
    this.#setIndex(sharedRing.req_event, 1);
    this.#setIndex(sharedRing.rsp_event, 1);
    this.#produced = this.#seen = 0;
    this.port = this.domain.events.allocUnbound(0);
    const references = this.#ring.map((frame) => this.grant(frame));
    if (pages === 1) this.write("ring-ref", references[0]!);
    else {
      this.write("ring-page-order", Math.log2(pages));
      for (const [index, reference] of references.entries()) this.write(`ring-ref${index}`, reference);
    }
    this.write("event-channel", this.port);
    this.write("protocol", this.#abi.protocol);
    for (const [name, value] of Object.entries(features)) this.write(name, value);
    this.write("state", 3);
  }

  /** Slots of the ring. */
  get slots(): number {
    return 2 ** Math.floor(Math.log2((this.#ring.length * 4096 - 64) / this.#abi.slotBytes));
  }

  /** Puts a request there without telling anybody. Segments are [reference, first, last]. */
  put(operation: number, id: number, sector: number | bigint, segments: readonly (readonly [number, number, number])[]): void {
    const slot = new DataView(new ArrayBuffer(this.#abi.slotBytes));
    slot.setUint8(0, operation);
    slot.setUint8(1, segments.length);
    slot.setBigUint64(this.#abi.id, BigInt(id), true);
    slot.setBigUint64(this.#abi.sector, BigInt(sector), true);
    for (const [index, segment] of segments.entries()) this.segment(slot, this.#abi.segments + index * 8, segment);
    this.putRaw(slot);
  }

  /** A segment as it is in a request or in a page of them. */
  segment(view: DataView, at: number, [reference, first, last]: readonly [number, number, number]): void {
    if (at + 8 > view.byteLength) return;
    view.setUint32(at, reference, true);
    view.setUint8(at + 4, first);
    view.setUint8(at + 5, last);
  }

  putDiscard(id: number, sector: number, count: number): void {
    const slot = new DataView(new ArrayBuffer(this.#abi.slotBytes));
    slot.setUint8(0, 5);
    slot.setBigUint64(this.#abi.id, BigInt(id), true);
    slot.setBigUint64(this.#abi.sector, BigInt(sector), true);
    slot.setBigUint64(this.#abi.segments, BigInt(count), true);
    this.putRaw(slot);
  }

  putIndirect(operation: number, id: number, sector: number, count: number, pages: readonly number[]): void {
    const slot = new DataView(new ArrayBuffer(this.#abi.slotBytes));
    slot.setUint8(0, 6);
    slot.setUint8(1, operation);
    slot.setUint16(2, count, true);
    slot.setBigUint64(this.#abi.id, BigInt(id), true);
    slot.setBigUint64(this.#abi.sector, BigInt(sector), true);
    for (const [index, page] of pages.entries()) slot.setUint32(this.#abi.indirectPages + index * 4, page, true);
    this.putRaw(slot);
  }

  putRaw(slot: DataView): void {
    const at = 64 + (this.#produced & (this.slots - 1)) * this.#abi.slotBytes;
    for (let index = 0; index < slot.byteLength; index++) this.#byteAt(at + index, slot.getUint8(index));
    this.#produced++;
  }

  /** Publishes what was put; tells the backend when it asked for it. True when it was told. */
  async push(produced = this.#produced): Promise<boolean> {
    const before = this.index(sharedRing.req_prod);
    this.#setIndex(sharedRing.req_prod, produced);
    const told = (produced - this.index(sharedRing.req_event)) >>> 0 < (produced - before) >>> 0;
    if (told) this.domain.events.send(this.port);
    await this.settle();
    return told;
  }

  /** Lets everything that is ready happen. */
  async settle(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 0));
  }

  /** Responses since the last look: [id, operation, status]. */
  responses(): [number, number, number][] {
    const found: [number, number, number][] = [];
    for (; this.#seen !== this.index(sharedRing.rsp_prod); this.#seen++) {
      const at = 64 + (this.#seen & (this.slots - 1)) * this.#abi.slotBytes;
      const view = new DataView(Uint8Array.from({ length: 12 }, (_, index) => this.#byteAt(at + index)).buffer);
      found.push([Number(view.getBigUint64(0, true)), view.getUint8(8), view.getInt16(10, true)]);
    }
    return found;
  }

  /** Asks to be told of the next response. */
  awaitNext(): void {
    this.#setIndex(sharedRing.rsp_event, this.#seen + 1);
  }

  /** True when the backend has raised the event since the last look. */
  told(): boolean {
    const pending = this.domain.events.delivery.isPending(this.port);
    this.domain.events.delivery.clear(this.port);
    return pending;
  }

  index(at: number): number {
    return new DataView(this.bytes(this.#ring[0]!).buffer, this.bytes(this.#ring[0]!).byteOffset, 4096).getUint32(at, true);
  }

  #setIndex(at: number, value: number): void {
    new DataView(this.bytes(this.#ring[0]!).buffer, this.bytes(this.#ring[0]!).byteOffset, 4096).setUint32(at, value, true);
  }

  #byteAt(at: number, value?: number): number {
    const bytes = this.bytes(this.#ring[Math.floor(at / 4096)]!);
    if (value !== undefined) bytes[at % 4096] = value;
    return bytes[at % 4096]!;
  }

  #text(path: string): string {
    return new TextDecoder().decode(this.xenstore.tree(0, 0).read(path, 0).value);
  }
}

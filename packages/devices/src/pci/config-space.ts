/**
 * The 256-byte configuration space of one PCI function with a type 0 header: identity, command and status, base address registers,
 * capabilities list. PCI Local Bus Specification 3.0, chapter 6. A register file alone: whoever owns it moves windows and drives wires.
 * Left out: expansion ROM, BIST, CardBus, type 1 headers, the extended space of PCI Express.
 */
import { HvError } from "@paravane/paravirt-ops";
import type { AccessSize } from "@paravane/paravirt-ops";
import { requireSchema } from "../schema.js";

const REG_COMMAND = 0x04;
const REG_STATUS = 0x06;
const REG_CACHE_LINE = 0x0c;
const REG_LATENCY_TIMER = 0x0d;
const REG_BAR0 = 0x10;
const REG_CAPABILITIES = 0x34;
const REG_INTERRUPT_LINE = 0x3c;

/** Command register: respond to I/O space accesses. */
export const COMMAND_IO = 1 << 0;
/** Command register: respond to memory space accesses. */
export const COMMAND_MEMORY = 1 << 1;
/** Command register: may write memory by itself, MSI included. */
export const COMMAND_BUS_MASTER = 1 << 2;
/** Command register: keep INTx quiet. */
export const COMMAND_INTX_DISABLE = 1 << 10;

const COMMAND_PARITY = 1 << 6;
const COMMAND_SERR = 1 << 8;
const STATUS_INTERRUPT = 1 << 3;
const STATUS_CAPABILITIES = 1 << 4;

/** What a function says it is. `classCode` is base class, subclass and interface: 24 bits. `interruptPin` is 0 for none, 1–4 for INTA–INTD. */
export interface PciIdentity {
  readonly vendor: number;
  readonly device: number;
  readonly classCode: number;
  readonly revision?: number;
  readonly subsystemVendor?: number;
  readonly subsystem?: number;
  readonly interruptPin?: number;
}

/** A base address register: a window of `size` bytes (a power of two; at least 4 for I/O, 16 for memory) that the guest may move. */
export interface PciBar {
  readonly index: number;
  readonly kind: "io" | "memory" | "memory64";
  readonly size: number;
  readonly prefetchable?: boolean;
}

/** Saved configuration space: all 256 bytes. */
export interface PciConfigState {
  schema: "pci-config@1";
  bytes: number[];
}

/** Configuration space of one function, as software reads and writes it. */
export class PciConfigSpace {
  readonly #bytes = new Uint8Array(256);
  /** Bits software may change. */
  readonly #writable = new Uint8Array(256);
  readonly #bars: PciBar[] = [];
  #lastCapability = REG_CAPABILITIES;
  #nextFree = 0x40;

  constructor(identity: PciIdentity) {
    this.#put(0x00, 2, identity.vendor);
    this.#put(0x02, 2, identity.device);
    this.#put(0x08, 4, ((identity.classCode << 8) | (identity.revision ?? 0)) >>> 0);
    this.#put(0x2c, 2, identity.subsystemVendor ?? 0);
    this.#put(0x2e, 2, identity.subsystem ?? 0);
    this.#put(0x3d, 1, identity.interruptPin ?? 0);
    this.allowWrites(REG_COMMAND, 2, COMMAND_BUS_MASTER | COMMAND_PARITY | COMMAND_SERR | COMMAND_INTX_DISABLE);
    this.allowWrites(REG_CACHE_LINE, 1, 0xff);
    this.allowWrites(REG_LATENCY_TIMER, 1, 0xff);
    this.allowWrites(REG_INTERRUPT_LINE, 1, 0xff);
  }

  /** The base address registers in the order they were added. */
  get bars(): readonly PciBar[] {
    return this.#bars;
  }
  /** The command register. */
  get command(): number {
    return this.#get(REG_COMMAND, 2);
  }
  /** True while the function may master the bus, which sending an MSI is too. */
  get busMaster(): boolean {
    return (this.command & COMMAND_BUS_MASTER) !== 0;
  }
  /** True while software asks for no INTx. */
  get intxDisabled(): boolean {
    return (this.command & COMMAND_INTX_DISABLE) !== 0;
  }
  /** 0 for none, 1–4 for INTA–INTD. */
  get interruptPin(): number {
    return this.#bytes[0x3d]!;
  }

  /** Adds a window; the command bit of its space becomes writable. @throws HvError "pci/bad-bar" for a size or place no device can have */
  addBar(bar: PciBar): void {
    const smallest = bar.kind === "io" ? 4 : 16;
    const slots = bar.kind === "memory64" ? 2 : 1;
    const taken = this.#bars.some(
      (other) => bar.index < other.index + (other.kind === "memory64" ? 2 : 1) && other.index < bar.index + slots,
    );
    if (taken || bar.index < 0 || bar.index + slots > 6 || bar.size < smallest || bar.size > 2 ** 31 || Math.log2(bar.size) % 1 !== 0) {
      throw new HvError("pci/bad-bar", `BAR ${bar.index} of ${bar.size} bytes (${bar.kind}) does not fit into this function`);
    }
    const at = REG_BAR0 + 4 * bar.index;
    const type = bar.kind === "io" ? 1 : (bar.kind === "memory64" ? 4 : 0) | (bar.prefetchable ? 8 : 0);
    this.#put(at, 4, type);
    this.allowWrites(at, 4, -bar.size >>> 0);
    if (bar.kind === "memory64") this.allowWrites(at + 4, 4, 0xffff_ffff);
    this.allowWrites(REG_COMMAND, 2, bar.kind === "io" ? COMMAND_IO : COMMAND_MEMORY);
    this.#bars.push(bar);
  }

  /** Where software put a window, whether or not it is decoded now. */
  barBase(bar: PciBar): number {
    const at = REG_BAR0 + 4 * bar.index;
    if (bar.kind === "io") return this.#get(at, 4) & 0xfffc;
    const low = (this.#get(at, 4) & ~0xf) >>> 0;
    return bar.kind === "memory64" ? low + this.#get(at + 4, 4) * 2 ** 32 : low;
  }

  /** Base of a window that is decoded now, or undefined. A window at zero is one that nobody placed. */
  decodedBase(bar: PciBar): number | undefined {
    const enabled = (this.command & (bar.kind === "io" ? COMMAND_IO : COMMAND_MEMORY)) !== 0;
    const base = this.barBase(bar);
    return enabled && base !== 0 && base <= Number.MAX_SAFE_INTEGER - bar.size ? base : undefined;
  }

  /** Appends a capability: its body follows the id and next-pointer bytes; `writable` marks the body's bits that software may change. Returns its offset. */
  addCapability(id: number, body: Uint8Array, writable?: Uint8Array): number {
    const at = this.#nextFree;
    if (at + 2 + body.length > 256) throw new HvError("pci/full", "no room for another capability in configuration space");
    this.#bytes[at] = id;
    this.#bytes.set(body, at + 2);
    if (writable !== undefined) this.#writable.set(writable, at + 2);
    this.#bytes[this.#lastCapability === REG_CAPABILITIES ? REG_CAPABILITIES : this.#lastCapability + 1] = at;
    this.#lastCapability = at;
    this.#nextFree = (at + 2 + body.length + 3) & ~3;
    this.#put(REG_STATUS, 2, this.#get(REG_STATUS, 2) | STATUS_CAPABILITIES);
    return at;
  }

  /** Device-specific registers: the value after reset … */
  define(offset: number, size: AccessSize, value: number): void {
    this.#put(offset, size, value);
  }
  /** … and the bits that software may change. */
  allowWrites(offset: number, size: AccessSize, mask: number): void {
    for (let i = 0; i < size; i++) this.#writable[offset + i] = this.#writable[offset + i]! | ((mask >>> (8 * i)) & 0xff);
  }

  /** Shows in the status register whether the function wants an interrupt; INTx Disable does not hide it. */
  setInterruptStatus(asserted: boolean): void {
    const status = this.#get(REG_STATUS, 2);
    this.#put(REG_STATUS, 2, asserted ? status | STATUS_INTERRUPT : status & ~STATUS_INTERRUPT);
  }

  /** Reads 1, 2 or 4 bytes; past the end reads as ones. */
  read(offset: number, size: AccessSize): number {
    if (offset < 0 || offset + size > 256) return size === 4 ? 0xffff_ffff : (1 << (8 * size)) - 1;
    return this.#get(offset, size);
  }

  /** Changes the writable bits among 1, 2 or 4 bytes. */
  write(offset: number, size: AccessSize, value: number): void {
    for (let i = 0; i < size && offset + i < 256; i++) {
      const mask = this.#writable[offset + i]!;
      this.#bytes[offset + i] = (this.#bytes[offset + i]! & ~mask) | ((value >>> (8 * i)) & mask);
    }
  }

  /** What firmware does before an operating system starts: places a window. */
  placeBar(bar: PciBar, base: number): void {
    const at = REG_BAR0 + 4 * bar.index;
    this.write(at, 4, base >>> 0);
    if (bar.kind === "memory64") this.write(at + 4, 4, Math.floor(base / 2 ** 32));
  }
  /** What firmware does before an operating system starts: turns spaces on. */
  setCommand(bits: number): void {
    this.write(REG_COMMAND, 2, bits);
  }
  /** What firmware does before an operating system starts: tells software the IRQ it chose. */
  setInterruptLine(irq: number): void {
    this.#bytes[REG_INTERRUPT_LINE] = irq;
  }

  /** Clears all that software can change. */
  reset(): void {
    for (let i = 0; i < 256; i++) this.#bytes[i] = this.#bytes[i]! & ~this.#writable[i]!;
    this.setInterruptStatus(false);
  }

  save(): PciConfigState {
    return { schema: "pci-config@1", bytes: [...this.#bytes] };
  }
  /** @throws HvError "snapshot/mismatch" when the state is of another device */
  load(state: PciConfigState): void {
    requireSchema(state, "pci-config@1");
    const sameDevice = state.bytes.length === 256 && this.#bytes.subarray(0, 4).every((byte, i) => byte === state.bytes[i]);
    if (!sameDevice) throw new HvError("snapshot/mismatch", "the saved PCI configuration space belongs to another device");
    this.#bytes.set(state.bytes);
  }

  #get(offset: number, size: AccessSize): number {
    const bytes = this.#bytes;
    if (size === 1) return bytes[offset]!;
    if (size === 2) return bytes[offset]! | (bytes[offset + 1]! << 8);
    return (bytes[offset]! | (bytes[offset + 1]! << 8) | (bytes[offset + 2]! << 16) | (bytes[offset + 3]! << 24)) >>> 0;
  }
  #put(offset: number, size: AccessSize, value: number): void {
    for (let i = 0; i < size; i++) this.#bytes[offset + i] = value >>> (8 * i);
  }
}

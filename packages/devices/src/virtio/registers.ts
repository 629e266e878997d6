/**
 * The registers every virtio device has on a modern transport: feature negotiation, device status, queue set-up, configuration
 * generation. Virtio 1.2 §2.1, §2.2, §4.1.4.3 (layout of the common configuration structure). Interrupts leave through a sink: how
 * they travel (MSI-X, INTx and its ISR) is the transport's business.
 */
import type { AccessSize, GuestMemory } from "@paravane/paravirt-ops";
import { requireSchema } from "../schema.js";
import { F_EVENT_IDX, F_INDIRECT_DESC, F_VERSION_1 } from "./device.js";
import type { VirtioDevice, VirtioLink } from "./device.js";
import { VirtQueue } from "./queue.js";
import type { VirtQueueState } from "./queue.js";

/** Device status: the driver is ready, the device may use the queues. */
export const STATUS_DRIVER_OK = 4;
/** Device status: negotiation is over. */
export const STATUS_FEATURES_OK = 8;
/** Device status: the device cannot go on. */
export const STATUS_NEEDS_RESET = 64;

/** No MSI-X vector. */
export const NO_VECTOR = 0xffff;
/** Bytes of the common configuration structure. */
export const COMMON_CONFIG_LENGTH = 0x38;

const RING_FEATURES_LOW = (1 << F_INDIRECT_DESC) | (1 << F_EVENT_IDX);
const FEATURES_HIGH = 1 << (F_VERSION_1 - 32);

/** Where interrupts go. Vectors are MSI-X table indices or NO_VECTOR. */
export interface VirtioInterrupts {
  /** Table entries; a vector outside reads back as NO_VECTOR. */
  readonly vectors: number;
  queue(vector: number): void;
  config(vector: number): void;
}

/** Saved registers, queues and device. */
export interface VirtioState {
  schema: "virtio@1";
  status: number;
  deviceFeatureSelect: number;
  driverFeatureSelect: number;
  driverFeatures: [number, number];
  configVector: number;
  configGeneration: number;
  queueSelect: number;
  queues: VirtQueueState[];
  device: { schema: string };
}

/** Transport-independent half of a virtio device. */
export class VirtioRegisters {
  readonly queues: readonly VirtQueue[];
  readonly #device: VirtioDevice;
  readonly #interrupts: VirtioInterrupts;
  #memory: GuestMemory | undefined;
  #running = false;
  #status = 0;
  #deviceFeatureSelect = 0;
  #driverFeatureSelect = 0;
  #driverFeaturesLow = 0;
  #driverFeaturesHigh = 0;
  #configVector = NO_VECTOR;
  #configGeneration = 0;
  #queueSelect = 0;

  constructor(device: VirtioDevice, interrupts: VirtioInterrupts) {
    this.#device = device;
    this.#interrupts = interrupts;
    this.queues = device.queueSizes.map((size) => new VirtQueue(size));
  }

  get status(): number {
    return this.#status;
  }

  /** Guest memory exists now. */
  connect(memory: GuestMemory): void {
    this.#memory = memory;
    for (const queue of this.queues) queue.connect(memory);
  }

  /** The driver rings a queue's bell. Nothing happens before DRIVER_OK or once the device has given up. */
  notify(index: number): void {
    const queue = this.queues[index];
    if (this.#running && queue?.enabled && !queue.broken) this.#device.notify(index);
  }

  /** Reads the common configuration; parts of fields read as they are stored, little-endian. */
  read(offset: number, size: AccessSize): number {
    let value = this.#readField(offset & ~3) >>> (8 * (offset & 3));
    if ((offset & 3) + size > 4) value |= this.#readField((offset & ~3) + 4) << (32 - 8 * (offset & 3));
    return size === 4 ? value >>> 0 : value & ((1 << (8 * size)) - 1);
  }

  /** Writes one field of the common configuration at its own width; other widths are against §4.1.3.1 and change nothing. */
  write(offset: number, size: AccessSize, value: number): void {
    const queue = this.queues[this.#queueSelect];
    const settable = queue !== undefined && !queue.enabled ? queue : undefined;
    switch (offset * 8 + size) {
      case 0x00 * 8 + 4:
        this.#deviceFeatureSelect = value;
        break;
      case 0x08 * 8 + 4:
        this.#driverFeatureSelect = value;
        break;
      case 0x0c * 8 + 4:
        this.#setDriverFeatures(value);
        break;
      case 0x10 * 8 + 2:
        this.#configVector = this.#vector(value);
        break;
      case 0x14 * 8 + 1:
        this.#setStatus(value);
        break;
      case 0x16 * 8 + 2:
        this.#queueSelect = value;
        break;
      case 0x18 * 8 + 2:
        if (settable !== undefined && value !== 0 && (value & (value - 1)) === 0 && value <= settable.maxSize) settable.size = value;
        break;
      case 0x1a * 8 + 2:
        if (queue !== undefined) queue.msixVector = this.#vector(value);
        break;
      case 0x1c * 8 + 2:
        if (settable !== undefined && value === 1) this.#enable(settable);
        break;
      case 0x20 * 8 + 4:
        if (settable !== undefined) settable.descriptors = withLow(settable.descriptors, value);
        break;
      case 0x24 * 8 + 4:
        if (settable !== undefined) settable.descriptors = withHigh(settable.descriptors, value);
        break;
      case 0x28 * 8 + 4:
        if (settable !== undefined) settable.driver = withLow(settable.driver, value);
        break;
      case 0x2c * 8 + 4:
        if (settable !== undefined) settable.driver = withHigh(settable.driver, value);
        break;
      case 0x30 * 8 + 4:
        if (settable !== undefined) settable.device = withLow(settable.device, value);
        break;
      case 0x34 * 8 + 4:
        if (settable !== undefined) settable.device = withHigh(settable.device, value);
        break;
    }
  }

  /** Reads device-specific configuration; past its end reads zero. */
  readConfig(offset: number, size: AccessSize): number {
    const config = this.#device.config;
    let value = 0;
    for (let i = 0; i < size; i++) value |= (config[offset + i] ?? 0) << (8 * i);
    return value >>> 0;
  }
  writeConfig(offset: number, size: AccessSize, value: number): void {
    this.#device.writeConfig?.(offset, size, value);
  }

  /** What writing 0 to the status register does. */
  reset(): void {
    if (this.#running) this.#device.stop();
    this.#running = false;
    this.#status = this.#deviceFeatureSelect = this.#driverFeatureSelect = this.#queueSelect = 0;
    this.#driverFeaturesLow = this.#driverFeaturesHigh = 0;
    this.#configVector = NO_VECTOR;
    for (const queue of this.queues) queue.reset();
  }

  save(): VirtioState {
    return {
      schema: "virtio@1",
      status: this.#status,
      deviceFeatureSelect: this.#deviceFeatureSelect,
      driverFeatureSelect: this.#driverFeatureSelect,
      driverFeatures: [this.#driverFeaturesLow, this.#driverFeaturesHigh],
      configVector: this.#configVector,
      configGeneration: this.#configGeneration,
      queueSelect: this.#queueSelect,
      queues: this.queues.map((queue) => queue.save()),
      device: this.#device.save(),
    };
  }
  load(state: VirtioState): void {
    requireSchema(state, "virtio@1");
    if (this.#running) this.#device.stop();
    this.#status = state.status;
    this.#deviceFeatureSelect = state.deviceFeatureSelect;
    this.#driverFeatureSelect = state.driverFeatureSelect;
    [this.#driverFeaturesLow, this.#driverFeaturesHigh] = state.driverFeatures;
    this.#configVector = state.configVector;
    this.#configGeneration = state.configGeneration;
    this.#queueSelect = state.queueSelect;
    const held = this.queues.map((queue, i) => (state.queues[i] === undefined ? [] : queue.load(state.queues[i])));
    this.#running = (this.#status & STATUS_DRIVER_OK) !== 0 && this.#memory !== undefined;
    this.#device.load(state.device, this.#running ? this.#link() : undefined, held);
  }

  #readField(offset: number): number {
    const queue = this.queues[this.#queueSelect];
    switch (offset) {
      case 0x00:
        return this.#deviceFeatureSelect;
      case 0x04:
        return this.#deviceFeatureSelect === 0 ? this.#featuresLow() : this.#deviceFeatureSelect === 1 ? FEATURES_HIGH : 0;
      case 0x08:
        return this.#driverFeatureSelect;
      case 0x0c:
        return this.#driverFeatureSelect === 0 ? this.#driverFeaturesLow : this.#driverFeatureSelect === 1 ? this.#driverFeaturesHigh : 0;
      case 0x10:
        return this.#configVector | (this.queues.length << 16);
      case 0x14:
        return this.#status | (this.#configGeneration << 8) | (this.#queueSelect << 16);
      case 0x18:
        return queue === undefined ? 0 : queue.size | (queue.msixVector << 16);
      // The notify offset of queue n is n: each has a bell of its own.
      case 0x1c:
        return queue === undefined ? 0 : (queue.enabled ? 1 : 0) | (this.#queueSelect << 16);
      case 0x20:
        return queue === undefined ? 0 : queue.descriptors % 2 ** 32;
      case 0x24:
        return queue === undefined ? 0 : Math.floor(queue.descriptors / 2 ** 32);
      case 0x28:
        return queue === undefined ? 0 : queue.driver % 2 ** 32;
      case 0x2c:
        return queue === undefined ? 0 : Math.floor(queue.driver / 2 ** 32);
      case 0x30:
        return queue === undefined ? 0 : queue.device % 2 ** 32;
      case 0x34:
        return queue === undefined ? 0 : Math.floor(queue.device / 2 ** 32);
      default:
        return 0;
    }
  }

  #featuresLow(): number {
    return (this.#device.features | RING_FEATURES_LOW) >>> 0;
  }
  #vector(value: number): number {
    return value < this.#interrupts.vectors ? value : NO_VECTOR;
  }

  #setDriverFeatures(value: number): void {
    if ((this.#status & STATUS_FEATURES_OK) !== 0) return;
    if (this.#driverFeatureSelect === 0) this.#driverFeaturesLow = value;
    else if (this.#driverFeatureSelect === 1) this.#driverFeaturesHigh = value;
  }

  #setStatus(value: number): void {
    if (value === 0) {
      this.reset();
      return;
    }
    // A driver sets bits; only the device takes FEATURES_OK back or asks for a reset.
    let next = this.#status | (value & ~STATUS_NEEDS_RESET);
    if ((next & ~this.#status & STATUS_FEATURES_OK) !== 0) {
      const known = (this.#driverFeaturesLow & ~this.#featuresLow()) === 0 && this.#driverFeaturesHigh === FEATURES_HIGH;
      if (known) {
        const features = { indirect: this.#has(F_INDIRECT_DESC), eventIndex: this.#has(F_EVENT_IDX) };
        for (const queue of this.queues) queue.negotiate(features);
      } else {
        next &= ~STATUS_FEATURES_OK;
      }
    }
    const starts = (next & ~this.#status & STATUS_DRIVER_OK) !== 0;
    this.#status = next;
    if (!starts || (next & (STATUS_FEATURES_OK | STATUS_NEEDS_RESET)) !== STATUS_FEATURES_OK || this.#memory === undefined) return;
    this.#running = true;
    this.#device.start(this.#link());
  }

  #enable(queue: VirtQueue): void {
    if (!queue.enable()) this.#needsReset();
  }

  #has(bit: number): boolean {
    return ((this.#driverFeaturesLow >>> bit) & 1) !== 0;
  }

  #link(): VirtioLink {
    return {
      memory: this.#memory!,
      take: (index) => {
        const queue = this.queues[index]!;
        const chain = queue.take();
        if (chain === undefined && queue.broken) this.#needsReset();
        return chain;
      },
      holds: (index, chain) => this.queues[index]!.holds(chain),
      complete: (index, chain, written) => this.queues[index]!.complete(chain, written),
      agreed: (feature) => this.#has(feature),
      signal: (index) => {
        const queue = this.queues[index]!;
        if (queue.interruptDue()) this.#interrupts.queue(queue.msixVector);
      },
      configChanged: () => this.#configChanged(),
      needsReset: () => this.#needsReset(),
    };
  }
  #configChanged(): void {
    this.#configGeneration = (this.#configGeneration + 1) & 0xff;
    if ((this.#status & STATUS_DRIVER_OK) !== 0) this.#interrupts.config(this.#configVector);
  }
  #needsReset(): void {
    if ((this.#status & STATUS_NEEDS_RESET) !== 0) return;
    this.#status |= STATUS_NEEDS_RESET;
    if ((this.#status & STATUS_DRIVER_OK) !== 0) this.#interrupts.config(this.#configVector);
  }
}

const withLow = (address: number, low: number): number => Math.floor(address / 2 ** 32) * 2 ** 32 + low;
const withHigh = (address: number, high: number): number => (address % 2 ** 32) + high * 2 ** 32;

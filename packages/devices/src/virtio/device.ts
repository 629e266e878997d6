/**
 * What a virtio device is to its transport, and the other way round. Virtio 1.2 §2. The device knows queues and guest memory; it does
 * not know PCI, interrupt vectors or feature negotiation.
 */
import type { GuestMemory } from "@paravane/paravirt-ops";
import type { VirtqChain } from "./chain.js";

/** Feature bits of the transport, by number. Virtio 1.2 §6. */
export const F_INDIRECT_DESC = 28;
/** Event indices in both rings. */
export const F_EVENT_IDX = 29;
/** The driver knows that this is not a legacy device. */
export const F_VERSION_1 = 32;

/** What a transport lends to a device between DRIVER_OK and reset. */
export interface VirtioLink {
  readonly memory: GuestMemory;
  /** Takes the next buffer of a queue, or undefined when there is none. A driver that broke the rules has stopped the device then. */
  take(queue: number): VirtqChain | undefined;
  /** False once the buffer's queue was reset: neither it nor guest memory may be touched any more. */
  holds(queue: number, chain: VirtqChain): boolean;
  /** Gives a buffer back with `written` bytes stored in it. */
  complete(queue: number, chain: VirtqChain, written: number): void;
  /** True when both sides agreed on a feature bit below 24. */
  agreed(feature: number): boolean;
  /** Something was completed on a queue: interrupt the driver if it wants that. */
  signal(queue: number): void;
  /** The device's configuration has changed. */
  configChanged(): void;
  /** The driver broke the rules: the device stops until it is reset. */
  needsReset(): void;
}

/** A virtio device without its transport. `S` is its saved state. */
export interface VirtioDevice<S extends { schema: string } = { schema: string }> {
  readonly name: string;
  /** Virtio device id (2 block, 3 console, 4 entropy). */
  readonly type: number;
  /** PCI class, subclass and interface. */
  readonly pciClass: number;
  /** Device-specific feature bits 0–23 that are offered. */
  readonly features: number;
  /** Largest size of each queue. */
  readonly queueSizes: readonly number[];
  /** Device-specific configuration as the driver reads it, little-endian. */
  readonly config: Uint8Array;
  /** The driver writes its configuration; absent where all of it is read-only. */
  writeConfig?(offset: number, size: number, value: number): void;
  /** DRIVER_OK: the queues are live. */
  start(link: VirtioLink): void;
  /** There may be new buffers on a queue. */
  notify(queue: number): void;
  /** The driver reset the device: the link is void. */
  stop(): void;
  save(): S;
  /** `held` are the chains the device had taken, per queue; `link` is undefined when it was not running. */
  load(state: S, link: VirtioLink | undefined, held: readonly (readonly VirtqChain[])[]): void;
}

/** Virtio entropy device. Virtio 1.2 §5.4. Each buffer gets random bytes at once, at most one piece of them: the device may fill less than it is offered. */
import type { Entropy } from "@paravane/paravirt-ops";
import { requireSchema } from "../schema.js";
import type { VirtqChain } from "./chain.js";
import type { VirtioDevice, VirtioLink } from "./device.js";

const QUEUE_SIZE = 8;
const PIECE = 4096;

/** Saved entropy device: nothing of its own. */
export interface VirtioEntropyState {
  schema: "virtio-entropy@1";
}

/** A source of randomness. */
export class VirtioEntropy implements VirtioDevice<VirtioEntropyState> {
  readonly name = "virtio-entropy";
  readonly type = 4;
  readonly pciClass = 0xff_00_00;
  readonly features = 0;
  readonly queueSizes = [QUEUE_SIZE];
  readonly config = new Uint8Array(0);
  readonly #entropy: Entropy;
  readonly #piece = new Uint8Array(PIECE);
  #link: VirtioLink | undefined;

  constructor(entropy: Entropy) {
    this.#entropy = entropy;
  }

  start(link: VirtioLink): void {
    this.#link = link;
  }
  notify(): void {
    const link = this.#link;
    if (link === undefined) return;
    let completed = false;
    for (let chain = link.take(0); chain !== undefined; chain = link.take(0)) {
      this.#fill(link, chain);
      completed = true;
    }
    if (completed) link.signal(0);
  }
  stop(): void {
    this.#link = undefined;
  }
  save(): VirtioEntropyState {
    return { schema: "virtio-entropy@1" };
  }
  load(state: VirtioEntropyState, link: VirtioLink | undefined, held: readonly (readonly VirtqChain[])[]): void {
    requireSchema(state, "virtio-entropy@1");
    this.#link = link;
    if (link === undefined) return;
    for (const chain of held[0] ?? []) this.#fill(link, chain);
    link.signal(0);
  }

  #fill(link: VirtioLink, chain: VirtqChain): void {
    const piece = this.#piece.subarray(0, Math.min(PIECE, chain.writable));
    this.#entropy.fill(piece);
    link.complete(0, chain, chain.write(link.memory, 0, piece));
  }
}

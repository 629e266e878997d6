/** Joins a frontend that has told where its ring is: maps the pages, takes the other end of its event channel, and serves until the end. */
import type { BlockStore } from "@paravane/paravirt-ops";
import { blockAbis, type BlockAbi } from "../../abi/blkif.js";
import type { GuestBits } from "../../abi/struct.js";
import type { EventPorts, ServiceEnd } from "../../events/ports.js";
import { GrantedMemory, type GrantedMemoryParts, type GrantedPage } from "./granted-memory.js";
import { BlockRequests } from "./requests.js";
import { BlockRing } from "./ring.js";

/** Pages of a ring: 2 to the power of this. */
export const MAX_RING_PAGE_ORDER = 4;

/** What the frontend wrote. */
export interface FrontendOffer {
  /** Undefined: the backend's own, which is that of the guest's width. */
  readonly protocol: string | undefined;
  readonly ringReferences: readonly number[];
  readonly port: number;
  readonly persistent: boolean;
}

/** The disk, and the domain whose frontend uses it. */
export interface BlockParts extends GrantedMemoryParts {
  readonly bits: GuestBits;
  readonly events: EventPorts;
  readonly store: BlockStore;
  readonly readOnly: boolean;
}

/** A frontend and this backend, talking. */
export class BlockConnection {
  private constructor(
    private readonly ring: BlockRing,
    private readonly memory: GrantedMemory,
    private readonly requests: BlockRequests,
    private readonly end: ServiceEnd,
  ) {}

  /** Joins; in words why not, when the offer does not hold. */
  static open(parts: BlockParts, offer: FrontendOffer): BlockConnection | string {
    const abi = abiOf(offer.protocol, parts.bits);
    if (abi === undefined) return `unknown fe protocol ${offer.protocol}`;
    const memory = new GrantedMemory(parts);
    const pages: GrantedPage[] = [];
    const give = (why: string): string => {
      for (const page of pages) page.release();
      return why;
    };
    for (const reference of offer.ringReferences) {
      const page = memory.map(reference);
      if (page === undefined) return give(`mapping ring-ref ${reference}`);
      pages.push(page);
    }
    const ring = new BlockRing(pages, abi);
    if (ring.broken) return give("the ring holds more than it has room for");
    let requests: BlockRequests | undefined;
    const end = parts.events.joinService(offer.port, () => requests?.drain());
    if (end === undefined) return give(`mapping event-channel ${offer.port}`);
    memory.persistent = offer.persistent;
    requests = new BlockRequests({ ring, abi, memory, store: parts.store, readOnly: parts.readOnly, notify: () => end.notify() });
    const connection = new BlockConnection(ring, memory, requests, end);
    requests.drain();
    return connection;
  }

  /** Lets go of the frontend when the host has let go of its requests; `then` is called afterwards. */
  close(then: () => void): void {
    this.requests.stop(() => {
      this.end.close();
      this.ring.release();
      this.memory.forget();
      then();
    });
  }

  /** The machine is over. */
  abort(): void {
    this.requests.abort();
  }
}

function abiOf(protocol: string | undefined, bits: GuestBits): BlockAbi | undefined {
  if (protocol === undefined || protocol === "") return blockAbis[bits];
  return [blockAbis[64], blockAbis[32]].find((abi) => abi.protocol === protocol);
}

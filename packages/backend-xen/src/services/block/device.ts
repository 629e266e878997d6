/**
 * A disk in xenstore: the nodes of both ends as Xen's toolstack writes them, and the backend's part of the dance of states until a frontend
 * is connected, gone, or connected again. public/io/blkif.h, public/io/xenbus.h; the states are answered as Linux's backend does.
 */
import { vbdInfo, xenbusStates } from "../../abi/blkif.js";
import type { XenStore } from "../xenstore/store.js";
import { StoreFailure } from "../xenstore/tree.js";
import { BlockConnection, type BlockParts, type FrontendOffer, MAX_RING_PAGE_ORDER } from "./connection.js";
import { MAX_INDIRECT_SEGMENTS } from "./request.js";

const DOM0 = 0;
const SECTOR = 512;
const XVD_MAJOR = 202;
const MINORS = 16;
const NUMBER = /^\d{1,10}$/;
const text = new TextDecoder("latin1");

/** A disk of a domain. */
export interface BlockDeviceParts extends BlockParts {
  readonly xenstore: XenStore;
  /** Whose frontend it is for. */
  readonly domain: number;
  /** Among the domain's disks, from 0. */
  readonly index: number;
}

/** Number of the `index`th disk: xvda is 51712, its partitions are the 15 after it; from xvdq on numbers are of the extended kind. */
export function virtualDevice(index: number): number {
  return index < MINORS ? (XVD_MAJOR << 8) | (index * MINORS) : (1 << 28) | (index << 8);
}

/** Name of the `index`th disk: "xvda" to "xvdz", "xvdaa". */
export function diskName(index: number): string {
  const letter = (n: number): string => String.fromCharCode(97 + n);
  return `xvd${index < 26 ? letter(index) : letter(Math.floor(index / 26) - 1) + letter(index % 26)}`;
}

/** One disk, from its nodes to its requests. */
export class BlockDevice {
  readonly #front: string;
  readonly #back: string;
  #state: number = xenbusStates.Initialising;
  #connection: BlockConnection | undefined;
  /** The last connection is on its way out: what the frontend does meanwhile is looked at afterwards. */
  #leaving = false;

  /** Writes the nodes and waits for a frontend. */
  constructor(private readonly parts: BlockDeviceParts) {
    const device = virtualDevice(parts.index);
    this.#front = `/local/domain/${parts.domain}/device/vbd/${device}`;
    this.#back = `/local/domain/${DOM0}/backend/vbd/${parts.domain}/${device}`;
    this.#describe(device);
    this.#switch(xenbusStates.InitWait);
    const path = `${this.#front}/state`;
    parts.xenstore.watch({ user: DOM0, path, token: this.#back, fire: () => this.#frontendChanged() });
  }

  /** The machine is over. */
  close(): void {
    this.#leaving = true;
    this.#connection?.abort();
    this.#connection = undefined;
  }

  #describe(device: number): void {
    const { xenstore, domain, index, readOnly } = this.parts;
    const put = (directory: string, owner: string, reader: string, nodes: Readonly<Record<string, string | number>>): void => {
      for (const [name, value] of [["", ""], ...Object.entries(nodes).map(([key, node]) => [`/${key}`, `${node}`])]) {
        xenstore.writeText(`${directory}${name}`, value!);
        xenstore.setPermissions(`${directory}${name}`, [owner, reader]);
      }
    };
    put(`/local/domain/${domain}/device/vbd`, "n0", `r${domain}`, {});
    put(this.#front, `n${domain}`, "r0", {
      backend: this.#back,
      "backend-id": DOM0,
      state: xenbusStates.Initialising,
      "virtual-device": device,
      "device-type": "disk",
      trusted: 1,
    });
    put(this.#back, "n0", `r${domain}`, {
      frontend: this.#front,
      params: diskName(index),
      "frontend-id": domain,
      online: 1,
      removable: 0,
      bootable: 1,
      state: xenbusStates.Initialising,
      dev: diskName(index),
      type: "phy",
      mode: readOnly ? "r" : "w",
      "device-type": "disk",
      "discard-enable": 1,
      specification: "xen",
      "feature-max-indirect-segments": MAX_INDIRECT_SEGMENTS,
      "multi-queue-max-queues": 1,
      "max-ring-page-order": MAX_RING_PAGE_ORDER,
      "hotplug-status": "connected",
    });
  }

  /** Written when a frontend connects. */
  #tellDisk(): void {
    const { store, readOnly } = this.parts;
    const discards = store.discard !== undefined && !readOnly;
    const nodes: Readonly<Record<string, string | number>> = {
      "feature-flush-cache": 1,
      ...(discards
        ? { "discard-granularity": store.sectorSize, "discard-alignment": 0, "discard-secure": 0, "feature-discard": 1 }
        : { "feature-discard": 0 }),
      "feature-barrier": 1,
      "feature-persistent": 1,
      sectors: Math.floor(store.size / SECTOR),
      info: readOnly ? vbdInfo.READONLY : 0,
      "sector-size": store.sectorSize,
      "physical-sector-size": store.sectorSize,
    };
    for (const [name, value] of Object.entries(nodes)) this.parts.xenstore.writeText(`${this.#back}/${name}`, `${value}`);
  }

  #switch(state: number): void {
    if (this.#state === state) return;
    this.#state = state;
    this.parts.xenstore.writeText(`${this.#back}/state`, `${state}`);
  }

  #frontendChanged(): void {
    if (this.#leaving) return;
    switch (this.#number("state") ?? xenbusStates.Unknown) {
      case xenbusStates.Initialising:
        if (this.#state === xenbusStates.Closed) this.#switch(xenbusStates.InitWait);
        return;
      case xenbusStates.Initialised:
      case xenbusStates.Connected:
        if (this.#state !== xenbusStates.Connected) this.#leave(() => this.#connect());
        return;
      case xenbusStates.Closing:
        this.#switch(xenbusStates.Closing);
        return;
      case xenbusStates.Closed:
      case xenbusStates.Unknown:
        this.#leave(() => this.#switch(xenbusStates.Closed));
        return;
      default:
    }
  }

  /** Ends the connection, if there is one, and goes on when the host has let go of its requests. */
  #leave(then: () => void): void {
    const connection = this.#connection;
    this.#connection = undefined;
    if (connection === undefined) {
      then();
      return;
    }
    this.#leaving = true;
    const before = this.#number("state");
    connection.close(() => {
      this.#leaving = false;
      then();
      if (this.#number("state") !== before) this.#frontendChanged();
    });
  }

  #connect(): void {
    const offer = this.#offer();
    const connection = typeof offer === "string" ? offer : BlockConnection.open(this.parts, offer);
    if (typeof connection === "string") {
      this.parts.xenstore.writeText(`/local/domain/${DOM0}/error/${this.#back.split("/").slice(4).join("/")}/error`, connection);
      this.#switch(xenbusStates.Closing);
      return;
    }
    this.#connection = connection;
    this.#tellDisk();
    this.#switch(xenbusStates.Connected);
  }

  /** What the frontend says about its ring; in words what is missing. */
  #offer(): FrontendOffer | string {
    const port = this.#number("event-channel");
    if (port === undefined) return "reading event-channel";
    const order = this.#text("ring-page-order");
    const protocol = this.#text("protocol");
    const persistent = this.#number("feature-persistent") === 1;
    if (order === undefined) {
      const reference = this.#number("ring-ref");
      return reference === undefined ? "reading ring-ref" : { protocol, ringReferences: [reference], port, persistent };
    }
    if (!NUMBER.test(order) || Number(order) > MAX_RING_PAGE_ORDER) return "requested ring page order exceeds max";
    const references: number[] = [];
    for (let page = 0; page < 2 ** Number(order); page++) {
      const reference = this.#number(`ring-ref${page}`);
      if (reference === undefined) return `reading ring-ref${page}`;
      references.push(reference);
    }
    return { protocol, ringReferences: references, port, persistent };
  }

  #number(name: string): number | undefined {
    const value = this.#text(name);
    return value !== undefined && NUMBER.test(value) ? Number(value) : undefined;
  }

  /** A node of the frontend's. */
  #text(name: string): string | undefined {
    try {
      return text.decode(this.parts.xenstore.tree(0, DOM0).read(`${this.#front}/${name}`, DOM0).value);
    } catch (failure) {
      if (failure instanceof StoreFailure) return undefined;
      throw failure;
    }
  }
}

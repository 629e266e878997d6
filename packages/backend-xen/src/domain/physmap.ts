/**
 * Pages of the hypervisor's that a PVH guest wants to see at frames of its choice. The core's physical memory is the guest's own, so a page
 * that is to replace RAM moves there; one that is to lie where the guest has nothing is a window on the bus, slower to use, and rarely written.
 */
import { type HypervisorHandle, isHvError, type Mfn, type MmioDevice } from "@paravane/paravirt-ops";
import { errno } from "../abi/errno.js";
import type { Domain } from "./domain.js";

/** A frame as a device: what lies where the guest has no RAM is on the bus. Stores to one that is not writable vanish. */
export function framePage({
  name,
  hypervisor,
  frame,
  writable,
}: {
  readonly name: string;
  readonly hypervisor: HypervisorHandle;
  frame(): Mfn;
  readonly writable: boolean;
}): MmioDevice {
  const view = (offset: number): DataView => {
    const bytes = hypervisor.frames.bytes(frame());
    return new DataView(bytes.buffer, bytes.byteOffset + offset);
  };
  return {
    name,
    mmioRead(offset, size) {
      const at = view(offset);
      return size === 1 ? at.getUint8(0) : size === 2 ? at.getUint16(0, true) : at.getUint32(0, true);
    },
    mmioWrite(offset, size, value) {
      if (!writable) return;
      const at = view(offset);
      if (size === 1) at.setUint8(0, value);
      else if (size === 2) at.setUint16(0, value, true);
      else at.setUint32(0, value, true);
    },
  };
}

/** The pages of one domain. */
export class Physmap {
  /** Windows in place: the page by what it is. */
  readonly #windows = new Map<string, number>();

  constructor(private readonly domain: Domain) {}

  /** The highest frame that the guest has anything at. */
  get last(): number {
    const { memory } = this.domain.environment;
    return Math.max(memory.size / 4096 - 1, ...this.#windows.values());
  }

  /** XENMAPSPACE_shared_info: 0 or -EINVAL. */
  placeSharedInfo(gfn: Mfn): number {
    const { shared, frames } = this.domain;
    if (frames.owns(gfn)) {
      shared.move(gfn);
      return 0;
    }
    return this.#window("shared_info", gfn, () => shared.frame);
  }

  /** XENMAPSPACE_grant_table: 0 or -EINVAL. The table grows up to the page that is asked for. */
  placeGrantFrame(index: number, gfn: Mfn): number {
    const { grants, frames } = this.domain;
    if (index >= grants.maxFrames || !grants.grow(index + 1)) return -errno.EINVAL;
    if (frames.owns(gfn)) {
      grants.move(index, gfn);
      return 0;
    }
    return this.#window(`grant_table ${index}`, gfn, () => grants.frames[index]!);
  }

  #window(name: string, gfn: Mfn, frame: () => Mfn): number {
    const { mmio, memory } = this.domain.environment;
    if (gfn < memory.size / 4096 || gfn >= 2 ** 36) return -errno.EINVAL;
    const before = this.#windows.get(name);
    if (before === gfn) return 0;
    try {
      mmio.attach(gfn * 4096, 4096, framePage({ name: `xen ${name}`, hypervisor: this.domain.hypervisor, frame, writable: true }));
    } catch (error) {
      if (isHvError(error)) return -errno.EINVAL;
      throw error;
    }
    if (before !== undefined) mmio.detach(before * 4096);
    this.#windows.set(name, gfn);
    return 0;
  }
}

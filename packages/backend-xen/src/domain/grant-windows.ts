/**
 * Grants that a PVH guest maps: a granted frame is seen at a second address of the guest's physical space, where it has no RAM. The core knows
 * one address for each frame of RAM, so the second one is a window on the bus, and an address in RAM is refused. Xen's create_grant_p2m_mapping.
 */
import { isHvError, type Mfn } from "@paravane/paravirt-ops";
import { grantMapFlags, grantStatus } from "../abi/grant-table.js";
import type { GrantMapper, GrantPlace } from "../mmu/grant-entries.js";
import { grantedFrames } from "../mmu/granted-frames.js";
import type { Domain } from "./domain.js";
import { framePage } from "./physmap.js";

const { host_map, readonly } = grantMapFlags;
const MAX_ADDRESS = 2n ** 48n;

/** The mappings of one domain. */
export class GrantWindows implements GrantMapper {
  /** Frames by the address that they are seen at. */
  readonly #windows = new Map<bigint, Mfn>();

  constructor(private readonly domain: Domain) {}

  create({ address, flags }: GrantPlace, frame: Mfn): number {
    const { environment, frames, hypervisor } = this.domain;
    const writable = (flags & readonly) === 0;
    const inRam = address < BigInt(environment.memory.size);
    if ((flags & ~readonly) !== host_map || address % 4096n !== 0n || inRam || address >= MAX_ADDRESS) return grantStatus.general_error;
    const held = grantedFrames(frames);
    if (!held.hold(frame, writable)) return grantStatus.general_error;
    try {
      environment.mmio.attach(Number(address), 4096, framePage({ name: "xen grant", hypervisor, frame: () => frame, writable }));
    } catch (error) {
      held.drop(frame, writable);
      if (isHvError(error)) return grantStatus.general_error;
      throw error;
    }
    this.#windows.set(address, frame);
    return grantStatus.okay;
  }

  destroy({ address, flags }: GrantPlace, frame: Mfn, replacement: bigint): number {
    if (replacement !== 0n || this.#windows.get(address) !== frame) return grantStatus.general_error;
    this.domain.environment.mmio.detach(Number(address));
    this.#windows.delete(address);
    grantedFrames(this.domain.frames).drop(frame, (flags & readonly) === 0);
    return grantStatus.okay;
  }
}

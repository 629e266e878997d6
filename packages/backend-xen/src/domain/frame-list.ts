/**
 * Which machine frame stands behind each pseudo-physical frame of a new domain. Scrambled by default, as on a real machine after a while:
 * a guest or a hypervisor that mistakes one number for the other then fails at once. The order follows from a seed, so runs are repeatable.
 */
import type { GuestMemory, Mfn } from "@paravane/paravirt-ops";

/** Frames below 1 MiB stay with the hypervisor: the device hole is there, and no real Xen gives them away. */
const FIRST_DOMAIN_FRAME = 0x100;

/** How machine frames are given to a domain. */
export type FrameOrder = "scrambled" | "identity";

/** Machine frames in the order of the domain's own frames. With "identity" they ascend from the first to the last. */
export function domainFrames(memory: GuestMemory, order: FrameOrder, seed: number): Uint32Array {
  const count = Math.max(0, Math.floor(memory.size / 4096) - FIRST_DOMAIN_FRAME);
  const frames = Uint32Array.from({ length: count }, (_, index): Mfn => FIRST_DOMAIN_FRAME + index);
  if (order === "identity") return frames;
  let state = seed >>> 0 || 1;
  for (let index = count - 1; index > 0; index--) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    const other = (state >>> 0) % (index + 1);
    [frames[index], frames[other]] = [frames[other]!, frames[index]!];
  }
  return frames;
}

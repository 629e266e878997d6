/** Stores into a frame, whoever's it is: what was decoded from guest memory is dropped; pages of the hypervisor's hold no code. */
import type { GuestMemory, HypervisorFrames, Mfn } from "@paravane/paravirt-ops";

/** Where frames are. */
export interface FrameMemory {
  readonly memory: GuestMemory;
  readonly frames: HypervisorFrames;
}

/** Stores bytes at an offset of a frame; all of them must fit. */
export function storeToFrame({ memory, frames }: FrameMemory, frame: Mfn, offset: number, bytes: Uint8Array): void {
  if (memory.contains(frame * 4096, 4096)) memory.write(frame * 4096 + offset, bytes);
  else frames.bytes(frame).set(bytes, offset);
}

/** Frames of guest memory whose stores come to the backend, because some table lies there: each as long as one does. */
import type { GuestMemory, HypervisorHandle, Mfn } from "@paravane/paravirt-ops";

const PAGE = 4096;

/** Frames and how many tables lie in each. */
export class HeldFrames {
  readonly #holders = new Map<Mfn, number>();

  constructor(
    private readonly hypervisor: HypervisorHandle,
    private readonly memory: GuestMemory,
  ) {}

  /** One more table; false where there is no memory. */
  hold(frame: Mfn): boolean {
    if (!this.memory.contains(frame * PAGE, PAGE)) return false;
    const holders = this.#holders.get(frame) ?? 0;
    if (holders === 0) this.hypervisor.protectFrame(frame, true);
    this.#holders.set(frame, holders + 1);
    return true;
  }

  /** One less. */
  release(frame: Mfn): void {
    const holders = (this.#holders.get(frame) ?? 1) - 1;
    if (holders > 0) this.#holders.set(frame, holders);
    else {
      this.#holders.delete(frame);
      this.hypervisor.protectFrame(frame, false);
    }
  }
}

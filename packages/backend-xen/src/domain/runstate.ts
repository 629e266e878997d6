/** What a vCPU did with its time, in ns, and the copy of it in the guest's memory. public/vcpu.h vcpu_runstate_info. */
import type { GuestBits } from "../abi/struct.js";
import { StructView } from "../abi/struct.js";
import { vcpu_runstate_info } from "../abi/services.js";
import { runStates } from "../vcpu/virtual-cpu.js";

/** Set in the entry time while the copy changes, for guests that asked for it. */
const UPDATING = 1n << 63n;

const WORTH_TELLING_NS = 100_000;

/** Times of one vCPU. Ready-but-waiting time is what the machine's scheduler says was stolen. */
export class RunState {
  #state: number;
  #since: number;
  readonly #times = [0, 0, 0, 0];
  #stolen = 0;
  /** Stolen time when the guest's copy was last written. */
  #told = 0;
  #area: bigint | undefined;

  constructor(
    online: boolean,
    private readonly parts: {
      now(): number;
      stolen(): number;
      /** Stores to the guest's memory; a guest that took its memory away is not told. */
      write(address: bigint, bytes: Uint8Array): void;
      bits(): GuestBits;
      marksUpdates(): boolean;
    },
  ) {
    this.#state = online ? runStates.running : runStates.offline;
    this.#since = parts.now();
  }

  /** It changes to another state. */
  enter(state: number): void {
    this.#settle();
    this.#state = state;
    this.publish();
  }

  /** The guest's copy is at linear `area` from now on. */
  register(area: bigint): void {
    this.#area = area;
    this.publish();
  }

  /** Writes the guest's copy again when the vCPU has waited for its turn since: one that never sleeps would not hear of it. */
  publishStolen(): void {
    if (this.#area !== undefined && this.parts.stolen() - this.#told >= WORTH_TELLING_NS) this.publish();
  }

  /** Writes the guest's copy. */
  publish(): void {
    if (this.#area === undefined) return;
    this.#told = this.parts.stolen();
    const bits = this.parts.bits();
    const bytes = this.snapshot(bits);
    if (!this.parts.marksUpdates()) {
      this.parts.write(this.#area, bytes);
      return;
    }
    const view = new StructView(vcpu_runstate_info[bits], bytes);
    const entry = view.wide("state_entry_time");
    const { offset } = vcpu_runstate_info[bits].fields.state_entry_time;
    view.set("state_entry_time", entry | UPDATING);
    this.parts.write(this.#area, bytes);
    view.set("state_entry_time", entry);
    this.parts.write(this.#area + BigInt(offset), view.field("state_entry_time"));
  }

  /** The structure as it is now. */
  snapshot(bits: GuestBits): Uint8Array {
    this.#settle();
    const info = StructView.empty(vcpu_runstate_info[bits]);
    info.set("state", this.#state);
    info.set("state_entry_time", this.#since);
    const { offset } = vcpu_runstate_info[bits].fields.time;
    const view = new DataView(info.bytes.buffer, offset);
    for (const [index, ns] of this.#times.entries()) view.setBigUint64(index * 8, BigInt(Math.floor(ns)), true);
    return info.bytes;
  }

  /** Books the time since the last change; of a running vCPU's, what was stolen belongs to another state. */
  #settle(): void {
    const now = this.parts.now();
    const passed = now - this.#since;
    const stolen = this.parts.stolen();
    const waited = this.#state === runStates.running ? Math.min(passed, stolen - this.#stolen) : 0;
    this.#times[this.#state]! += passed - waited;
    this.#times[runStates.runnable]! += waited;
    this.#stolen = stolen;
    this.#since = now;
  }
}

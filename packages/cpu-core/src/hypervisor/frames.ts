/** Frames of the hypervisor's own: a pool behind guest RAM in the physical space, device memory until they are allocated. */
import { type FieldReference, type HypervisorFrames, HvError, type Mfn } from "@paravane/paravirt-ops";
import * as L from "../layout.js";
import { blockOf, type LentState } from "./state.js";

const FRAME = 0x1000;

export class HypervisorMemory implements HypervisorFrames {
  readonly #first: number;
  readonly #used: boolean[];
  /** Rows of named records, by name. */
  readonly #records = new Map<string, number>();

  constructor(private readonly state: LentState) {
    this.#first = state.ramBytes / FRAME;
    this.#used = new Array<boolean>(state.plan.hypervisorFrames).fill(false);
  }

  #info(frame: Mfn): number {
    return this.state.plan.frameInfo + frame;
  }

  /** Is it a frame of RAM, or an allocated one? */
  exists(frame: Mfn): boolean {
    return (
      Number.isInteger(frame) &&
      frame >= 0 &&
      frame < this.#first + this.#used.length &&
      (this.state.bytes[this.#info(frame)]! & L.FRAME_DEVICE) === 0
    );
  }

  /** Host address of a frame. @throws HvError "core/frames" for one that does not exist */
  hostOf(frame: Mfn): number {
    if (!this.exists(frame)) throw new HvError("core/frames", `there is no frame 0x${frame.toString(16)}`);
    return this.state.plan.ramBase + frame * FRAME;
  }

  allocate(count: number): Mfn {
    const used = this.#used;
    let run = 0;
    for (let index = 0; index < used.length && count > 0; index++) {
      run = used[index] ? 0 : run + 1;
      if (run < count) continue;
      const start = index - count + 1;
      used.fill(true, start, index + 1);
      const first = this.#first + start;
      for (let frame = first; frame < first + count; frame++) {
        this.state.bytes[this.#info(frame)] = 0;
        this.state.bytes.fill(0, this.hostOf(frame), this.hostOf(frame) + FRAME);
      }
      return first;
    }
    throw new HvError("core/frames", `no ${count} consecutive hypervisor frames are left of ${used.length}`, {
      hint: "give the core more: cpuCoreWith({ hypervisorFrames })",
    });
  }

  free(first: Mfn, count: number): void {
    for (let frame = first; frame < first + count; frame++) {
      if (this.#used[frame - this.#first] !== true) throw new HvError("core/frames", `frame 0x${frame.toString(16)} is not allocated`);
      this.forget(frame);
      this.#used[frame - this.#first] = false;
      this.state.bytes[this.#info(frame)] = L.FRAME_DEVICE;
    }
  }

  /** No vCPU uses a cached translation or decoding of it. */
  forget(frame: Mfn): void {
    if (!this.exists(frame)) return;
    this.state.engine.tlbForgetFrame(frame);
    this.state.engine.codeInvalidate(frame * FRAME, FRAME);
  }

  bytes(frame: Mfn): Uint8Array {
    const at = this.hostOf(frame);
    return this.state.bytes.subarray(at, at + FRAME);
  }

  record(name: string, vcpu: number, frame: Mfn, offset: number, length: number): void {
    if (offset < 0 || length < 0 || offset + length > FRAME)
      throw new HvError("core/records", `record "${name}" does not fit into its frame: ${length} bytes at ${offset}`);
    this.state.view.setUint32(blockOf(vcpu) + L.RECORDS + 4 * this.recordRow(name), this.hostOf(frame) + offset, true);
  }

  /** Host address of a field. @throws HvError "core/records" when the vCPU has no record of that name */
  fieldAt(vcpu: number, { record, offset }: FieldReference): number {
    const base = this.state.view.getUint32(blockOf(vcpu) + L.RECORDS + 4 * this.recordRow(record), true);
    if (base === 0) throw new HvError("core/records", `vCPU ${vcpu} has no record "${record}"`);
    return base + offset;
  }

  /** The row of a record's name in the vCPUs' tables. @throws HvError "core/records" when there are too many names */
  recordRow(name: string): number {
    const known = this.#records.get(name);
    if (known !== undefined) return known;
    if (this.#records.size === L.RECORD_MAX) throw new HvError("core/records", `more than ${L.RECORD_MAX} names of records`);
    const row = this.#records.size;
    this.#records.set(name, row);
    return row;
  }
}

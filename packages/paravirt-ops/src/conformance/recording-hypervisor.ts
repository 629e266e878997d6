/**
 * A core's services to backends, recorded: each call is a line in `log`. Linear memory is physical memory (address for address), frames
 * are real memory, and handlers can be called by the test as a core would.
 */
import { HvError } from "../errors.js";
import type { DeliveryHandler } from "../handles/delivery.js";
import type {
  ArchitecturalRequest,
  HypervisorFrames,
  HypervisorHandle,
  LinearMemory,
  LinearWindow,
  OpenWindow,
  StoreHandler,
} from "../handles/hypervisor.js";
import type { InterceptHandler, InterceptSet, PrivilegeLevel } from "../handles/intercepts.js";
import type { SegmentName } from "../handles/vcpu.js";
import type { FieldReference, GuestFault } from "../ops/operation.js";
import type { Mfn } from "../units.js";
import type { RecordingMemory } from "./recording-memory.js";

const MAX_FRAMES = 1024;
const FRAME_BYTES = 4096;

/** The recorded handle. */
export class RecordingHypervisor implements HypervisorHandle {
  /** One line a call, arguments in order. */
  readonly log: string[] = [];
  interceptHandler: InterceptHandler | undefined;
  deliveryHandler: DeliveryHandler | undefined;
  storeHandler: StoreHandler | undefined;
  readonly protectedFrames = new Set<Mfn>();
  readonly #frames = new Map<Mfn, Uint8Array>();
  #nextFrame: Mfn;

  constructor(private readonly memory: RecordingMemory) {
    this.#nextFrame = memory.size / FRAME_BYTES;
  }

  readonly linear: LinearMemory = {
    translate: (_vcpu, address, access) => this.#translate(address, access.write === true),
    read: (_vcpu, address, into, access) => {
      const at = this.#range(address, into.byteLength, access.write === true);
      if (typeof at !== "number") return at;
      into.set(this.memory.view(at, into.byteLength));
      return undefined;
    },
    write: (_vcpu, address, bytes) => {
      const at = this.#range(address, bytes.byteLength, true);
      if (typeof at !== "number") return at;
      this.memory.write(at, bytes);
      return undefined;
    },
  };

  readonly frames: HypervisorFrames = {
    allocate: (count) => {
      if (this.#frames.size + count > MAX_FRAMES) throw new HvError("core/frames", "no more hypervisor frames");
      const first = this.#nextFrame;
      for (let index = 0; index < count; index++) this.#frames.set(first + index, new Uint8Array(FRAME_BYTES));
      this.#nextFrame += count;
      return first;
    },
    free: (first, count) => {
      for (let index = 0; index < count; index++) this.#frames.delete(first + index);
    },
    bytes: (frame) => this.#frames.get(frame) ?? this.memory.view(frame * FRAME_BYTES, FRAME_BYTES),
    record: (name, vcpu, frame, offset, length) => this.#note("record", name, vcpu, frame, offset, length),
  };

  execute(vcpu: number, request: ArchitecturalRequest): bigint | undefined | GuestFault {
    this.#note("execute", vcpu, request.instruction, request.index ?? "", request.operand ?? "");
    return undefined;
  }

  loadSegment(vcpu: number, name: SegmentName, selector: number): GuestFault | undefined {
    this.#note("loadSegment", vcpu, name, selector);
    return undefined;
  }

  setIntercepts(vcpu: number, level: PrivilegeLevel, set: InterceptSet): void {
    this.#note("setIntercepts", vcpu, level, set.instructions.join(","), set.exceptions.join(","), set.interrupts);
  }

  setInterceptHandler(handler: InterceptHandler): void {
    this.interceptHandler = handler;
  }

  setDeliveryHandler(handler: DeliveryHandler): void {
    this.deliveryHandler = handler;
  }

  setVirtualLevel(vcpu: number, level: PrivilegeLevel | undefined): void {
    this.#note("setVirtualLevel", vcpu, level ?? "none");
  }

  openWindow(window: LinearWindow): OpenWindow {
    this.#note("openWindow", window.address, window.frames.length);
    return {
      setFrame: (index, frame) => this.#note("setFrame", index, frame ?? "none"),
      close: () => this.#note("closeWindow", window.address),
    };
  }

  protectFrame(frame: Mfn, on: boolean): void {
    if (on) this.protectedFrames.add(frame);
    else this.protectedFrames.delete(frame);
  }

  setStoreHandler(handler: StoreHandler): void {
    this.storeHandler = handler;
  }

  switchRoot(vcpu: number, root: Mfn): void {
    this.#note("switchRoot", vcpu, root);
  }

  forgetFrame(frame: Mfn): void {
    this.#note("forgetFrame", frame);
  }

  forgetAddress(vcpu: number, address: bigint | undefined): void {
    this.#note("forgetAddress", vcpu, address ?? "all");
  }

  setPending(vcpu: number, pending: boolean): void {
    this.#note("setPending", vcpu, pending);
  }

  setEventMask(vcpu: number, mask: { readonly field: FieldReference; readonly takesWhile: "zero" | "non-zero" } | undefined): void {
    this.#note("setEventMask", vcpu, mask?.field.record ?? "none", mask?.takesWhile ?? "");
  }

  onInterruptWindow(vcpu: number, listener: () => void): void {
    this.#note("onInterruptWindow", vcpu);
    listener();
  }

  park(vcpu: number): void {
    this.#note("park", vcpu);
  }

  wake(vcpu: number): void {
    this.#note("wake", vcpu);
  }

  yield(vcpu: number): void {
    this.#note("yield", vcpu);
  }

  #note(...words: readonly (string | number | bigint | boolean)[]): void {
    this.log.push(words.join(" ").trimEnd());
  }

  #translate(address: bigint, write: boolean): number | GuestFault {
    const at = Number(address);
    return this.memory.contains(at, 1) ? at : { fault: 14, errorCode: write ? 2 : 0, address };
  }

  #range(address: bigint, length: number, write: boolean): number | GuestFault {
    const at = Number(address);
    return this.memory.contains(at, length) ? at : { fault: 14, errorCode: write ? 2 : 0, address };
  }
}

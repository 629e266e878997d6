/** The handle that the core lends to a backend: intercepts, delivery, memory, events and sleep, put together. */
import type {
  ArchitecturalRequest,
  DeliveryHandler,
  FieldReference,
  GuestFault,
  HypervisorHandle,
  InterceptHandler,
  InterceptSet,
  LinearWindow,
  Mfn,
  MmioBus,
  OpenWindow,
  ParavirtOps,
  PrivilegeLevel,
  SegmentName,
  StoreHandler,
} from "@paravane/paravirt-ops";
import type { Handler } from "../interp/handlers.js";
import * as L from "../layout.js";
import { BoundForms } from "./bound.js";
import { BoundInstructions } from "./bound-instructions.js";
import { Deliveries } from "./delivery.js";
import { Executor } from "./execute.js";
import { HypervisorMemory } from "./frames.js";
import { Intercepts } from "./intercepts.js";
import { Linear } from "./linear.js";
import { blockOf, idOf, type LentState } from "./state.js";
import { ProtectedStores } from "./stores.js";
import { Windows } from "./windows.js";

const HALTED = 1;

export class LentHandle implements HypervisorHandle {
  readonly linear: Linear;
  readonly frames: HypervisorMemory;
  readonly intercepts: Intercepts;
  readonly deliveries: Deliveries;
  readonly stores: ProtectedStores;
  readonly #windows: Windows;
  readonly #executor: Executor;
  readonly #waiting = new Map<number, (() => void)[]>();

  constructor(
    private readonly state: LentState,
    mmio: MmioBus,
    handlers: readonly Handler[],
    vcpus: number,
  ) {
    this.linear = new Linear(state, mmio);
    this.frames = new HypervisorMemory(state);
    this.deliveries = new Deliveries(state);
    this.intercepts = new Intercepts(state, this.deliveries, vcpus);
    this.stores = new ProtectedStores(state, this.frames);
    this.#windows = new Windows(state, this.frames);
    this.#executor = new Executor(state, this.linear, handlers);
  }

  /** Binds operations by their inline forms. Where all are architectural, nothing is bound and decoding asks nobody. */
  bind(ops: ParavirtOps): void {
    const forms = new BoundForms(ops, new BoundInstructions(this.state, this.linear, this.frames, ops), this.state.vcpus);
    if (forms.any) this.intercepts.bind(forms);
  }

  execute(vcpu: number, request: ArchitecturalRequest): bigint | undefined | GuestFault {
    return this.#executor.execute(vcpu, request);
  }

  loadSegment(vcpu: number, name: SegmentName, selector: number): GuestFault | undefined {
    return this.#executor.loadSegment(vcpu, name, selector);
  }

  setIntercepts(vcpu: number, level: PrivilegeLevel, set: InterceptSet): void {
    this.intercepts.set(vcpu, level, set);
  }

  setInterceptHandler(handler: InterceptHandler): void {
    this.intercepts.handler = handler;
  }

  setDeliveryHandler(handler: DeliveryHandler): void {
    this.deliveries.handler = handler;
  }

  setVirtualLevel(vcpu: number, level: PrivilegeLevel | undefined): void {
    const cpu = blockOf(vcpu);
    this.state.view.setUint32(cpu + L.VIRTUAL_LEVEL, level === undefined ? 0 : level + 1, true);
    this.state.engine.updateMode(cpu);
  }

  openWindow(window: LinearWindow): OpenWindow {
    return this.#windows.open(window);
  }

  protectFrame(frame: Mfn, on: boolean): void {
    this.stores.protect(frame, on);
  }

  setStoreHandler(handler: StoreHandler): void {
    this.stores.setHandler(handler);
  }

  switchRoot(vcpu: number, root: Mfn): void {
    this.state.engine.switchRoot(blockOf(vcpu), root);
  }

  forgetFrame(frame: Mfn): void {
    this.frames.forget(frame);
  }

  forgetAddress(vcpu: number, address: bigint | undefined): void {
    this.#executor.forgetAddress(vcpu, address);
  }

  setPending(vcpu: number, pending: boolean): void {
    const { view } = this.state;
    const cpu = blockOf(vcpu);
    view.setUint32(cpu + L.EVENT, pending ? 1 : 0, true);
    if (pending) view.setUint32(cpu + L.RESTART, 1, true);
    else this.#unwatch(cpu);
  }

  /** The frame with the event mask is written freely again. */
  #unwatch(cpu: number): void {
    const { view, bytes, plan } = this.state;
    const mask = view.getUint32(cpu + L.EVENT_MASK, true);
    if (mask !== 0) bytes[plan.frameInfo + ((mask - plan.ramBase) >>> 12)]! &= ~L.FRAME_MASK;
  }

  setEventMask(vcpu: number, mask: { readonly field: FieldReference; readonly takesWhile: "zero" | "non-zero" } | undefined): void {
    const { view } = this.state;
    const cpu = blockOf(vcpu);
    this.#unwatch(cpu);
    view.setUint32(cpu + L.RESTART, 1, true);
    if (mask === undefined) {
      view.setUint32(cpu + L.EVENT_MASK, 0, true);
      return;
    }
    view.setUint32(cpu + L.EVENT_MASK, this.frames.fieldAt(vcpu, mask.field), true);
    view.setUint32(cpu + L.EVENT_MASK_BITS, mask.field.bits, true);
    view.setUint32(cpu + L.EVENT_TAKES, mask.takesWhile === "zero" ? 0 : 1, true);
  }

  onInterruptWindow(vcpu: number, listener: () => void): void {
    const cpu = blockOf(vcpu);
    this.#waiting.set(vcpu, [...(this.#waiting.get(vcpu) ?? []), listener]);
    this.state.view.setUint32(cpu + L.INTERRUPT_WINDOW, 1, true);
    this.state.view.setUint32(cpu + L.RESTART, 1, true);
  }

  /** The engine has come to such a moment. */
  interruptWindow(cpu: number): void {
    const listeners = this.#waiting.get(idOf(cpu)) ?? [];
    this.#waiting.delete(idOf(cpu));
    for (const listener of listeners) listener();
  }

  park(vcpu: number): void {
    const { view } = this.state;
    const cpu = blockOf(vcpu);
    view.setUint32(cpu + L.HALTED, HALTED, true);
    this.#leave(cpu, L.EXIT_HALT);
  }

  wake(vcpu: number): void {
    const { view } = this.state;
    const cpu = blockOf(vcpu);
    view.setUint32(cpu + L.HALTED, 0, true);
    if (view.getUint32(cpu + L.EXIT, true) === L.EXIT_HALT) view.setUint32(cpu + L.EXIT, L.EXIT_NONE, true);
  }

  yield(vcpu: number): void {
    this.#leave(blockOf(vcpu), L.EXIT_YIELD);
  }

  /** A run under way ends at the next boundary. */
  #leave(cpu: number, reason: number): void {
    this.state.view.setUint32(cpu + L.EXIT, reason, true);
    this.state.view.setUint32(cpu + L.RESTART, 1, true);
  }
}

/**
 * Delivery: what happens when an exception, an interrupt or INT n wants to enter the guest, before any IDT is read. SDM Vol. 3A §6.
 * Also events of a backend's own making, which have no vector: Xen's upcall.
 */
import type { Vector } from "../units.js";
import type { PrivilegeLevel } from "./intercepts.js";
import type { SegmentCache } from "./vcpu.js";

/** Something that wants to enter the guest. RIP is what the frame must say (after INT n, at a faulting instruction). */
export interface DeliveryEvent {
  /** `event`: the pending-event word was set by the backend and the guest can take it now. */
  readonly kind: "exception" | "interrupt" | "nmi" | "software" | "event";
  /** IDT slot; absent for `event`. */
  readonly vector?: Vector;
  /** For the vectors that push one. */
  readonly errorCode?: number;
  /** #PF: the linear address. CR2 is not written yet. */
  readonly address?: bigint;
  /** The interrupted code's level. */
  readonly level: PrivilegeLevel;
  /** INT n: bytes of the instruction, so that the backend can rewind. */
  readonly length?: number;
}

/** Where the guest goes on, with a frame that the backend has already written. Every segment that is absent stays as it is. */
export interface ResumeAt {
  /** New instruction pointer. */
  readonly rip: bigint;
  /** New stack pointer. */
  readonly rsp: bigint;
  /** New flags. */
  readonly rflags: bigint;
  /** New CS. */
  readonly code?: SegmentCache;
  /** New SS. */
  readonly stack?: SegmentCache;
}

/** Through the guest's IDT; nothing to do, the guest goes on; the vCPU stops with a crash; or on at another place. */
export type DeliveryAnswer = "architectural" | "handled" | { readonly crash: string } | ResumeAt;

/** Answers deliveries. Never throws because of what a guest did. */
export type DeliveryHandler = (vcpu: number, event: DeliveryEvent) => DeliveryAnswer;

/**
 * Taps: optional functions at the points where a machine can be watched. Absent by default, and a core or monitor that has no tap installed
 * does no work for it. A tap must not throw and cannot change what the guest sees.
 */
import type { BusTap } from "./bus/tap.js";
import type { DeliveryEvent } from "./handles/delivery.js";
import type { InterceptedInstruction } from "./handles/intercepts.js";
import type { OperationGroup } from "./ops/index.js";
import type { Ns } from "./units.js";

/** Points at which a machine can be watched. Times are guest time. */
export interface Taps extends BusTap {
  /** An operation's function was called. */
  operation?(atNs: Ns, vcpu: number, group: OperationGroup, name: string, args: readonly unknown[]): void;
  /** An instruction or call came to the backend. */
  intercept?(atNs: Ns, vcpu: number, intercepted: InterceptedInstruction): void;
  /** A hypercall or ROM call, with the name and the arguments that the ABI gives it. */
  hypercall?(atNs: Ns, vcpu: number, name: string, args: readonly bigint[], result: bigint): void;
  /** Something entered the guest. */
  delivery?(atNs: Ns, vcpu: number, event: DeliveryEvent): void;
  /** A slice of a vCPU ended. */
  slice?(atNs: Ns, vcpu: number, instructions: number, reason: string): void;
}

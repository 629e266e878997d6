/** Programs for tests of the handle that a core lends, and handlers that note what comes. */
import type { DeliveryAnswer, DeliveryEvent } from "../handles/delivery.js";
import type { HypervisorHandle } from "../handles/hypervisor.js";
import {
  type InterceptableInstruction,
  type InterceptAnswer,
  type InterceptedInstruction,
  type InterceptSet,
  noIntercepts,
} from "../handles/intercepts.js";
import { type Bench, program } from "./core-bench.js";

/** A case on a bench whose core lends the handle. */
export type HandleBody = (on: Bench, handle: HypervisorHandle) => void;

/** jmp $ */
export const SPIN = [0xeb, 0xfe];
/** Times that a looped program goes round. */
export const ROUNDS = 40;

/** Intercepts these instructions at level 0 of the first vCPU. */
export const intercepting = (...instructions: readonly InterceptableInstruction[]): InterceptSet => ({ ...noIntercepts, instructions });

/** `body` ROUNDS times, then `after`, then for ever nothing. ECX counts down. */
export function looped(on: Bench, body: readonly number[], after: readonly number[] = []): void {
  // mov ecx, ROUNDS; body; dec ecx; jnz body
  program(on, 0xb9, ROUNDS, 0, 0, 0, ...body, 0x49, 0x75, -(body.length + 3) & 0xff, ...after, ...SPIN);
}

/** Some thousand instructions in short runs: what is translated in between is compiled. */
export function runLong(on: Bench): void {
  for (let run = 0; run < 60; run++) on.vcpu.run(37);
}

/** The handle counts what comes, and answers. */
export function recording(handle: HypervisorHandle, answer: InterceptAnswer | (() => InterceptAnswer)): InterceptedInstruction[] {
  const seen: InterceptedInstruction[] = [];
  handle.setInterceptHandler((_vcpu, intercepted) => {
    seen.push(intercepted);
    return typeof answer === "function" ? answer() : answer;
  });
  return seen;
}

/** The same for deliveries. */
export function delivering(handle: HypervisorHandle, answer: (event: DeliveryEvent) => DeliveryAnswer): DeliveryEvent[] {
  const seen: DeliveryEvent[] = [];
  handle.setDeliveryHandler((_vcpu, event) => {
    seen.push(event);
    return answer(event);
  });
  return seen;
}

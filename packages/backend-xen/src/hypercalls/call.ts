/** One hypercall, as its handler sees it. */
import type { Domain } from "../domain/domain.js";
import type { VirtualCpu } from "../vcpu/virtual-cpu.js";

/** Who calls, with what. Arguments are unsigned, as wide as the guest. */
export interface Call {
  readonly domain: Domain;
  readonly vcpu: VirtualCpu;
  readonly args: readonly bigint[];
}

/** The registers are as the guest is to find them: nothing goes to RAX, and RIP is not moved. */
export const resumed = Symbol("resumed");
/** The call took long enough: it is to be made again with these arguments. Work so far counts. */
export interface Again {
  readonly again: readonly bigint[];
}
/** What goes to RAX, negative for an error; or one of the above. */
export type CallResult = number | bigint | typeof resumed | Again;
/** Answers a call. Never throws because of what a guest asked. */
export type CallHandler = (call: Call) => CallResult;

/** Pieces of work after which a call lets others run. */
export const PIECES_AT_ONCE = 4096;

/** True for a result that asks to be called again. */
export function isAgain(result: CallResult): result is Again {
  return typeof result === "object";
}

/** Low 32 bits of an argument. */
export function u32(argument: bigint | undefined): number {
  return Number(BigInt.asUintN(32, argument ?? 0n));
}

/** A frame number out of an argument; one that no machine has becomes one that the frame table does not know. */
export function frameNumber(argument: bigint): number {
  return argument > 0xff_ffff_ffffn ? -1 : Number(argument);
}

// Raising exceptions. A slow path records the fault and returns; whoever called it tests `faulted` and abandons the instruction.
// Delivery happens once, in system/exceptions, with RIP at the faulting instruction.
import { FAULT, FAULT_ADDRESS, FAULT_ERROR, FAULT_HAS_ERROR, FAULT_INTERCEPT, INTERCEPT_UOP } from "../src/layout";

export const DE: i32 = 0;
export const DB: i32 = 1;
export const BP: i32 = 3;
export const OF_: i32 = 4;
export const BR: i32 = 5;
export const UD: i32 = 6;
export const NM: i32 = 7;
export const DF: i32 = 8;
export const TS: i32 = 10;
export const NP: i32 = 11;
export const SS_: i32 = 12;
export const GP: i32 = 13;
export const PF: i32 = 14;
export const MF: i32 = 16;
export const AC: i32 = 17;
export const XM: i32 = 19;

/** An exception without an error code. */
export function raise(cpu: usize, vector: i32): void {
  store<i32>(cpu, vector, FAULT);
  store<u32>(cpu, 0, FAULT_HAS_ERROR);
}

/** An exception that pushes `error`. */
export function raiseError(cpu: usize, vector: i32, error: u32): void {
  store<i32>(cpu, vector, FAULT);
  store<u32>(cpu, 1, FAULT_HAS_ERROR);
  store<u32>(cpu, error, FAULT_ERROR);
}

/** #PF at `linear` with error code bits P, W, U, RSVD, I (SDM Vol. 3A Figure 4-12). CR2 is written when it is delivered. */
export function raisePageFault(cpu: usize, linear: u64, error: u32): void {
  store<u64>(cpu, linear, FAULT_ADDRESS);
  raiseError(cpu, PF, error);
}

/** The operation at `u` is intercepted: not an exception, but the instruction is abandoned like one that faults. */
export function raiseIntercept(cpu: usize, u: usize): void {
  store<u32>(cpu, <u32>u, INTERCEPT_UOP);
  raise(cpu, FAULT_INTERCEPT);
}

// @ts-ignore: decorator
@inline
export function faulted(cpu: usize): bool {
  return load<i32>(cpu, FAULT) >= 0;
}

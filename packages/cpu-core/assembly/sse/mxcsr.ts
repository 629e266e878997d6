// MXCSR: what surrounds every SSE floating-point operation. SDM Vol. 1 §10.2.3 (register), §11.5 (exceptions).
// `beginFloat` takes the control bits, the arithmetic calls `signalFlags`, `finishFloat` makes the flags architectural and decides on #XM.
// The two running words are WebAssembly globals, hence private to the instance and never shared between vCPU workers.
import { CR4, MXCSR } from "../../src/layout";
import { raise, UD, XM } from "../fault";

export const MX_IE: u32 = 0x1;
export const MX_DE: u32 = 0x2;
export const MX_ZE: u32 = 0x4;
export const MX_OE: u32 = 0x8;
export const MX_UE: u32 = 0x10;
export const MX_PE: u32 = 0x20;
export const MX_DAZ: u32 = 0x40;
export const MX_OM: u32 = 0x400;
export const MX_UM: u32 = 0x800;
export const MX_PM: u32 = 0x1000;
export const MX_RC: u32 = 0x6000;
export const MX_FTZ: u32 = 0x8000;

// Rounding control, as in MXCSR bits 13-14 and ROUNDxx imm8 bits 0-1.
export const RC_NEAREST: u32 = 0;
export const RC_DOWN: u32 = 1;
export const RC_UP: u32 = 2;
export const RC_ZERO: u32 = 3;

const CR4_OSXMMEXCPT: u64 = 1 << 10;

let control: u32 = 0;
let raised: u32 = 0;

/** Starts an instruction: control bits are read once, no exception has been signalled. */
export function beginFloat(cpu: usize): void {
  control = load<u32>(cpu, MXCSR);
  raised = 0;
}

/**
 * Ends an instruction (or one stage of DPPS): merges the flags into MXCSR. False when one of them is unmasked; then the exception is
 * raised and nothing may be written. An unmasked IE, DE or ZE precedes rounding, so OE, UE and PE of other lanes are not reported.
 */
export function finishFloat(cpu: usize): bool {
  const unmasked = raised & ~(control >> 7) & 0x3f;
  if (unmasked & (MX_IE | MX_DE | MX_ZE)) raised &= MX_IE | MX_DE | MX_ZE;
  store<u32>(cpu, load<u32>(cpu, MXCSR) | raised, MXCSR);
  if (!unmasked) return true;
  raise(cpu, load<u64>(cpu, CR4) & CR4_OSXMMEXCPT ? XM : UD);
  return false;
}

/** Records exception flags. */
// @ts-ignore: decorator
@inline
export function signalFlags(flags: u32): void {
  raised |= flags;
}

/** Tests control bits of the running instruction. */
// @ts-ignore: decorator
@inline
export function controls(bits: u32): bool {
  return (control & bits) != 0;
}

/** Rounding mode of the running instruction, RC_*. */
// @ts-ignore: decorator
@inline
export function rounding(): u32 {
  return (control >> 13) & 3;
}

/**
 * True when an inexact result changes nothing: round to nearest, PM set, PE already set. The host's arithmetic then gives the
 * architectural result as long as operands and result are normal numbers or exact zeros.
 */
// @ts-ignore: decorator
@inline
export function inexactIsFree(cpu: usize): bool {
  return (load<u32>(cpu, MXCSR) & (MX_RC | MX_PM | MX_PE)) == (MX_PM | MX_PE);
}

/** As inexactIsFree, for instructions that do not look at the rounding mode (truncation). */
// @ts-ignore: decorator
@inline
export function inexactIsFreeInAnyMode(cpu: usize): bool {
  return (load<u32>(cpu, MXCSR) & (MX_PM | MX_PE)) == (MX_PM | MX_PE);
}

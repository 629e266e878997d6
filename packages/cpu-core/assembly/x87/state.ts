// The registers of the arithmetic unit itself: operand, result and exceptions of the instruction in flight.
// SDM Vol. 1 chapter 8. They carry nothing from one instruction to the next, so all vCPUs share them.
// Extended values travel as two numbers: `se`, sign in bit 15 above the 15-bit exponent, and `m`, the 64-bit significand.

export const IE: u32 = 0x01;
export const DE: u32 = 0x02;
export const ZE: u32 = 0x04;
export const OE: u32 = 0x08;
export const UE: u32 = 0x10;
export const PE: u32 = 0x20;
export const SF: u32 = 0x40;
export const ES: u32 = 0x80;
export const C0: u32 = 0x100;
export const C1: u32 = 0x200;
export const C2: u32 = 0x400;
export const TOP: u32 = 0x3800;
export const C3: u32 = 0x4000;
export const BUSY: u32 = 0x8000;
export const CC: u32 = C0 | C2 | C3;

export const SIGN: u32 = 0x8000;
export const EXP: u32 = 0x7fff;
export const BIAS: i32 = 0x3fff;
export const INTEGER: u64 = 0x8000000000000000; // the explicit integer bit
export const QUIET: u64 = 0x4000000000000000;
export const NAN_SE: u32 = 0xffff; // the default NaN, "real indefinite"
export const NAN_M: u64 = 0xc000000000000000;
export const UNMASKED_BIAS: i32 = 0x6000; // exponent adjustment of unmasked overflow and underflow

export const RC_NEAREST: u32 = 0;
export const RC_DOWN: u32 = 1;
export const RC_UP: u32 = 2;
export const RC_CHOP: u32 = 3;

/** FCW of the instruction in flight. */
export let control: u32 = 0;
/** Exceptions raised so far, at their FSW places, with SF and C1. */
export let exc: u32 = 0;
/** Result. */
export let rSe: u32 = 0;
export let rM: u64 = 0;
/** Memory operand, widened. */
export let oSe: u32 = 0;
export let oM: u64 = 0;

// @ts-ignore: decorator
@inline
export function setControl(fcw: u32): void {
  control = fcw;
  exc = 0;
}

// @ts-ignore: decorator
@inline
export function setExc(bits: u32): void {
  exc = bits;
}

// @ts-ignore: decorator
@inline
export function signal(bits: u32): void {
  exc |= bits;
}

// @ts-ignore: decorator
@inline
export function setResult(se: u32, m: u64): void {
  rSe = se;
  rM = m;
}

// @ts-ignore: decorator
@inline
export function setOperand(se: u32, m: u64): void {
  oSe = se;
  oM = m;
}

// @ts-ignore: decorator
@inline
export function roundingMode(): u32 {
  return (control >> 10) & 3;
}

/** The masked answer to an invalid operation. */
export function invalid(): void {
  exc = IE;
  rSe = NAN_SE;
  rM = NAN_M;
}

/** A signed infinity. */
export function infinity(sign: u32): void {
  rSe = sign | EXP;
  rM = INTEGER;
}

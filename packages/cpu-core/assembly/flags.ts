// EFLAGS in two halves: the six status flags live as (FR, FV), everything else in EFLAGS.
//
// FR is the last result sign-extended to 64 bits, FV a vector of carries shifted so that the operand's top carry is bit 63:
//   CF = FV[63]   OF = FV[63] ^ FV[62]   AF = FV[0]   ZF = FR == 0   SF = FR[63] ^ FV[1]   PF = even parity of FR[7:0], inverted by FV[2]
// FV bits 1 and 2 exist only so that POPF, SAHF and IRET can express any combination.
import { EFLAGS, FR, FV } from "../src/layout";

export const CF: u32 = 0x1;
export const PF: u32 = 0x4;
export const AF: u32 = 0x10;
export const ZF: u32 = 0x40;
export const SF: u32 = 0x80;
export const TF: u32 = 0x100;
export const IF: u32 = 0x200;
export const DF: u32 = 0x400;
export const OF: u32 = 0x800;
export const IOPL: u32 = 0x3000;
export const NT: u32 = 0x4000;
export const RF: u32 = 0x10000;
export const VM: u32 = 0x20000;
export const AC: u32 = 0x40000;
export const VIF: u32 = 0x80000;
export const VIP: u32 = 0x100000;
export const ID: u32 = 0x200000;
export const STATUS: u32 = CF | PF | AF | ZF | SF | OF;

/** CF PF AF ZF SF OF at their EFLAGS places. */
export function statusOf(fr: i64, fv: i64): u32 {
  const cf = <u32>(<u64>fv >> 63);
  const overflow = cf ^ (<u32>(<u64>fv >> 62) & 1);
  const sf = <u32>(<u64>(fr ^ (fv << 62)) >> 63);
  const pf = ((popcnt<u32>(<u32>fr & 0xff) & 1) ^ 1) ^ (<u32>(fv >> 2) & 1);
  return cf | (pf << 2) | ((<u32>fv & 1) << 4) | (<u32>(fr == 0) << 6) | (sf << 7) | (overflow << 11);
}

/** FR for the given status flags. */
export function frOf(flags: u32): i64 {
  return flags & ZF ? 0 : 1;
}

/** FV for the given status flags, to go with frOf. */
export function fvOf(flags: u32): i64 {
  const cf: u64 = flags & CF;
  const overflow: u64 = (flags >> 11) & 1;
  const parityOfFr: u64 = flags & ZF ? 1 : 0; // frOf is 0 (even) or 1 (odd)
  const invertPf = parityOfFr ^ <u64>((flags >> 2) & 1);
  return <i64>((cf << 63) | ((cf ^ overflow) << 62) | <u64>((flags >> 4) & 1) | (<u64>((flags >> 7) & 1) << 1) | (invertPf << 2));
}

/** The whole RFLAGS register. */
export function getFlags(cpu: usize): u32 {
  return load<u32>(cpu, EFLAGS) | statusOf(load<i64>(cpu, FR), load<i64>(cpu, FV));
}

/** Sets all bits; the caller has masked what the instruction may change. Bit 1 reads as one. */
export function setFlags(cpu: usize, flags: u32): void {
  store<u32>(cpu, (flags & ~STATUS) | 2, EFLAGS);
  setStatus(cpu, flags);
}

/** CF and ZF as given (0 or 1), the other status flags clear. */
// @ts-ignore: decorator
@inline
export function setCarryZero(cpu: usize, carry: u64, zero: u64): void {
  store<i64>(cpu, <i64>(zero ^ 1), FR);
  store<i64>(cpu, <i64>((carry << 63) | (carry << 62) | (zero << 2)), FV);
}

/** Sets only the six status flags. */
export function setStatus(cpu: usize, flags: u32): void {
  store<i64>(cpu, frOf(flags), FR);
  store<i64>(cpu, fvOf(flags), FV);
}

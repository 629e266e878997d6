// Operand access shared by the integer instructions. An MMX operand is the low half of a vector whose upper half is zero.

// @ts-ignore: decorator
@inline
export function getXmm(address: usize): v128 {
  return v128.load(address);
}
// @ts-ignore: decorator
@inline
export function setXmm(address: usize, value: v128): void {
  v128.store(address, value);
}
// @ts-ignore: decorator
@inline
export function getMmx(address: usize): v128 {
  return v128.load64_zero(address);
}
/** Writes an MMX register: the aliased x87 register's sign and exponent become all ones. SDM Vol. 3A §13.2. */
// @ts-ignore: decorator
@inline
export function setMmx(address: usize, value: v128): void {
  putMmx(address, i64x2.extract_lane(value, 0));
}
/** As setMmx, from an integer. */
// @ts-ignore: decorator
@inline
export function putMmx(address: usize, value: u64): void {
  store<u64>(address, value);
  store<u16>(address, 0xffff, 8);
}

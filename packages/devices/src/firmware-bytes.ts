/** What tables that firmware leaves in memory are made of: little-endian numbers, and the byte that makes a sum zero. */

/** Two bytes. */
export const u16 = (value: number): number[] => [value & 0xff, (value >>> 8) & 0xff];
/** Four bytes. */
export const u32 = (value: number): number[] => [...u16(value), ...u16(value >>> 16)];

/** The byte that makes all bytes add up to zero; its own place must hold zero. */
export function checksum(bytes: Iterable<number>): number {
  let sum = 0;
  for (const byte of bytes) sum += byte;
  return -sum & 0xff;
}

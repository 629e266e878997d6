/**
 * The MC146818's time registers as bytes: BCD or binary, 12 or 24 hours. Motorola MC146818A datasheet, "Time, calendar and alarm locations".
 * Dates are seconds since 1970-01-01 UTC; a date that no calendar has (30 February) rolls over as the arithmetic has it.
 */

/** Register B bits that decide how a byte reads. */
export const REG_B_DM = 1 << 2;
export const REG_B_24H = 1 << 1;
const PM = 0x80;

/** The time registers' bytes, in register order: seconds, minutes, hours, weekday (1-7), day, month, year, then the century byte. */
export type ClockBytes = [number, number, number, number, number, number, number, number];

const toBcd = (n: number): number => (Math.floor(n / 10) << 4) | (n % 10);
const fromBcd = (n: number): number => (n >> 4) * 10 + (n & 15);

function encode(value: number, regB: number): number {
  return regB & REG_B_DM ? value : toBcd(value);
}

/** Value of a time byte other than hours. */
export function decodeByte(byte: number, regB: number): number {
  return regB & REG_B_DM ? byte : fromBcd(byte);
}

/** Hour 0-23 of an hour byte; in 12-hour form bit 7 says p.m. */
export function decodeHour(byte: number, regB: number): number {
  if (regB & REG_B_24H) return decodeByte(byte, regB);
  return (decodeByte(byte & 0x7f, regB) % 12) + (byte & PM ? 12 : 0);
}

function encodeHour(hour: number, regB: number): number {
  if (regB & REG_B_24H) return encode(hour, regB);
  return encode(hour % 12 === 0 ? 12 : hour % 12, regB) | (hour >= 12 ? PM : 0);
}

/** Weekday 1 (Sunday) to 7 of a date. */
export function weekdayOf(seconds: number): number {
  const days = Math.floor(seconds / 86_400);
  return ((((days + 4) % 7) + 7) % 7) + 1;
}

/** The registers that show `seconds`; `weekdayShift` is how far the guest's weekday is off the calendar's. */
export function encodeClock(seconds: number, weekdayShift: number, regB: number): ClockBytes {
  const date = new Date(seconds * 1000);
  const year = date.getUTCFullYear();
  const weekday = ((weekdayOf(seconds) - 1 + weekdayShift) % 7) + 1;
  return [
    encode(date.getUTCSeconds(), regB),
    encode(date.getUTCMinutes(), regB),
    encodeHour(date.getUTCHours(), regB),
    encode(weekday, regB),
    encode(date.getUTCDate(), regB),
    encode(date.getUTCMonth() + 1, regB),
    encode(year % 100, regB),
    encode(Math.floor(year / 100) % 100, regB),
  ];
}

/** The date that the registers show. */
export function decodeClock(bytes: ClockBytes, regB: number): { seconds: number; weekdayShift: number } {
  const value = (index: number) => decodeByte(bytes[index]!, regB);
  const date = new Date(0);
  date.setUTCFullYear(value(7) * 100 + value(6), value(5) - 1, value(4));
  date.setUTCHours(decodeHour(bytes[2], regB), value(1), value(0));
  const seconds = Math.floor(date.getTime() / 1000);
  return { seconds, weekdayShift: (((value(3) - weekdayOf(seconds)) % 7) + 7) % 7 };
}

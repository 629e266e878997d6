/** Scan code translation of the 8042 (set 2 to set 1). IBM PS/2 Keyboard and Auxiliary Device Controller Technical Reference, "Scan code translation". */

// Index: set 2 make code, value: set 1 make code; two digits each, sixteen codes a line.
const TABLE = [
  "ff43413f3d3b3c58 644442403e0f2959",
  "65382a701d10025a 66712c1f1e11035b",
  "672e2d201205045c 68392f211413065d",
  "693130232215075e 6a7232241608095f",
  "6b332517180b0a60 6c34352627190c61",
  "6d7328741a0d626e 3a361c1b752b6376",
  "55567778797a0e7b 7c4f7d4b477e7f6f",
  "5253504c4d480145 574e514a37494654",
]
  .join("")
  .replaceAll(" ", "");

const SET2_F7 = 0x83;
const SET2_SYSRQ = 0x84;

/** Set 1 code of a set 2 byte; bytes from 0x80 are themselves, but for F7 and SysRq. */
export function toSet1(byte: number): number {
  if (byte === SET2_F7) return 0x41;
  if (byte === SET2_SYSRQ) return 0x54;
  return byte < 0x80 ? Number.parseInt(TABLE.slice(2 * byte, 2 * byte + 2), 16) : byte;
}

/** Prefix of a break code in set 2. */
export const SET2_BREAK = 0xf0;
/** Prefix of the keys that the 84-key keyboard had not. */
export const EXTENDED = 0xe0;

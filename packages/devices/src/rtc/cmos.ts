/** What a PC's firmware keeps in CMOS memory: sizes of memory, number of processors, checksum. RBIL CMOS.LST; SeaBIOS reads 0x34 and 0x5f. */

const KIB = 1024;
const MIB = 1024 * KIB;
const BASE_MEMORY_KIB = 640;

/** Bytes to preset, by register. `ramBytes` counts all RAM, which lies below 4 GiB. */
export function cmosContents(ramBytes: number, vcpus: number): Map<number, number> {
  const bytes = new Map<number, number>();
  const word = (register: number, value: number) => {
    bytes.set(register, value & 0xff);
    bytes.set(register + 1, (value >> 8) & 0xff);
  };
  const clamp = (value: number) => Math.max(0, Math.min(0xffff, Math.floor(value)));
  const extendedKib = clamp((ramBytes - MIB) / KIB);
  word(0x15, BASE_MEMORY_KIB);
  word(0x17, extendedKib);
  word(0x30, extendedKib);
  word(0x34, clamp((ramBytes - 16 * MIB) / (64 * KIB)));
  bytes.set(0x14, 0x06); // equipment: coprocessor and keyboard, no diskette
  bytes.set(0x5f, Math.min(255, vcpus - 1));
  let sum = 0;
  for (let register = 0x10; register <= 0x2d; register++) sum += bytes.get(register) ?? 0;
  bytes.set(0x2e, (sum >> 8) & 0xff);
  bytes.set(0x2f, sum & 0xff);
  return bytes;
}

/** The multiboot 1 header: Multiboot Specification 0.6.96 §3.1. Parsing only; multiboot.ts boots it. */
import { HvError, type MultibootHeader } from "@paravane/paravirt-ops";
import { Reader } from "./reader.js";

const MAGIC = 0x1badb002;
const SEARCHED_BYTES = 8192;
const HAS_ADDRESSES = 1 << 16;
/** Page-aligned modules, memory information and video mode (which a text console may ignore); other low bits are demands. */
const UNDERSTOOD = 0b111;

/** Finds the header in the first 8 KiB, on a 4-byte boundary. @throws HvError "image/multiboot" when it demands something unknown */
export function findMultibootHeader(file: Uint8Array): MultibootHeader | undefined {
  const reader = new Reader(file, "multiboot kernel");
  for (let offset = 0; offset + 12 <= SEARCHED_BYTES && reader.has(offset, 12); offset += 4) {
    if (reader.u32(offset) !== MAGIC) continue;
    const flags = reader.u32(offset + 4);
    if ((MAGIC + flags + reader.u32(offset + 8)) >>> 0 !== 0) continue;
    const unknown = flags & 0xffff & ~UNDERSTOOD;
    if (unknown !== 0)
      throw new HvError("image/multiboot", `the multiboot header demands features 0x${unknown.toString(16)}, which are unknown`);
    if ((flags & HAS_ADDRESSES) === 0) return { offset, flags };
    const field = (index: number): number => reader.u32(offset + 12 + 4 * index);
    return { offset, flags, addresses: { header: field(0), load: field(1), loadEnd: field(2), bssEnd: field(3), entry: field(4) } };
  }
  return undefined;
}

// How much of the guest's RAM the host has pages for: what the guest, the loader and devices have touched, whatever is there now.
// proc(5): /proc/self/maps, and /proc/self/pagemap (Linux Documentation/admin-guide/mm/pagemap.rst), which tell a process about itself.
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import type { GuestMemory } from "@paravane/paravirt-ops";

const PAGE = 4096;
/** An entry of the page map: 8 bytes, whose last has "present", "swapped" and, as bit 0, "mapped nowhere else" (not so the page of zeros that reads get). */
const ENTRY = 8,
  PRESENT_ALONE = 0x81,
  SWAPPED = 0x40;
const CHUNK = 0x10000;

/**
 * Bytes of the guest's RAM that have a page of their own on the host. Huge pages count as a whole. Undefined where the system does not tell, and for one of
 * several machines of one size.
 *
 * @param guestMemory - of a machine in this process
 */
export function guestResidentBytes(guestMemory: Pick<GuestMemory, "size" | "view">): number | undefined {
  const ram = guestMemory.view(0, PAGE);
  try {
    const memory = addressOf(ram.buffer.byteLength);
    return memory === undefined ? undefined : pagesIn(memory + ram.byteOffset, guestMemory.size) * PAGE;
  } catch {
    return undefined;
  }
}

/** Where a WebAssembly memory of so many bytes lies: it is a mapping of its own between guards. Undefined when there is none, or more than one. */
function addressOf(bytes: number): number | undefined {
  const found = [...readFileSync("/proc/self/maps", "latin1").matchAll(/^([0-9a-f]+)-([0-9a-f]+) rw-p 0+ 00:00 0 *$/gm)]
    .map(([, start, end]) => [Number.parseInt(start!, 16), Number.parseInt(end!, 16)] as const)
    .filter(([start, end]) => end - start === bytes);
  return found.length === 1 ? found[0]![0] : undefined;
}

/** Pages of [from, from + bytes) of this process that have memory of their own, or are swapped out. @throws where there is no page map */
function pagesIn(from: number, bytes: number): number {
  const file = openSync("/proc/self/pagemap", "r");
  try {
    const entries = Buffer.alloc(CHUNK * ENTRY);
    let pages = 0;
    for (let page = from / PAGE, end = (from + bytes) / PAGE; page < end; page += CHUNK) {
      const length = Math.min(CHUNK, end - page) * ENTRY;
      if (readSync(file, entries, 0, length, page * ENTRY) !== length) throw new Error("the page map ends early");
      for (let last = ENTRY - 1; last < length; last += ENTRY) {
        const flags = entries[last]!;
        if ((flags & PRESENT_ALONE) === PRESENT_ALONE || (flags & SWAPPED) !== 0) pages++;
      }
    }
    return pages;
  } finally {
    closeSync(file);
  }
}

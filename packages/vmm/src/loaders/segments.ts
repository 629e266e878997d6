/** Placing an ELF file's segments at their physical addresses: what PVH and multiboot kernels share. */
import type { Gpa, GuestSegment } from "@paravane/paravirt-ops";
import type { BootTarget } from "./boot-target.js";

const PAGE_BYTES = 0x1000;

/** Claims, copies and zero-fills each segment. Returns the first page boundary above all of them. */
export function placeSegments(segments: readonly GuestSegment[], target: BootTarget): Gpa {
  let end = 0;
  segments.forEach((segment, index) => {
    target.map.claim(segment.physical, segment.memoryBytes, `segment ${index} of the kernel`);
    end = Math.max(end, segment.physical + segment.memoryBytes);
  });
  for (const { physical, bytes, memoryBytes } of segments) {
    target.memory.write(physical, bytes);
    if (memoryBytes > bytes.byteLength) target.memory.fill(physical + bytes.byteLength, memoryBytes - bytes.byteLength, 0);
  }
  return Math.ceil(end / PAGE_BYTES) * PAGE_BYTES;
}

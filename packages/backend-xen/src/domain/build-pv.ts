/** Builds a PV domain: lays it out, gives it machine frames, writes kernel, ramdisk, tables and first page. Nothing runs yet. */
import { type ElfImage, type GuestMemory, HvError } from "@paravane/paravirt-ops";
import { pvHypercallPage } from "./hypercall-page.js";
import { initialTables } from "./initial-tables.js";
import { checkClass, type XenNotes } from "./notes.js";
import { layOut, type PvLayout } from "./pv-layout.js";
import { startInfo } from "./start-info.js";

/** What a domain is built of. */
export interface PvSource {
  readonly elf: ElfImage;
  readonly notes: XenNotes;
  /** Unpacked. */
  readonly ramdisk: Uint8Array | undefined;
  readonly commandLine: string;
}

/** A domain that lies in memory. */
export interface PvDomainImage {
  readonly notes: XenNotes;
  readonly layout: PvLayout;
  /** Machine frames by pseudo-physical frame. */
  readonly p2m: Uint32Array;
  /** Machine frame of the top-level table. */
  readonly root: number;
  /** Linear addresses for the first vCPU. */
  readonly entry: bigint;
  readonly stack: bigint;
  readonly startInfo: bigint;
}

/** Physical memory of the domain by its own frames, page by page. */
class DomainMemory {
  constructor(
    private readonly memory: GuestMemory,
    private readonly p2m: Uint32Array,
  ) {}

  /** Stores bytes at a pseudo-physical address. @throws HvError "image/outside-memory" */
  write(address: number, bytes: Uint8Array): void {
    for (let done = 0; done < bytes.byteLength; ) {
      const at = address + done;
      const frame = this.p2m[Math.floor(at / 4096)];
      if (frame === undefined) throw new HvError("image/outside-memory", `the image writes to page ${Math.floor(at / 4096)} of the domain`);
      const length = Math.min(4096 - (at % 4096), bytes.byteLength - done);
      this.memory.write(frame * 4096 + (at % 4096), bytes.subarray(done, done + length));
      done += length;
    }
  }
}

/** Linear range of the kernel, by the physical addresses of its segments. */
function kernelRange(elf: ElfImage, notes: XenNotes): { start: bigint; end: bigint } {
  const linear = (physical: number): bigint => BigInt(physical) - notes.paddrOffset + notes.virtBase;
  if (elf.segments.length === 0) throw new HvError("image/corrupt", "the kernel has no segments");
  const start = Math.min(...elf.segments.map(({ physical }) => physical));
  const end = Math.max(...elf.segments.map(({ physical, memoryBytes }) => physical + memoryBytes));
  return { start: linear(start), end: linear(end) };
}

/** Builds it into `p2m`'s frames, which are all zeros. `sharedInfo` is the machine frame of the shared page. @throws HvError "image/…" */
export function buildPv(source: PvSource, memory: GuestMemory, p2m: Uint32Array, sharedInfo: number): PvDomainImage {
  const { elf, notes, ramdisk, commandLine } = source;
  checkClass(notes);
  const ramdiskBytes = ramdisk?.byteLength ?? 0;
  const layout = layOut({ notes, kernel: kernelRange(elf, notes), ramdiskBytes, pages: p2m.length });
  const domain = new DomainMemory(memory, p2m);
  const linear = (pfn: number): bigint => notes.virtBase + BigInt(pfn) * 4096n;
  for (const { physical, bytes } of elf.segments) domain.write(Number(BigInt(physical) - notes.paddrOffset), bytes);
  if (notes.hypercallPage !== undefined) {
    domain.write(Number((notes.hypercallPage - notes.virtBase) & ~0xfffn), pvHypercallPage(notes.bits));
  }
  if (ramdisk !== undefined && layout.ramdisk !== undefined) domain.write(layout.ramdisk.first * 4096, ramdisk);
  domain.write(layout.p2m.first * 4096, frameList(notes, p2m));
  for (const [pfn, entries] of initialTables(notes, layout, p2m)) domain.write(pfn * 4096, new Uint8Array(entries.buffer));
  domain.write(layout.startInfo * 4096, startInfo({ notes, layout, p2m, sharedInfo, ramdiskBytes, commandLine }));
  return {
    notes,
    layout,
    p2m,
    root: p2m[layout.tables.first]!,
    entry: notes.entry,
    stack: linear(layout.stack + 1),
    startInfo: linear(layout.startInfo),
  };
}

function frameList({ bits }: XenNotes, p2m: Uint32Array): Uint8Array {
  const list = bits === 64 ? BigUint64Array.from(p2m, (frame) => BigInt(frame)) : p2m;
  return new Uint8Array(list.buffer.slice(0));
}

/**
 * Where everything of a new PV domain lies, in pseudo-physical frames: kernel, ramdisk, list of frames, start_info, the two rings, page
 * tables, boot stack, padding; then what is not mapped. As Xen's toolstack does it, so that a kernel finds what it finds there.
 */
import { HvError } from "@paravane/paravirt-ops";
import type { XenNotes } from "./notes.js";
import { TablePlan } from "./table-plan.js";

const PAGE = 4096n;
/** The mapped area ends on such a boundary… */
const END_ALIGNMENT = 4n << 20n;
/** …and leaves so many pages after the boot stack. */
const SLACK_PAGES = 128;

/** Consecutive pseudo-physical frames. */
export interface PfnRange {
  readonly first: number;
  readonly count: number;
}

/** What is to be laid out. */
export interface LayoutRequest {
  readonly notes: XenNotes;
  /** Linear addresses of the kernel's first byte and of the byte after its last. */
  readonly kernel: { readonly start: bigint; readonly end: bigint };
  /** Bytes, unpacked; 0 without one. */
  readonly ramdiskBytes: number;
  /** Pages of the domain. */
  readonly pages: number;
}

/** The layout. */
export interface PvLayout {
  readonly kernel: PfnRange;
  readonly ramdisk: PfnRange | undefined;
  /** The ramdisk is in the mapped area. */
  readonly ramdiskMapped: boolean;
  /** The list of frames, without tables of its own. */
  readonly p2m: PfnRange;
  /** Linear address of the list. */
  readonly p2mAddress: bigint;
  readonly startInfo: number;
  readonly xenstore: number;
  readonly console: number;
  /** Tables of the mapped area. */
  readonly tables: PfnRange;
  /** Tables of a list that is mapped elsewhere, following it. */
  readonly p2mTables: PfnRange;
  readonly stack: number;
  /** Frames from 0 on that are mapped from VIRT_BASE on. */
  readonly mappedPages: number;
  /** All tables, by linear address. */
  readonly plan: TablePlan;
}

const pagesOf = (bytes: number): number => Math.ceil(bytes / 4096);

/** Lays a domain out. @throws HvError "image/outside-memory" when it has too few pages, "image/corrupt" for impossible addresses */
export function layOut({ notes, kernel, ramdiskBytes, pages }: LayoutRequest): PvLayout {
  const { virtBase, bits } = notes;
  const p2mPages = pagesOf(pages * (bits / 8));
  if (kernel.start < virtBase || kernel.end <= kernel.start) {
    throw new HvError("image/corrupt", `the kernel wants linear addresses 0x${kernel.start.toString(16)} to 0x${kernel.end.toString(16)}`);
  }
  const fits = (next: number, what: string): void => {
    if (next > pages) {
      throw new HvError("image/outside-memory", `the ${what} needs ${next} pages, and the domain has ${pages}`, {
        hint: "give the machine more memory",
      });
    }
  };
  const kernelEnd = (kernel.end - virtBase + PAGE - 1n) / PAGE;
  fits(Number(kernelEnd), "kernel");
  let next = Number((kernel.start - virtBase) / PAGE);
  const take = (count: number): PfnRange => {
    const range = { first: next, count };
    next += count;
    return range;
  };
  const kernelRange = take(Number(kernelEnd) - next);
  const ramdiskMapped = !notes.modStartPfn;
  const hasRamdisk = ramdiskBytes > 0;
  const mappedRamdisk = hasRamdisk && ramdiskMapped ? take(pagesOf(ramdiskBytes)) : undefined;
  const mappedP2m = notes.initP2m === undefined ? take(p2mPages) : undefined;
  const startInfo = take(1).first;
  const xenstore = take(1).first;
  const console = take(1).first;

  fits(next, "kernel with its ramdisk and list of frames");
  const plan = new TablePlan(bits);
  const allocated = virtBase + BigInt(next) * PAGE;
  const endAfter = (count: number): bigint => {
    const end = allocated + BigInt(count + 1 + SLACK_PAGES) * PAGE;
    return ((end + END_ALIGNMENT - 1n) / END_ALIGNMENT) * END_ALIGNMENT;
  };
  let end = endAfter(0);
  for (let needed = plan.count(virtBase, end - 1n); endAfter(needed) > end; needed = plan.count(virtBase, end - 1n)) end = endAfter(needed);
  const tables = take(plan.add(virtBase, end - 1n, next));
  const stack = take(1).first;
  const mappedPages = Number((end - virtBase) / PAGE);
  fits(mappedPages, "mapped area");
  next = mappedPages;

  const ramdisk = mappedRamdisk ?? (hasRamdisk ? take(pagesOf(ramdiskBytes)) : undefined);
  const p2m = mappedP2m ?? take(p2mPages);
  const p2mAddress = notes.initP2m ?? virtBase + BigInt(p2m.first) * PAGE;
  const p2mTables = take(notes.initP2m === undefined ? 0 : plan.add(p2mAddress, p2mAddress + BigInt(p2mPages) * PAGE - 1n, next));
  fits(next, "domain's boot area");
  return {
    kernel: kernelRange,
    ramdisk,
    ramdiskMapped,
    p2m,
    p2mAddress,
    startInfo,
    xenstore,
    console,
    tables,
    p2mTables,
    stack,
    mappedPages,
    plan,
  };
}

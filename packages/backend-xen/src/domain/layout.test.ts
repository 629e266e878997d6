// What a real Xen 4.17 laid out for real kernels: numbers of pages and frames from its toolstack's own log.
import { isHvError } from "@paravane/paravirt-ops";
import { describe, expect, test } from "vitest";
import { elfKernel, xenNotes } from "../../test/images.js";
import { readNotes } from "./notes.js";
import { layOut } from "./pv-layout.js";

const debian = readNotes(
  elfKernel({
    notes: xenNotes({
      GUEST_OS: "linux",
      XEN_VERSION: "xen-3.0",
      VIRT_BASE: 0xffffffff80000000n,
      INIT_P2M: 0x8000000000n,
      ENTRY: 0xffffffff8304c1c0n,
      FEATURES: "!writable_page_tables|pae_pgdir_above_4gb",
      PAE_MODE: "yes",
      MOD_START_PFN: 1,
      HV_START_LOW: 0xffff800000000000n,
      PHYS32_ENTRY: 0x1000850,
    }),
  }),
)!;
const grub = (machine: 62 | 3) =>
  readNotes(elfKernel({ machine, notes: xenNotes({ XEN_VERSION: "xen-3.0", ENTRY: 0, VIRT_BASE: 0, PAE_MODE: "yes" }) }))!;

describe("the notes of a stock kernel", () => {
  test("say how it is entered and what it needs", () => {
    expect(debian).toMatchObject({
      bits: 64,
      pv: true,
      entry: 0xffffffff8304c1c0n,
      modStartPfn: true,
      phys32Entry: 0x1000850,
      required: 1n,
    });
  });

  test("a list of frames that would lie in the kernel's own area is not moved there", () => {
    const notes = xenNotes({ XEN_VERSION: "xen-3.0", VIRT_BASE: 0x1000000, INIT_P2M: 0x2000000 });
    expect(readNotes(elfKernel({ notes }))?.initP2m).toBeUndefined();
  });

  test("an unknown feature may be offered but not required", () => {
    expect(readNotes(elfKernel({ notes: xenNotes({ FEATURES: "time_travel|writable_page_tables" }) }))?.required).toBe(0n);
    expect(() => readNotes(elfKernel({ notes: xenNotes({ FEATURES: "!time_travel" }) }))).toThrowError(
      expect.objectContaining({ code: "image/xen-feature" }),
    );
  });

  test("another interface version is refused, and a kernel with a PVH entry only is not PV", () => {
    expect(() => readNotes(elfKernel({ notes: xenNotes({ XEN_VERSION: "xen-2.0" }) }))).toThrowError(/xen-2\.0/);
    expect(readNotes(elfKernel({ notes: xenNotes({ PHYS32_ENTRY: 0x100000 }) }))).toMatchObject({ pv: false, phys32Entry: 0x100000 });
    expect(readNotes(elfKernel({ notes: [] }))).toBeUndefined();
  });
});

describe("the layout of a domain", () => {
  test("Debian's cloud kernel with 192 MiB: ramdisk and list of frames lie after the mapped area", () => {
    const layout = layOut({
      notes: debian,
      kernel: { start: 0xffffffff81000000n, end: 0xffffffff83e00000n },
      ramdiskBytes: 0x23a010,
      pages: 0xc000,
    });
    expect(layout).toMatchObject({
      kernel: { first: 0x1000, count: 0x2e00 },
      startInfo: 0x3e00,
      xenstore: 0x3e01,
      console: 0x3e02,
      tables: { first: 0x3e03, count: 0x23 },
      stack: 0x3e26,
      mappedPages: 0x4000,
      ramdisk: { first: 0x4000, count: 0x23b },
      p2m: { first: 0x423b, count: 0x60 },
      p2mTables: { first: 0x423b + 0x60, count: 3 },
      p2mAddress: 0x8000000000n,
    });
  });

  test("GRUB for 64 bit with 256 MiB: everything from linear address 0", () => {
    const layout = layOut({ notes: grub(62), kernel: { start: 0n, end: 0x613dc8n }, ramdiskBytes: 0, pages: 0x10000 });
    expect(layout).toMatchObject({
      p2m: { first: 0x614, count: 0x80 },
      startInfo: 0x694,
      tables: { first: 0x697, count: 7 },
      stack: 0x69e,
      mappedPages: 0x800,
      ramdisk: undefined,
    });
  });

  test("GRUB for 32 bit: the second level reaches up to Xen's own entries", () => {
    const layout = layOut({ notes: grub(3), kernel: { start: 0n, end: 0x5810c4n }, ramdiskBytes: 0, pages: 0x10000 });
    expect(layout).toMatchObject({
      p2m: { first: 0x582, count: 0x40 },
      startInfo: 0x5c2,
      tables: { first: 0x5c5, count: 9 },
      stack: 0x5ce,
      mappedPages: 0x800,
    });
    expect(layout.plan.tables.map(({ level }) => level)).toEqual([3, 2, 2, 2, 2, 1, 1, 1, 1]);
  });

  test("a 32-bit test kernel of 16 pages with 128 MiB", () => {
    const layout = layOut({ notes: grub(3), kernel: { start: 0x100000n, end: 0x110000n }, ramdiskBytes: 0, pages: 0x8000 });
    expect(layout).toMatchObject({
      p2m: { first: 0x110, count: 0x20 },
      startInfo: 0x130,
      tables: { first: 0x133, count: 7 },
      stack: 0x13a,
      mappedPages: 0x400,
    });
  });

  test("a domain that is too small is an error that says how much it needs", () => {
    for (const pages of [0, 0x100, 0x3000, 0x3fff, 0x4200]) {
      try {
        layOut({ notes: debian, kernel: { start: 0xffffffff81000000n, end: 0xffffffff83e00000n }, ramdiskBytes: 0x23a010, pages });
        expect.unreachable();
      } catch (error) {
        expect(isHvError(error) && error.code).toBe("image/outside-memory");
      }
    }
  });
});

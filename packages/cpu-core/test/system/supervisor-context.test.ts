/** Supervisor accesses keep one context while their pages are global: what must end with an address space ends all the same. */
import { beforeAll, describe, expect, it } from "vitest";
import * as L from "../../src/layout.js";
import { Bench, FRAMES, type Mode, PAGES, PD, ROOT, WINDOW } from "./bench.js";

let b: Bench;
beforeAll(async () => {
  b = await Bench.create();
});

const USER = 7n,
  KERNEL = 3n,
  GLOBAL = 0x100n,
  PGE = 0x80;
const RELOAD = "0f 20 d9 0f 22 d9"; // mov rcx, cr3; mov cr3, rcx

/** A kernel whose own pages are global, with 1 and 2 in two frames. */
function kernel(mode: Mode): void {
  b.start(mode);
  if (mode === "paged32") b.poke32(ROOT, 0x183);
  else b.poke64(PD, 0x183n);
  b.set("cr4", b.get("cr4") | PGE);
  b.poke32(FRAMES, 1);
  b.poke32(FRAMES + 0x1000, 2);
  b.set("rdi", WINDOW);
  b.set("rsi", PAGES);
}
/** Reads the window's page into EAX, gives it the other frame by EBX, reloads CR3, reads it into EDX. */
const remap = (): void => {
  b.run(`8b 07 89 1e ${RELOAD} 8b 17 f4`);
};

describe.each(["paged32", "pae", "long"] as const)("%s", (mode) => {
  it.each([
    ["a user page is another one", USER, 2],
    ["a kernel page that is not global is another one", KERNEL, 2],
    ["a global kernel page is still there", KERNEL | GLOBAL, 1],
    ["a global user page is still there", USER | GLOBAL, 1],
  ])("after a load of CR3 %s", (_, rights, after) => {
    kernel(mode);
    b.setPage(0, BigInt(FRAMES) | rights);
    b.set("rbx", BigInt(FRAMES + 0x1000) | rights);
    const before = b.word(L.SUPER_CTX);
    expect(before).toBeGreaterThan(0);
    remap();
    expect([b.get("rax"), b.get("rdx")]).toEqual([1, after]);
    expect(b.word(L.SUPER_CTX)).toBe(rights === KERNEL ? 0 : before);
  });

  it("a kernel with pages that are not global gets another chance with CR4.PGE", () => {
    kernel(mode);
    b.setPage(0, BigInt(FRAMES) | KERNEL);
    b.set("rbx", BigInt(FRAMES + 0x1000) | KERNEL);
    b.set("rbp", b.get("cr4"));
    b.set("rdx", b.get("cr4") & ~PGE);
    b.run(`8b 07 89 1e ${RELOAD} 0f 22 e2 0f 22 e5 f4`);
    expect(b.word(L.SUPER_CTX)).toBeGreaterThan(0);
    b.set("cr4", b.get("cr4") & ~PGE);
    expect(b.word(L.SUPER_CTX)).toBe(0);
  });

  it("a user page whose entry a global one took over is looked up anew", () => {
    kernel(mode);
    b.setPage(0, BigInt(FRAMES) | USER);
    b.set("rbx", BigInt(FRAMES + 0x1000) | USER);
    // 12 MiB has the TLB entry of 4 MiB
    if (mode === "paged32") b.poke32(ROOT + 12, 0x183);
    else b.poke64(PD + 48, 0x183n);
    b.set("rbp", 0xc00000);
    // twice mov eax,[rdi]; mov edx,[rbp]: the user's page is noted twice, and the entry is the kernel's
    b.run(`8b 07 8b 55 00 8b 07 8b 55 00 89 1e ${RELOAD} 8b 17 f4`);
    expect([b.get("rax"), b.get("rdx")]).toEqual([1, 2]);
    expect(b.word(L.SUPER_NOTED)).toBe(1);
  });
});

describe("more user pages than are noted", () => {
  it("are all other ones after a load of CR3", () => {
    kernel("paged32");
    const pages = L.SUPER_LIST_MAX + 100;
    for (let n = 0; n < pages; n++) b.poke32(PAGES + n * 4, FRAMES | 7);
    b.vcpu.engine.tlbFlushAll(L.VCPU_BASE);
    b.set("rcx", pages);
    b.set("rax", 0);
    b.set("rdx", 0);
    // l: add eax,[edi]; mov [esi], FRAMES + 0x1007; add edi,0x1000; add esi,4; loop l
    const touch = `03 07 c7 06 07 10 10 00 81 c7 00 10 00 00 83 c6 04 e2 ed`;
    // again over all, with what is there now: mov ecx,pages; mov edi,WINDOW; l: add edx,[edi]; add edi,0x1000; loop l
    const count = `b9 ${[pages & 0xff, pages >> 8, 0, 0].map((x) => x.toString(16).padStart(2, "0")).join(" ")}`;
    b.run(`${touch} ${RELOAD} ${count} bf 00 00 40 00 03 17 81 c7 00 10 00 00 e2 f6 f4`, 100_000);
    expect([b.get("rax"), b.get("rdx")]).toEqual([pages, 2 * pages]);
  });
});

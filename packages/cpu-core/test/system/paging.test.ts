/** Page walks against the rules of SDM Vol. 3A §4.6 and §4.7 written down a second time, the slow and obvious way; and what TLBs may keep. */
import { beforeAll, describe, expect, it } from "vitest";
import * as L from "../../src/layout.js";
import { Bench, CODE, FRAMES, type Mode, PAGES, PD, ROOT, STACK3, WINDOW } from "./bench.js";

let b: Bench;
beforeAll(async () => {
  b = await Bench.create();
});

const P = 1n,
  RW = 2n,
  US = 4n,
  A = 0x20n,
  D = 0x40n,
  PS = 0x80n,
  G = 0x100n,
  NX = 1n << 63n,
  RSVD = 1n << 51n;
const WP = 0x10000,
  SMEP = 0x100000,
  SMAP = 0x200000,
  AC = 0x40000;
type Access = "read" | "write" | "modify" | "fetch";
const PROGRAMS: Record<Access, string> = {
  read: "8b 07 f4", // mov eax, [rdi]
  write: "89 07 f4", // mov [rdi], eax
  modify: "01 07 f4", // add [rdi], eax
  fetch: "ff e7", // jmp rdi, to a HLT
};
interface Case {
  entry: bigint;
  access: Access;
  user: boolean;
  wp: boolean;
  smep: boolean;
  smap: boolean;
  ac: boolean;
}

/** The error code of the #PF, or undefined. */
function expected(mode: Mode, c: Case): number | undefined {
  const has = (bit: bigint): boolean => (c.entry & bit) !== 0n;
  const nxWorks = mode !== "paged32";
  const write = c.access === "write" || c.access === "modify";
  const fetch = c.access === "fetch";
  const kind = (write ? 2 : 0) | (c.user ? 4 : 0) | (fetch && (nxWorks || c.smep) ? 16 : 0);
  if (!has(P)) return kind;
  if (nxWorks && has(RSVD)) return kind | 9;
  let allowed = true;
  if (c.user) allowed = has(US) && (!write || has(RW));
  else {
    if (write && !has(RW) && c.wp) allowed = false;
    if (has(US) && fetch && c.smep) allowed = false;
    if (has(US) && !fetch && c.smap && !c.ac) allowed = false;
  }
  if (fetch && nxWorks && has(NX)) allowed = false;
  return allowed ? undefined : kind | 1;
}

function* cases(mode: Mode): Generator<Case> {
  const bits = mode === "paged32" ? [P, RW, US] : [P, RW, US, NX, RSVD];
  for (let n = 0; n < 1 << bits.length; n++) {
    const entry = bits.reduce((sum, bit, i) => (n & (1 << i) ? sum | bit : sum), BigInt(FRAMES));
    for (const access of ["read", "write", "modify", "fetch"] as const)
      for (const user of [false, true])
        for (let m = 0; m < (user ? 2 : 16); m++)
          yield { entry, access, user, wp: (m & 1) !== 0, smep: (m & 2) !== 0, smap: (m & 4) !== 0, ac: (m & 8) !== 0 };
  }
}

describe.each(["paged32", "pae", "long"] as const)("%s", (mode) => {
  it.each(["read", "write", "modify", "fetch"] as const)("every combination of rights: %s", (access) => {
    const wrong: string[] = [];
    for (const c of cases(mode)) {
      if (c.access !== access) continue;
      b.start(mode, c.user ? 3 : 0);
      b.setPage(0, c.entry);
      b.core.guestMemory.writeU32(FRAMES as never, 0xf4f4f4f4);
      b.set("cr0", (b.get("cr0") & ~WP) | (c.wp ? WP : 0));
      // the code itself lies on a user page: supervisor code needs it to be a supervisor page under SMEP
      if (!c.user) {
        if (mode === "paged32") b.poke32(ROOT, 0x83);
        else b.poke64(PD, 0x83n);
      }
      b.set("cr4", b.get("cr4") | (c.smep ? SMEP : 0) | (c.smap ? SMAP : 0));
      b.set("rflags", c.ac ? AC | 2 : 2);
      b.set("rdi", WINDOW);
      const o = b.run(PROGRAMS[access]);
      const error = expected(mode, c);
      const entry = BigInt(mode === "paged32" ? b.peek32(PAGES) : b.peek32(PAGES)) & 0x60n;
      const dirty = access === "write" || access === "modify" ? A | D : A;
      const good =
        error === undefined
          ? o.vector !== 14 && entry === dirty
          : o.vector === 14 && o.frame[0] === error && b.get("cr2") === WINDOW && entry === 0n;
      if (!good)
        wrong.push(
          `${JSON.stringify({ ...c, entry: c.entry.toString(16) })}: vector ${o.vector} error ${o.frame[0]}, not ${error}; A/D ${entry}`,
        );
    }
    expect(wrong.slice(0, 5)).toEqual([]);
  });

  it("checks both pages of an access that crosses before writing anything", () => {
    b.start(mode, 3);
    b.setPage(0, BigInt(FRAMES) | P | RW | US);
    b.set("rdi", WINDOW + 0xffe);
    b.set("rax", 0x11223344);
    const o = b.run("89 07 f4");
    expect([o.vector, o.frame[0], b.get("cr2")]).toEqual([14, 6, WINDOW + 0x1000]);
    expect(b.peek32(FRAMES + 0xffc)).toBe(0);
    b.start(mode, 0);
    b.setPage(0, BigInt(FRAMES) | P | RW);
    b.setPage(1, BigInt(FRAMES + 0x2000) | P | RW);
    b.set("rdi", WINDOW + 0xffe);
    b.set("rax", 0x11223344);
    expect(b.run("89 07 8b 0f f4").vector).toBeUndefined();
    expect([b.peek32(FRAMES + 0xffe) & 0xffff, b.peek32(FRAMES + 0x2000), b.get("rcx")]).toEqual([0x3344, 0x1122, 0x11223344]);
  });

  it("keeps a translation until INVLPG", () => {
    b.start(mode, 0);
    b.setPage(0, BigInt(FRAMES) | P | RW);
    b.poke32(FRAMES, 1);
    b.poke32(FRAMES + 0x1000, 2);
    b.set("rdi", WINDOW);
    b.set("rsi", PAGES);
    b.set("rbx", FRAMES + 0x1000 + 3);
    // mov eax,[rdi]; mov [rsi],ebx; mov ecx,[rdi]; invlpg [rdi]; mov edx,[rdi]
    b.run("8b 07 89 1e 8b 0f 0f 01 3f 8b 17 f4");
    expect([b.get("rax"), b.get("rcx"), b.get("rdx")]).toEqual([1, 1, 2]);
  });

  it("drops translations on a CR3 load, but global ones only when CR4.PGE changes", () => {
    for (const global of [false, true]) {
      b.start(mode, 0);
      b.set("cr4", b.get("cr4") | 0x80);
      b.setPage(0, BigInt(FRAMES) | P | RW | (global ? G : 0n));
      b.poke32(FRAMES, 1);
      b.poke32(FRAMES + 0x1000, 2);
      b.set("rdi", WINDOW);
      b.set("rsi", PAGES);
      b.set("rbx", FRAMES + 0x1000 + 3);
      b.set("rbp", b.get("cr4") & ~0x80);
      // mov eax,[rdi]; mov [rsi],ebx; mov rcx,cr3; mov cr3,rcx; mov ecx,[rdi]; mov cr4,rbp; mov edx,[rdi]
      b.run("8b 07 89 1e 0f 20 d9 0f 22 d9 8b 0f 0f 22 e5 8b 17 f4");
      expect([b.get("rax"), b.get("rcx"), b.get("rdx")]).toEqual([1, global ? 1 : 2, 2]);
    }
  });
});

describe("large pages", () => {
  it("maps 2 MiB pages and drops all pieces with one INVLPG", () => {
    b.start("long");
    b.poke64(PD + 24, BigInt(FRAMES & ~0x1fffff) | P | RW | PS); // linear 6 MiB -> 0
    b.poke32(FRAMES, 7);
    b.set("rdi", 0x600000 + FRAMES);
    b.set("rsi", PD + 24);
    b.set("rbx", 0x200083); // to 2 MiB
    // mov eax,[rdi]; mov [rsi],ebx; invlpg [0x6ff000]; mov ecx,[rdi]
    b.run("8b 07 89 1e 0f 01 3c 25 00 f0 6f 00 8b 0f f4");
    expect([b.get("rax"), b.get("rcx")]).toEqual([7, 0]);
  });
  it.each([
    ["2 MiB, bit 13", "long" as Mode, 24, 0x2083n],
    ["PML4E with PS", "long" as Mode, -1, 0x83n],
    ["4 MiB, bit 21", "paged32" as Mode, 8, 0x200083n],
  ])("reserved bits raise #PF with RSVD: %s", (_, mode, offset, entry) => {
    b.start(mode);
    b.set("rdi", mode === "long" ? 0x600000 : 0x800000);
    if (offset < 0) {
      b.poke64(ROOT + 8, entry);
      b.set("rdi", 0x8000000000);
    } else if (mode === "long") b.poke64(PD + offset, entry);
    else b.poke32(ROOT + offset, Number(entry));
    const o = b.run("8b 07 f4");
    expect([o.vector, o.frame[0]]).toEqual([14, 9]);
  });
  it("reads PSE-36 address bits", () => {
    b.start("paged32").poke32(ROOT + 8, 0x83 | (1 << 13)); // 4 GiB
    b.set("rdi", 0x800010);
    b.run("8b 07 f4");
    expect(b.mmio).toEqual(["r4 100000010"]);
  });
});

describe("address spaces", () => {
  it("keeps each PCID's translations when bit 63 of CR3 is set", () => {
    b.start("long");
    b.setPage(0, BigInt(FRAMES) | P | RW);
    b.poke32(FRAMES, 1);
    b.poke32(FRAMES + 0x1000, 2);
    b.set("cr4", b.get("cr4") | 0x20000);
    b.set("rdi", WINDOW);
    b.set("rsi", PAGES);
    b.set("rbx", FRAMES + 0x1000 + 3);
    b.set("r8", ROOT + 1);
    b.set("r9", BigInt(ROOT) | (1n << 63n));
    // mov eax,[rdi]; mov [rsi],ebx; mov cr3,r8 (PCID 1); mov cr3,r9 (PCID 0, keep); mov edx,[rdi]; mov cr3,r8; mov ecx,[rdi]; mov cr3,(PCID 0, drop); mov ebp,[rdi]
    b.run("8b 07 89 1e 41 0f 22 d8 41 0f 22 d9 8b 17 41 0f 22 d8 8b 0f 49 c7 c0 00 00 01 00 41 0f 22 d8 8b 2f f4");
    expect([b.get("rax"), b.get("rdx"), b.get("rcx"), b.get("rbp")]).toEqual([1, 1, 2, 2]);
  });
  it("survives running out of context numbers", () => {
    b.start("long");
    b.setPage(0, BigInt(FRAMES) | P | RW);
    b.poke32(FRAMES, 5);
    b.set("rdi", WINDOW);
    b.set("rcx", 10000);
    // l: mov rax,cr3; mov cr3,rax; add edx,[rdi]; loop l
    b.set("rdx", 0);
    b.run("0f 20 d8 0f 22 d8 03 17 e2 f6 f4", 100000);
    expect(b.get("rdx")).toBe(50000);
  });
  it("refuses CR3 bits beyond the physical address width", () => {
    b.start("long").set("rax", 1n << 60n);
    const o = b.run("0f 22 d8 f4");
    expect([o.vector, o.frame[0]]).toEqual([13, 0]);
  });
});

describe("what is not plain RAM", () => {
  it("reaches devices in aligned pieces of at most four bytes", () => {
    b.start("protected").set("rdi", 0xfee00000);
    b.run("8b 07 8b 4f 01 66 89 47 02 f4");
    expect(b.mmio).toEqual(["r4 fee00000", "r1 fee00001", "r2 fee00002", "r1 fee00004", "w2 fee00002 3344"]);
    b.start("real");
    b.run("b8 00 b8 8e d8 a1 00 00 f4");
    expect(b.mmio).toEqual(["r2 b8000"]);
  });
  it("makes a store to decoded code take effect", () => {
    b.start("protected");
    // again: mov eax,1 (the immediate is patched); dec ecx; js out; mov dword [CODE+1],2; jmp again
    b.set("rcx", 1);
    b.run("b8 01 00 00 00 49 78 0c c7 05 01 80 00 00 02 00 00 00 eb ec f4");
    expect(b.get("rax")).toBe(2);
  });
  it("raises #GP for a non-canonical address and #SS through RSP", () => {
    b.start("long").set("rdi", 0x800000000000n);
    expect(b.run("8b 07 f4").vector).toBe(13);
    b.start("long").setGate(12, b.core.guestMemory.readU64(0x2000 as never), 0n);
    b.setWord(L.CPL, 0);
    b.start("long", 3).set("rsp", 0x800000000000n);
    expect(b.run("58").vector).toBe(12);
  });
  it("checks alignment at CPL 3 under CR0.AM and EFLAGS.AC", () => {
    b.start("long", 3).set("cr0", b.get("cr0") | 0x40000);
    b.set("rflags", AC | 2);
    b.set("rdi", STACK3 - 0x100);
    const o = b.run("8b 07 8b 47 02");
    expect([o.vector, o.frame[0], o.frame[1]]).toEqual([17, 0, CODE + 2]);
  });
});

/** FXSAVE and the XSAVE family: what is written where, what is refused, and that a restored state is the saved one. */
import { beforeEach, describe, expect, it } from "vitest";
import * as L from "../../src/layout.js";
import { Bench, CODE } from "./bench.js";

const UD = 6,
  NM = 7,
  GP = 13,
  PF = 14;
const AREA = 0x9000;
const CR4 = 0x40620; // OSXSAVE, OSFXSR
let b: Bench;
beforeEach(async () => {
  b = await Bench.create();
  b.start("long").set("cr4", CR4);
  b.core.guestMemory.fill(AREA as never, 0x400, 0xcc);
});

const set64 = (offset: number, value: bigint): void => b.view.setBigUint64(L.VCPU_BASE + offset, value, true);
const get64 = (offset: number): bigint => b.view.getBigUint64(L.VCPU_BASE + offset, true);
const peek64 = (at: number): bigint => BigInt(b.peek32(at)) | (BigInt(b.peek32(at + 4)) << 32n);
/** Puts recognisable values into the state. */
function fillState(): void {
  for (let i = 0; i < 16; i++) {
    set64(L.XMM + i * 16, 0x1111111111111111n * BigInt(i));
    set64(L.XMM + i * 16 + 8, BigInt(i) + 0x100n);
  }
  for (let i = 0; i < 8; i++) {
    set64(L.FPR + i * 16, 0x8000000000000000n + BigInt(i));
    set64(L.FPR + i * 16 + 8, 0x3fffn);
  }
  for (const [offset, value] of [
    [L.FCW, 0x27f],
    [L.FSW, 0x3000],
    [L.FTW, 0xc0],
    [L.MXCSR, 0x1fa0],
  ] as const)
    b.view.setUint32(L.VCPU_BASE + offset, value, true);
}
/** Runs `hex` with rdi = AREA (or another address), EDX:EAX = mask. */
function run(hex: string, at = AREA, mask = 3): number | undefined {
  b.setWord(L.HALTED, 0);
  b.set("rip", CODE);
  b.set("rdi", at);
  b.set("rax", mask);
  b.set("rdx", 0);
  return b.run(`${hex} f4`).vector;
}
const FXSAVE = "48 0f ae 07",
  FXRSTOR = "48 0f ae 0f",
  XSAVE = "48 0f ae 27",
  XRSTOR = "48 0f ae 2f",
  XSAVEOPT = "48 0f ae 37",
  XSAVEC = "48 0f c7 27";
const enableSse = (): void => set64(L.XCR0, 3n);

describe("FXSAVE and FXRSTOR", () => {
  it("write the legacy image and leave the bytes for software alone", () => {
    fillState();
    expect(run(FXSAVE)).toBeUndefined();
    expect([b.peek32(AREA), b.peek8(AREA + 4), b.peek32(AREA + 24), b.peek32(AREA + 28)]).toEqual([0x3000027f, 0xc0, 0x1fa0, 0xffff]);
    expect([peek64(AREA + 32), b.peek32(AREA + 40), peek64(AREA + 160 + 15 * 16), peek64(AREA + 168 + 15 * 16)]).toEqual([
      0x8000000000000006n,
      0x3fff,
      0xffffffffffffffffn,
      0x10fn,
    ]);
    expect([b.peek32(AREA + 416), b.peek32(AREA + 508)]).toEqual([0xcccccccc, 0xcccccccc]);
  });
  it("restore what was saved", () => {
    fillState();
    run(FXSAVE);
    for (let at = L.FPR; at < L.XMM + 256; at += 8) set64(at, 0n);
    b.view.setUint32(L.VCPU_BASE + L.FTW, 0, true);
    expect(run(FXRSTOR)).toBeUndefined();
    expect([get64(L.XMM + 240), get64(L.FPR + 6 * 16), b.word(L.FTW), b.word(L.MXCSR)]).toEqual([
      0xffffffffffffffffn,
      0x8000000000000006n,
      0xc0,
      0x1fa0,
    ]);
  });
  it("refuse misalignment and reserved MXCSR bits; CR0.TS is #NM", () => {
    expect(run(FXSAVE, AREA + 8)).toBe(GP);
    run(FXSAVE);
    b.poke32(AREA + 24, 0x10000);
    b.set("rip", CODE);
    expect(run(FXRSTOR)).toBe(GP);
    b.set("cr0", 0x80010019);
    expect(run(FXSAVE)).toBe(NM);
  });
  it("write nothing when the second page is absent", () => {
    b.setPage(0, 0x200000n | 7n);
    b.core.guestMemory.fill(0x200000 as never, 0x1000, 0xcc);
    expect(run(FXSAVE, 0x400f00)).toBe(PF);
    expect([b.get("cr2"), b.peek32(0x200f00)]).toEqual([0x4010ff, 0xcccccccc]);
  });
});

describe("XSAVE and XRSTOR", () => {
  it("are #UD without CR4.OSXSAVE", () => {
    b.set("cr4", 0x620);
    expect(run(XSAVE)).toBe(UD);
    b.start("long");
    expect(b.run("0f 01 d0").vector).toBe(UD);
  });
  it("XSETBV takes x87 always, SSE at will, and nothing else", () => {
    const xsetbv = (mask: number): number | undefined => {
      b.set("rcx", 0);
      return run("0f 01 d1", AREA, mask);
    };
    expect([xsetbv(3), get64(L.XCR0), xsetbv(2), xsetbv(7)]).toEqual([undefined, 3n, GP, GP]);
  });
  it("XSAVE writes the requested components and their bits, and nothing else of the header", () => {
    enableSse();
    fillState();
    b.poke64(AREA + 512, 0n);
    run(XSAVE, AREA, 2);
    expect([b.peek32(AREA), peek64(AREA + 512), peek64(AREA + 520), peek64(AREA + 160 + 16)]).toEqual([
      0xcccccccc,
      2n,
      0xccccccccccccccccn,
      0x1111111111111111n,
    ]);
  });
  it("XSAVEOPT leaves out what is in its initial state; XRSTOR then initialises it", () => {
    enableSse();
    fillState();
    for (let at = 0; at < 256; at += 8) set64(L.XMM + at, 0n);
    b.core.guestMemory.fill((AREA + 512) as never, 64, 0);
    run(XSAVEOPT);
    expect([peek64(AREA + 512), b.peek32(AREA + 160)]).toEqual([1n, 0xcccccccc]);
    set64(L.XMM + 16, 5n);
    b.view.setUint32(L.VCPU_BASE + L.FCW, 0x37f, true);
    run(XRSTOR);
    expect([get64(L.XMM + 16), b.word(L.FCW)]).toEqual([0n, 0x27f]);
  });
  it("XSAVEC writes a compacted header that XRSTOR takes", () => {
    enableSse();
    fillState();
    b.core.guestMemory.fill((AREA + 512) as never, 64, 0);
    run(XSAVEC);
    expect([peek64(AREA + 512), peek64(AREA + 520)]).toEqual([3n, 0x8000000000000003n]);
    set64(L.XMM + 16, 0n);
    expect(run(XRSTOR)).toBeUndefined();
    expect(get64(L.XMM + 16)).toBe(0x1111111111111111n);
  });
  it.each<[string, number, bigint]>([
    ["a component that XCR0 lacks", 512, 4n],
    ["a compacted header with an unknown component", 520, 0x8000000000000004n],
    ["XCOMP_BV without the compacted bit", 520, 1n],
    ["reserved bytes of the header", 528, 1n],
    ["reserved bits of MXCSR", 24, 0x10000n],
  ])("XRSTOR refuses %s", (_, offset, value) => {
    enableSse();
    fillState();
    b.core.guestMemory.fill((AREA + 512) as never, 64, 0);
    run(XSAVE);
    b.poke64(AREA + offset, value);
    set64(L.XMM, 77n);
    expect(run(XRSTOR)).toBe(GP);
    expect(get64(L.XMM)).toBe(77n);
  });
  it("need 64-byte alignment", () => {
    enableSse();
    expect(run(XSAVE, AREA + 16)).toBe(GP);
  });
  it("XGETBV 1 tells what is in use", () => {
    enableSse();
    fillState();
    b.set("rcx", 1);
    run("0f 01 d0");
    expect(b.get("rax")).toBe(3);
  });
});

/** Control, debug and model-specific registers: what they accept, what they refuse, and what changes with them. */
import { beforeEach, describe, expect, it } from "vitest";
import * as L from "../../src/layout.js";
import { Bench, CODE, type Mode, type Outcome } from "./bench.js";

const UD = 6,
  GP = 13,
  DB = 1;
let b: Bench;
const use = async (model?: string): Promise<void> => {
  b = await Bench.create(model);
};
beforeEach(() => use());

const start = (mode: Mode, cpl: 0 | 3 = 0): Bench => b.start(mode, cpl);
/** wrmsr with EDX:EAX = value, then hlt. */
function wrmsr(index: number, value: bigint): Outcome {
  b.setWord(L.HALTED, 0);
  b.set("rip", CODE);
  b.set("rcx", index);
  b.set("rax", value & 0xffffffffn);
  b.set("rdx", (value >> 32n) & 0xffffffffn);
  return b.run("0f 30 f4");
}
function rdmsr(index: number): bigint | "#GP" {
  b.setWord(L.HALTED, 0);
  b.set("rip", CODE);
  b.set("rcx", index);
  const o = b.run("0f 32 f4");
  return o.vector === GP ? "#GP" : b.vcpu.registers.get("rax") | (b.vcpu.registers.get("rdx") << 32n);
}
const word64 = (offset: number): bigint => b.view.getBigUint64(L.VCPU_BASE + offset, true);

describe("CR0 and CR4", () => {
  it.each<[string, Mode, string, bigint]>([
    ["CR0 with PG and without PE", "protected", "0f 22 c0", 0x80000010n],
    ["CR0 with NW and without CD", "protected", "0f 22 c0", 0x20000011n],
    ["CR0 with a high bit", "long", "0f 22 c0", 0x1_80000011n],
    ["CR0 without PG in 64-bit code", "long", "0f 22 c0", 0x11n],
    ["CR4 without PAE in long mode", "long", "0f 22 e0", 0x600n],
    ["CR4 with a reserved bit", "long", "0f 22 e0", 0x8620n],
    ["CR4.PCIDE while PCID bits of CR3 are set", "long", "0f 22 d9 0f 22 e0", 0x20620n],
    ["CR4.PCIDE outside long mode", "protected", "0f 22 e0", 0x20000n],
    ["CR3 with an unimplemented address bit", "long", "0f 22 d8", 1n << 41n],
    ["CR8 above 15", "long", "44 0f 22 c0", 16n],
  ])("refuse %s", (_, mode, code, value) => {
    start(mode).set("rax", value);
    b.set("rcx", 0x10018);
    expect(b.run(`${code} f4`).vector).toBe(GP);
  });
  it.each(["0f 20 c8", "0f 22 c8", "0f 20 e8", "0f 22 f0"])("%s names no control register", (code) => {
    expect(start("long").run(`${code} f4`).vector).toBe(UD);
  });
  it("are #GP outside CPL 0, and reading them ignores ModRM.mod", () => {
    expect(start("long", 3).run("0f 20 c0").vector).toBe(GP);
    const o = start("long").run("0f 20 00 f4"); // mov rax, cr0 with mod = 0
    expect([o.vector, b.get("rax")]).toEqual([undefined, 0x80010011]);
  });
  it("turn long mode on when paging starts with EFER.LME, and off again from compatibility mode", () => {
    start("long");
    b.vcpu.registers.setSegment("cs", { selector: 8, base: 0n, limit: 0xffffffff, access: 0xc09b });
    b.set("rax", 0x11);
    b.set("rcx", 0x80000011);
    b.run("0f 22 c0 90 f4");
    expect([b.get("cr0"), Number(b.vcpu.registers.get("efer"))]).toEqual([0x11, 0x900]);
    b.setWord(L.HALTED, 0);
    b.run("0f 22 c1 f4");
    expect(b.get("cr0")).toBe(0x11); // RIP went on behind the first program
    b.set("rip", CODE);
    b.setWord(L.HALTED, 0);
    b.run("0f 22 c1 f4");
    expect([b.get("cr0"), Number(b.vcpu.registers.get("efer"))]).toEqual([0x80000011, 0xd00]);
  });
  it("load PAE's directory pointers with CR3, and refuse reserved bits in them", () => {
    start("pae");
    b.poke64(0x14000, 0x12001n);
    b.poke64(0x15000, 0x12003n);
    b.set("rax", 0x14000);
    expect(b.run("0f 22 d8 f4").vector).toBeUndefined();
    expect(word64(L.PDPTE)).toBe(0x12001n);
    start("pae").poke64(0x15000, 0x12003n);
    b.set("rax", 0x15000);
    expect(b.run("0f 22 d8 f4").vector).toBe(GP);
    expect(b.get("cr3")).toBe(0x11000);
  });
  it("LMSW sets PE but cannot clear it; SMSW shows the low word", () => {
    start("protected").set("rax", 0xe);
    b.run("0f 01 f0 0f 01 e3 f4");
    expect([b.get("cr0") & 0xf, b.get("rbx") & 0xffff]).toEqual([0xf, 0x1f]);
  });
  it("UMIP keeps SMSW to CPL 0", () => {
    start("protected", 3).set("cr4", 0x800);
    expect(b.run("0f 01 e0").vector).toBe(GP);
    expect(start("protected", 3).run("0f 01 e0 cd 80").vector).toBe(0x80);
  });
  it("changes of CR0.WP are seen by the next store", () => {
    start("long").setPage(0, 0x200000n | 1n);
    b.set("rax", 0x80000011);
    const o = b.run("c6 04 25 00 00 40 00 05 0f 22 c0 c6 04 25 00 00 40 00 07 f4");
    expect([o.vector, b.get("cr2")]).toEqual([14, 0x400000]);
    start("long").setPage(0, 0x200000n | 1n);
    b.set("rax", 0x80000011);
    expect(b.run("0f 22 c0 c6 04 25 00 00 40 00 07 f4").vector).toBeUndefined();
    expect(b.peek8(0x200000)).toBe(7);
  });
});

describe("debug registers", () => {
  it("have fixed bits, and DR4 and DR5 are DR6 and DR7 without CR4.DE", () => {
    start("long").set("rax", 0xffffffff);
    b.set("rbx", 0xffff0000);
    b.run("0f 23 f0 0f 21 f1 0f 23 fb 0f 21 ea f4");
    expect([b.get("rcx"), b.get("rdx")]).toEqual([0xffffefff, 0xffff0400]);
    start("long").set("cr4", 0x628);
    expect(b.run("0f 21 e0").vector).toBe(UD);
  });
  it("refuse high bits in DR6 and DR7", () => {
    start("long").set("rax", 1n << 32n);
    expect(b.run("0f 23 f8").vector).toBe(GP);
  });
  it("are guarded by DR7.GD", () => {
    start("long").set("rax", 0x2400);
    const o = b.run("0f 23 f8 0f 21 f0 f4");
    expect([o.vector, Number(word64(L.DR + 48) & 0x2000n)]).toEqual([DB, 0x2000]);
  });
});

describe("MSRs", () => {
  it.each<[string, number, bigint]>([
    ["SYSENTER_CS", 0x174, 0x1234n],
    ["SYSENTER_ESP", 0x175, 0x123456789abcn],
    ["PAT", 0x277, 0x07070707n],
    ["FS_BASE", 0xc0000100, 0x123456789abcn],
    ["GS_BASE", 0xc0000101, 0x123456789abcn],
    ["KERNEL_GS_BASE", 0xc0000102, 0xffff800000000000n],
    ["LSTAR", 0xc0000082, 0x123456789abcn],
    ["CSTAR", 0xc0000083, 0x1000n],
    ["SFMASK", 0xc0000084, 0xffffffffn],
    ["STAR", 0xc0000081, 0x0023001000000000n],
    ["TSC_AUX", 0xc0000103, 7n],
    ["MTRRphysBase0", 0x200, 0xf000000006n],
    ["MTRRphysMask7", 0x20f, 0xfff0000800n],
    ["MTRRfix64K", 0x250, 0x0606060606060606n],
    ["MTRRdefType", 0x2ff, 0xc06n],
    ["MC0_CTL", 0x400, 0xffffffffffffffffn],
    ["MC5_ADDR", 0x416, 0xaaaaaaaaaaaaaaaan],
    ["MISC_ENABLE", 0x1a0, 0x400c51801n],
    ["NB_CFG", 0xc001001f, 1n << 46n],
  ])("%s keeps what is written", (_, index, value) => {
    start("long");
    expect(wrmsr(index, value).vector).toBeUndefined();
    expect(rdmsr(index)).toBe(value);
  });
  it.each<[string, number, bigint]>([
    ["a non-canonical FS_BASE", 0xc0000100, 0x800000000000n],
    ["a non-canonical LSTAR", 0xc0000082, 0xaaaaaaaaaaaaaaaan],
    ["PAT with type 2", 0x277, 2n],
    ["an MTRR of type 2", 0x200, 2n],
    ["an MTRR beyond the last", 0x210, 6n],
    ["an MTRR above the physical addresses", 0x201, 1n << 40n],
    ["an MTRR default of type 7", 0x2ff, 7n],
    ["MCG_CAP", 0x179, 0n],
    ["half of MC0_CTL", 0x400, 1n],
    ["MC0_STATUS other than 0", 0x401, 1n],
    ["MC6", 0x418, 0n],
    ["reserved bits of EFER", 0xc0000080, 0x3d00n],
    ["EFER without LME while paging", 0xc0000080, 0xc00n],
    ["SPEC_CTRL, which AMD's model lacks", 0x48, 0n],
    ["MISC_ENABLE's reserved bits", 0x1a0, 2n],
    ["an MSR that does not exist", 0x12345, 0n],
    ["the microcode revision", 0x8b, 0n],
  ])("writing %s is #GP", (_, index, value) => {
    start("long");
    expect(wrmsr(index, value).vector).toBe(GP);
  });
  it("are #GP outside CPL 0", () => {
    expect(start("long", 3).run("0f 32").vector).toBe(GP);
    expect(start("long", 3).run("0f 30").vector).toBe(GP);
  });
  it("EFER keeps LMA to itself and knows AutoIBRS", () => {
    start("long");
    expect(wrmsr(0xc0000080, 0x200901n).vector).toBeUndefined();
    expect(rdmsr(0xc0000080)).toBe(0x200d01n);
  });
  it("a processor without long mode has none of its MSRs", async () => {
    await use("pentium3");
    start("protected");
    for (const index of [0xc0000080, 0xc0000081, 0xc0000082, 0xc0000100, 0xc0000102, 0xc0010015])
      expect(rdmsr(index), index.toString(16)).toBe("#GP");
    expect(wrmsr(0xc0000101, 1n).vector).toBe(GP);
  });
  it("Intel checks SYSENTER addresses and the upper half of TSC_AUX, AMD does not", async () => {
    const bad = 0x800000000000n;
    start("long");
    expect([wrmsr(0x176, bad).vector, wrmsr(0xc0000103, 1n << 32n).vector]).toEqual([undefined, undefined]);
    await use("paravane,vendor=intel");
    start("long");
    expect([wrmsr(0x176, bad).vector, wrmsr(0xc0000103, 1n << 32n).vector]).toEqual([GP, GP]);
    expect(rdmsr(0x10a)).not.toBe("#GP");
  });
  it("writing the TSC moves TSC_ADJUST, and TSC_ADJUST the TSC; an armed deadline keeps its guest time", () => {
    start("long");
    b.tsc = 1000;
    b.boardMsrs.set(0x6e0, 0n);
    wrmsr(0x10, 5000n);
    expect([rdmsr(0x10), rdmsr(0x3b)]).toEqual([5000n, 4000n]);
    wrmsr(0x6e0, 9000n);
    expect([b.boardMsrs.get(0x6e0), rdmsr(0x6e0)]).toEqual([5000n, 9000n]);
    wrmsr(0x3b, 0n);
    expect([rdmsr(0x10), b.boardMsrs.get(0x6e0), rdmsr(0x6e0)]).toEqual([1000n, 9000n, 9000n]);
  });
  it("the host reads and writes them through the vCPU's handle", () => {
    start("long");
    const { registers } = b.vcpu;
    expect([registers.setMsr(0x2ff, 0xc06n), registers.msr(0x2ff), registers.setMsr(0x2ff, 7n), registers.msr(0x12345)]).toEqual([
      true,
      0xc06n,
      false,
      undefined,
    ]);
  });
  it("x2APIC registers and APIC_BASE are the board's", () => {
    start("long");
    expect(rdmsr(0x802)).toBe("#GP");
    b.boardMsrs.set(0x802, 3n);
    b.boardMsrs.set(0x1b, 0xfee00900n);
    expect([rdmsr(0x802), rdmsr(0x1b), wrmsr(0x803, 0n).vector]).toEqual([3n, 0xfee00900n, GP]);
  });
});

describe("time stamp and random numbers", () => {
  it("RDTSC and RDTSCP read the TSC; CR4.TSD keeps them to CPL 0", () => {
    start("long");
    b.tsc = 0x123456789;
    b.run("0f 31 f4");
    expect([b.get("rdx"), b.get("rax")]).toEqual([1, 0x23456789]);
    start("long", 3).set("cr4", 0x624);
    expect(b.run("0f 31").vector).toBe(GP);
  });
  it("RDRAND sets CF and its register at the operand size", () => {
    start("long").set("rax", 0xffffffffffffffffn);
    b.randomByte = 0x5a;
    b.run("66 0f c7 f0 f4");
    expect([b.vcpu.registers.get("rax"), b.get("rflags") & 0x8d5]).toEqual([0xffffffffffff5a5an, 1]);
  });
});

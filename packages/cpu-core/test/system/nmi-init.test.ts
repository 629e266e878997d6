/** NMIs that come one after another, INIT at any moment, and the board's MSRs on processors that do not have them. */
import { beforeEach, describe, expect, it } from "vitest";
import * as L from "../../src/layout.js";
import { Bench, CODE, HANDLERS } from "./bench.js";

const IN_AL_IMM8 = "e4 10";
const IRET = "cf";
const NMI_HANDLER = HANDLERS + 2 * 16;
let b: Bench;
beforeEach(async () => {
  b = await Bench.create();
});

/** Reading a port calls `event`, in the middle of the instruction. */
function onPortRead(event: () => void): void {
  b.readPort = () => {
    event();
    return 0;
  };
}

describe("NMI", () => {
  it("waits for the instruction after STI, also when it is HLT", () => {
    b.start("protected").vcpu.raiseNmi();
    b.setWord(L.NMI_BLOCKED, 1);
    b.code(CODE, "fb 40 40 f4");
    b.vcpu.run(1);
    b.setWord(L.NMI_BLOCKED, 0);
    expect([b.run().vector, b.peek32(b.get("rsp"))]).toEqual([2, CODE + 2]);
    b.start("protected").vcpu.raiseNmi();
    b.setWord(L.NMI_BLOCKED, 1);
    b.code(CODE, "fb f4 40 f4");
    b.vcpu.run(1);
    b.setWord(L.NMI_BLOCKED, 0);
    expect([b.run().exit, b.vcpu.hasWork]).toEqual(["halted", true]);
    expect([b.run().vector, b.peek32(b.get("rsp"))]).toEqual([2, CODE + 2]);
  });

  it("two that come before the first is begun are two, any number during its handler are one", () => {
    let inHandler = 0;
    b.start("protected");
    // the handler counts in ECX and asks for ten more when it runs for the first time
    b.code(NMI_HANDLER, `41 ${IN_AL_IMM8} ${IRET}`);
    onPortRead(() => {
      if (inHandler++ === 0) for (let n = 0; n < 10; n++) b.vcpu.raiseNmi();
    });
    b.set("rcx", 0);
    for (let n = 0; n < 10; n++) b.vcpu.raiseNmi();
    b.run("90 90 f4");
    expect(b.get("rcx")).toBe(2);
  });

  it("that comes in a handler is delivered after its IRET, at the address returned to", () => {
    b.start("protected");
    b.code(CODE + 0x100, `83 3d 00 90 00 00 00 75 09 ff 05 00 90 00 00 ${IN_AL_IMM8} ${IRET} f4`);
    b.code(NMI_HANDLER, `e9 ${word(CODE + 0x100 - NMI_HANDLER - 5)}`);
    onPortRead(() => b.vcpu.raiseNmi());
    b.vcpu.raiseNmi();
    b.run("90 90 f4");
    expect([b.peek32(0x9000), b.peek32(b.get("rsp"))]).toEqual([1, CODE]);
  });

  it("does not keep a halted vCPU awake while NMIs are blocked", () => {
    b.start("protected").set("rflags", 2);
    b.setWord(L.NMI_BLOCKED, 1);
    b.run("f4");
    b.vcpu.raiseNmi();
    expect(b.vcpu.hasWork).toBe(false);
    b.setWord(L.NMI_BLOCKED, 0);
    expect(b.vcpu.hasWork).toBe(true);
  });
});

describe("INIT", () => {
  it("that a processor sends to itself ends the instruction that sent it, and nothing after it runs", () => {
    b.start("protected");
    onPortRead(() => b.vcpu.init());
    b.set("rbx", 0);
    b.code(CODE, `${IN_AL_IMM8} ff 05 00 90 00 00 f4`);
    expect(b.vcpu.run(1000)).toBe("stopped");
    expect([b.get("rip"), b.selector("cs"), b.peek32(0x9000)]).toEqual([0xfff0, 0xf000, 0]);
  });

  it("keeps MSRs, the TSC and FPU state, clears pending NMIs and debug registers, and keeps CR0's cache bits", () => {
    b.start("long");
    const { registers } = b.vcpu;
    registers.setMsr(0x10, 5_000n);
    registers.setMsr(0xc0000103, 7n);
    registers.setMsr(0x277, 0x0606060606060606n);
    b.setWord(L.MXCSR, 0x1f00);
    b.setWord(L.DR, 0x1234);
    b.vcpu.raiseNmi();
    registers.set("cr0", 0xc0010011n | 0x80000000n);
    b.vcpu.init();
    expect([registers.msr(0x10), registers.msr(0xc0000103), registers.msr(0x277)]).toEqual([5_000n, 7n, 0x0606060606060606n]);
    expect([b.word(L.MXCSR), b.word(L.DR), b.word(L.NMI), registers.get("efer"), registers.get("cr0")]).toEqual([
      0x1f00,
      0,
      0,
      0n,
      0x40000010n,
    ]);
  });
});

describe("the board's MSRs follow the model", () => {
  it.each([
    ["pentium3", 0x802, false],
    ["pentium3", 0x6e0, false],
    ["pentium3", 0x1b, true],
    ["486", 0x1b, false],
    ["paravane,-x2apic", 0x802, false],
    ["paravane,-tsc-deadline", 0x6e0, false],
    ["paravane", 0x802, true],
    ["paravane", 0x6e0, true],
  ] as const)("%s: MSR %i is there: %s", async (model, index, present) => {
    b = await Bench.create(model);
    b.start("protected");
    b.boardMsrs.set(index, 0n);
    const { registers } = b.vcpu;
    expect([registers.msr(index), registers.setMsr(index, 0n)]).toEqual(present ? [0n, true] : [undefined, false]);
  });

  it("x2APIC mode cannot be entered without x2APIC, nor the base lie beyond the address bits", async () => {
    b = await Bench.create("paravane,-x2apic");
    b.boardMsrs.set(0x1b, 0n);
    const { registers } = b.start("protected").vcpu;
    const written = [0xfee00d00n, 0xfee00900n, 1n << 40n, 1n << 39n].map((value) => registers.setMsr(0x1b, value));
    expect(written).toEqual([false, true, false, true]);
  });
});

/** Four little-endian bytes, as hex. */
function word(value: number): string {
  return [0, 8, 16, 24].map((shift) => ((value >>> shift) & 0xff).toString(16).padStart(2, "0")).join(" ");
}

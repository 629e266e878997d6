/** Virtual-8086 mode: what traps to the monitor at IOPL below 3, and the extensions of CR4.VME (SDM Vol. 3A chapter 20). */
import { beforeAll, describe, expect, it } from "vitest";
import { Bench, TSS } from "./bench.js";

let b: Bench;
beforeAll(async () => {
  b = await Bench.create();
});
const IOPL3 = 0x3000,
  VM = 0x20000,
  VIF = 0x80000,
  VIP = 0x100000,
  IF = 0x200;
const PROGRAM = 0x9000;
const dword = (n: number): string => `68 ${[0, 8, 16, 24].map((s) => ((n >>> s) & 255).toString(16).padStart(2, "0")).join(" ")}`;

/** Runs `hex` at 0900:0000 with SS:SP 0680:0100; #GP and interrupts end in the monitor's handlers. */
function run(hex: string, flags: number, vme = false): ReturnType<Bench["run"]> {
  b.start("protected");
  if (vme) {
    b.set("cr4", b.get("cr4") | 1);
    // I/O map at 0x88, the redirection bitmap just before it: INT 0x21 goes to the program, all others to the monitor
    b.vcpu.registers.setSegment("tr", { selector: 0x28, base: BigInt(TSS), limit: 0xff, access: 0x8b });
    b.poke32(TSS + 0x64, 0x88 << 16);
    for (let i = 0; i < 32; i += 4) b.poke32(TSS + 0x68 + i, i === 4 ? ~(1 << 1) >>> 0 : 0xffffffff);
    b.poke32(0x21 * 4, (0x0a00 << 16) | 0x10);
    b.code(0xa010, "cc");
  }
  b.code(PROGRAM, hex);
  return b.run(`${[0, 0, 0, 0, 0x680, 0x100, flags | VM | 2, 0x900, 0].map(dword).join(" ")} cf`);
}

describe("IOPL below 3 without VME", () => {
  it.each([
    ["CLI", "fa"],
    ["STI", "fb"],
    ["PUSHF", "9c"],
    ["POPF", "9d"],
    ["INT n", "cd 21"],
    ["IRET", "cf"],
    ["HLT", "f4"],
  ])("%s is #GP(0)", (_, hex) => {
    const o = run(hex, 0);
    expect([o.vector, o.frame[0], o.frame[1]]).toEqual([13, 0, 0]);
  });
  it("INT3 is not", () => expect(run("cc", 0).vector).toBe(3));
});

describe("IOPL 3", () => {
  it("POPF changes IF but not IOPL; IRET too", () => {
    const o = run("6a 02 9d cd 80", IOPL3 | IF);
    expect(o.frame[2]).toBe(IOPL3 | VM | 2);
  });
  it("a segment load takes a paragraph", () => {
    const o = run("b8 00 0a 8e d8 a1 10 00 cd 80", IOPL3);
    expect([o.vector, o.frame[6], b.get("rax") & 0xffff]).toEqual([0x80, 0xa00, 0]);
  });
  it("limits stay at 64 KiB", () => expect(run("66 67 a1 ff ff 00 00", IOPL3).vector).toBe(13));
});

describe("VME", () => {
  it("INT n with its bit clear uses the program's own vector table, with virtual IF", () => {
    const o = run("cd 21", VIF, true);
    expect([o.vector, o.frame[0], o.frame[1]]).toEqual([3, 0x11, 0xa00]);
    expect([b.peek32(0x680 * 16 + 0xfa) & 0xffff, b.peek32(0x680 * 16 + 0xfc) & 0xffff, b.peek32(0x680 * 16 + 0xfe) & 0xffff]).toEqual([
      2, 0x900, 0x3202,
    ]);
    expect((o.frame[2] ?? 0) & VIF).toBe(0);
  });
  it("INT n with its bit set is #GP(0) below IOPL 3", () => expect(run("cd 22", 0, true).vector).toBe(13));
  it("CLI and STI work on VIF", () => {
    expect((run("fb cc", 0, true).frame[2] ?? 0) & VIF, "sti").toBe(VIF);
    expect((run("fa cc", VIF, true).frame[2] ?? 0) & VIF, "cli").toBe(0);
    expect(run("fb", VIP, true).vector, "sti with VIP").toBe(13);
  });
  it("PUSHF shows VIF as IF and IOPL 3; POPF and IRET set VIF", () => {
    run("9c 58 cd 22", VIF, true);
    expect(b.get("rax") & 0xffff).toBe(0x3202);
    expect((run("68 02 02 9d cd 22", 0, true).frame[3] ?? 0) & (VIF | IF)).toBe(VIF);
    const o = run("68 02 02 68 00 09 68 0a 00 cf cd 22", 0, true);
    expect([o.frame[1], (o.frame[3] ?? 0) & VIF]).toEqual([0xa, VIF]);
    expect(run("68 02 02 9d", VIP, true).vector).toBe(13);
  });
});

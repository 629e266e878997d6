/** Segment loads and limits, selectors' instructions, table registers. */
import { beforeAll, describe, expect, it } from "vitest";
import * as L from "../../src/layout.js";
import { Bench, CODE, descriptor, GDT, SELECTOR, STACK0, STACK3 } from "./bench.js";

let b: Bench;
beforeAll(async () => {
  b = await Bench.create();
});
const FREE = SELECTOR.free;
const MOV_DS_AX = "8e d8 f4",
  MOV_SS_AX = "8e d0 90 f4";

describe("loading a segment register", () => {
  it.each([
    // name, program, CPL, selector, descriptor, vector, error
    ["writable data", MOV_DS_AX, 0, FREE, descriptor(0x92), undefined, 0],
    ["readable code", MOV_DS_AX, 0, FREE, descriptor(0x9a), undefined, 0],
    ["execute-only code", MOV_DS_AX, 0, FREE, descriptor(0x98), 13, FREE],
    ["a system segment", MOV_DS_AX, 0, FREE, descriptor(0x82), 13, FREE],
    ["absent data", MOV_DS_AX, 0, FREE, descriptor(0x12), 11, FREE],
    ["data with DPL below RPL", MOV_DS_AX, 0, FREE | 3, descriptor(0x92), 13, FREE],
    ["data with DPL below CPL", MOV_DS_AX, 3, FREE, descriptor(0x92), 13, FREE],
    ["conforming code whatever the level", MOV_DS_AX, 3, FREE | 3, descriptor(0x9e), undefined, 0],
    ["beyond the table", MOV_DS_AX, 0, 0x1000, 0n, 13, 0x1000],
    ["from an LDT that is not there", MOV_DS_AX, 0, 0x3c, descriptor(0x92), 13, 0x3c],
    ["a null selector into DS", MOV_DS_AX, 0, 3, 0n, undefined, 0],
    ["a null selector into SS", MOV_SS_AX, 0, 0, 0n, 13, 0],
    ["read-only data into SS", MOV_SS_AX, 0, FREE, descriptor(0x90), 13, FREE],
    ["another level's data into SS", MOV_SS_AX, 0, FREE | 3, descriptor(0xf2), 13, FREE],
    ["absent data into SS", MOV_SS_AX, 0, FREE, descriptor(0x12), 12, FREE],
    ["CS", "8e c8 f4", 0, FREE, descriptor(0x9a), 6, 0],
  ])("%s", (_, hex, cpl, selector, value, vector, error) => {
    b.start("protected", cpl as 0 | 3);
    b.setDescriptor(FREE, value);
    b.set("rax", selector);
    const o = b.run(hex);
    if (cpl === 3 && vector === undefined) {
      expect([o.vector, o.frame[1]]).toEqual([13, CODE + 2]); // the HLT at CPL 3
      return;
    }
    expect(o.vector).toBe(vector);
    if (vector === undefined) {
      expect(b.selector("ds")).toBe(selector);
      if (selector > 3) expect(b.peek8(GDT + FREE + 5) & 1).toBe(1);
    } else if (vector !== 6) expect(o.frame[0]).toBe(error);
  });
  it("allows a null SS in 64-bit mode below CPL 3 with RPL = CPL", () => {
    b.start("long").set("rax", 0);
    expect(b.run(MOV_SS_AX).vector).toBeUndefined();
    b.start("long").set("rax", 3);
    expect(b.run(MOV_SS_AX).vector).toBe(13);
  });
  it("keeps the limit in real mode: a segment loaded in protected mode stays big", () => {
    b.start("real").vcpu.registers.setSegment("ds", { selector: 0, base: 0n, limit: 0xffffffff, access: 0xc093 });
    b.poke32(0x180000, 0x1234);
    b.set("rbx", 0x180000 - 0x100);
    expect(b.run("b8 10 00 8e d8 66 67 8b 0b f4").vector).toBeUndefined(); // mov ds,0x10; mov ecx,[ebx]
    expect(b.get("rcx")).toBe(0x1234);
  });
});

describe("limits", () => {
  const LOAD = "8e d8 8b 0f f4"; // mov ds,ax; mov ecx,[edi]
  it.each([
    ["the last bytes", descriptor(0x92, 4, 0, 0xfff), 0xffc, undefined],
    ["one byte too far", descriptor(0x92, 4, 0, 0xfff), 0xffd, 13],
    ["page granularity", descriptor(0x92, 0xc, 0, 0), 0xffc, undefined],
    ["expand-down, below the limit", descriptor(0x96, 4, 0, 0xfff), 0xfff, 13],
    ["expand-down, above it", descriptor(0x96, 4, 0, 0xfff), 0x1000, undefined],
    ["expand-down of 16 bits, past 64 KiB", descriptor(0x96, 0, 0, 0xfff), 0xfffe, 13],
  ])("%s", (_, value, offset, vector) => {
    b.start("protected").setDescriptor(FREE, value);
    b.set("rax", FREE);
    b.set("rdi", offset);
    expect(b.run(LOAD).vector).toBe(vector);
  });
  it("raises #SS(0) through SS", () => {
    b.start("protected").setDescriptor(FREE, descriptor(0x92, 4, 0, 0xfff));
    b.set("rax", FREE);
    b.set("rdi", 0x2000);
    const o = b.run("8e d0 36 8b 0f f4");
    expect([o.vector, b.word(L.FAULT)]).toEqual([undefined, 0xffffffff]); // its frame does not fit either: #SS, #DF, shutdown
    expect(o.exit).toBe("shutdown");
  });
  it("refuses writing through CS, and reading through a null selector", () => {
    expect(b.start("protected").run("2e a3 00 a0 00 00 f4").vector).toBe(13);
    b.start("protected").set("rax", 0);
    expect(b.run("8e d8 a1 00 a0 00 00 f4").vector).toBe(13);
  });
  it("adds FS and GS bases in 64-bit mode, wraps at 4 GiB in 32-bit mode", () => {
    b.start("long").vcpu.registers.setSegment("gs", { selector: 0, base: 0xa000n, limit: 0, access: 0 });
    b.poke32(0xa010, 77);
    b.run("65 8b 0c 25 10 00 00 00 f4");
    expect(b.get("rcx")).toBe(77);
    b.start("protected").setDescriptor(FREE, descriptor(0x92, 0xc, 0xfffff000));
    b.poke32(0xa010, 78);
    b.set("rax", FREE);
    b.run("8e d8 8b 0d 10 b0 00 00 f4");
    expect(b.get("rcx")).toBe(78);
  });
});

describe("instructions on selectors", () => {
  const ZF = 0x40;
  it.each([
    // name, opcode, selector, descriptor, CPL 0 result or undefined for ZF = 0
    ["LAR of code", "0f 02 c8", FREE, descriptor(0xfb), 0xcffb00],
    ["LAR of an absent segment", "0f 02 c8", FREE, descriptor(0x13), 0xcf1300],
    ["LAR of a call gate", "0f 02 c8", FREE, descriptor(0x8c, 0, 0, 0), 0x8c00],
    ["LAR of an interrupt gate", "0f 02 c8", FREE, descriptor(0x8e, 0, 0, 0), undefined],
    ["LAR with RPL above DPL", "0f 02 c8", FREE | 3, descriptor(0x93), undefined],
    ["LAR of conforming code with RPL above DPL", "0f 02 c8", FREE | 3, descriptor(0x9f), 0xcf9f00],
    ["LAR of null", "0f 02 c8", 0, 0n, undefined],
    ["LSL, byte granular", "0f 03 c8", FREE, descriptor(0x93, 4, 0, 0x12345), 0x12345],
    ["LSL, page granular", "0f 03 c8", FREE, descriptor(0x93, 0xc, 0, 0x12345), 0x12345fff],
    ["LSL of a TSS", "0f 03 c8", SELECTOR.tss, undefined, 0x67],
    ["LSL of a call gate", "0f 03 c8", FREE, descriptor(0x8c), undefined],
  ])("%s", (_, hex, selector, value, result) => {
    b.start("protected");
    if (value !== undefined) b.setDescriptor(FREE, value);
    b.set("rax", selector);
    b.set("rcx", 0x5555);
    expect(b.run(`${hex} f4`).vector).toBeUndefined();
    expect([b.get("rflags") & ZF, b.get("rcx")]).toEqual(result === undefined ? [0, 0x5555] : [ZF, result]);
  });
  it.each([
    ["VERR", "0f 00 e0", descriptor(0x91), true],
    ["VERR", "0f 00 e0", descriptor(0x99), false],
    ["VERR", "0f 00 e0", descriptor(0x9d), false],
    ["VERR", "0f 00 e0", descriptor(0x9b), true],
    ["VERW", "0f 00 e8", descriptor(0x93), true],
    ["VERW", "0f 00 e8", descriptor(0x91), false],
    ["VERW", "0f 00 e8", descriptor(0x9b), false],
    ["VERW", "0f 00 e8", descriptor(0x82), false],
  ])("%s %s %s: %s", (_, hex, value, ok) => {
    b.start("protected").setDescriptor(FREE, value);
    b.set("rax", FREE);
    b.run(`${hex} f4`);
    expect((b.get("rflags") & ZF) !== 0).toBe(ok);
  });
  it("ARPL raises the RPL and says so", () => {
    b.start("protected").set("rax", 0x10);
    b.set("rcx", 0x1b);
    b.run("63 c8 f4");
    expect([b.get("rax"), b.get("rflags") & ZF]).toEqual([0x13, ZF]);
    b.set("rip", CODE);
    b.resume();
    expect([b.get("rax"), b.get("rflags") & ZF]).toEqual([0x13, 0]);
  });
  it("is #UD in real mode", () => {
    for (const hex of ["0f 02 c8", "0f 00 e0", "63 c8", "0f 00 d8", "0f 00 c0"])
      expect(b.start("real").run(`${hex} f4`).vector, hex).toBe(6);
  });
  it("LSS loads a pointer without a shadow, POP SS has one", () => {
    b.start("protected").poke32(0xa000, 0x6400, 0x10);
    b.code(CODE, "0f b2 25 00 a0 00 00 6a 10 17 90");
    b.vcpu.run(1);
    expect([b.get("rsp"), b.word(L.SHADOW)]).toEqual([0x6400, 0]);
    b.vcpu.run(2);
    expect([b.get("rsp"), b.word(L.SHADOW)]).toEqual([0x6400, L.SHADOW_MOV_SS]);
    b.vcpu.run(1);
    expect(b.word(L.SHADOW)).toBe(0);
  });
});

describe("table registers", () => {
  it("LTR wants an available TSS and marks it busy", () => {
    b.start("protected").set("rax", SELECTOR.tss);
    let o = b.run("0f 00 d8 f4");
    expect([o.vector, o.frame[0]]).toEqual([13, SELECTOR.tss]); // busy already
    b.start("protected").setDescriptor(FREE, descriptor(0x89, 0, 0x3000, 0x67));
    b.set("rax", FREE);
    o = b.run("0f 00 d8 0f 00 c9 f4"); // ltr ax; str ecx
    expect([o.vector, b.get("rcx"), b.peek8(GDT + FREE + 5)]).toEqual([undefined, FREE, 0x8b]);
  });
  it("LLDT wants an LDT in the GDT, of 16 bytes in long mode", () => {
    b.start("long").setDescriptor(FREE, descriptor(0x82, 0, 0xa000, 0xff));
    b.poke64(GDT + FREE + 8, 0xffff8000n);
    b.set("rax", FREE);
    expect(b.run("0f 00 d0 0f 00 c1 f4").vector).toBeUndefined(); // lldt ax; sldt ecx
    expect(b.vcpu.registers.segment("ldtr").base).toBe(0xffff80000000a000n);
    b.poke64(GDT + FREE + 8, 0x8000n); // not canonical
    b.set("rip", CODE);
    const o = b.resume();
    expect([o.vector, o.frame[0]]).toEqual([13, FREE]);
  });
  it("LGDT takes 24 bits of base with a 16-bit operand, SGDT gives all", () => {
    b.start("protected").poke32(0xa000, 0x30000fff, 0xff12); // limit 0fff, base ff123000
    b.run("66 0f 01 15 00 a0 00 00 0f 01 05 10 a0 00 00 f4");
    expect([b.peek32(0xa010), b.peek32(0xa014) & 0xffff]).toEqual([0x30000fff, 0x12]);
  });
  it("is #GP(0) outside CPL 0, SGDT and STR under UMIP too", () => {
    for (const hex of ["0f 01 15 00 a0 00 00", "0f 00 d8", "0f 00 d0"]) expect(b.start("protected", 3).run(hex).vector, hex).toBe(13);
    for (const hex of ["0f 01 05 00 a0 00 00", "0f 00 c8", "0f 00 c0"]) {
      b.start("protected", 3).set("cr4", b.get("cr4") | 0x800);
      const o = b.run(hex);
      expect([o.vector, o.frame[1]], hex).toEqual([13, CODE]);
    }
  });
});

describe("stacks", () => {
  it("PUSHA and POPA in both widths", () => {
    b.start("protected").set("rax", 0x11111111);
    b.set("rdi", 0x77777777);
    b.run("60 31 c0 31 ff 61 f4");
    expect([b.get("rax"), b.get("rdi"), b.get("rsp"), b.peek32(STACK0 - 20)]).toEqual([0x11111111, 0x77777777, STACK0, STACK0]);
    b.start("real").set("rax", 0x1234);
    b.run("60 31 c0 61 f4");
    expect([b.get("rax"), b.get("rsp")]).toEqual([0x1234, STACK0]);
  });
  it("uses SP only when SS is a 16-bit segment", () => {
    b.start("protected").setDescriptor(FREE, descriptor(0x92, 0, 0, 0xffff));
    b.set("rax", FREE);
    b.set("rsp", 0xabcd6004);
    b.run("8e d0 50 58 50 f4");
    expect([b.get("rsp"), b.peek32(0x6000)]).toEqual([0xabcd6000, FREE]);
  });
  it("ENTER copies display pointers, LEAVE drops the frame", () => {
    b.start("protected").set("rbp", STACK0 - 0x40);
    b.poke32(STACK0 - 0x44, 0xd1);
    b.run("c8 10 00 02 f4");
    expect([b.get("rbp"), b.get("rsp")]).toEqual([STACK0 - 4, STACK0 - 4 - 8 - 0x10]);
    expect([b.peek32(STACK0 - 4), b.peek32(STACK0 - 8), b.peek32(STACK0 - 12)]).toEqual([STACK0 - 0x40, 0xd1, STACK0 - 4]);
    b.set("rip", CODE);
    b.resume("c9 f4");
    expect([b.get("rbp"), b.get("rsp")]).toEqual([STACK0 - 0x40, STACK0]);
  });
  it.each([
    ["CPL 0 changes IOPL and IF", 0 as const, 0x3202, 0x3202],
    ["CPL 3 changes neither", 3 as const, 0x3202 | 0x200000, 0x200002],
  ])("POPF: %s", (_, cpl, value, result) => {
    b.start("protected", cpl).set("rax", value);
    b.run("50 9d 90", 3);
    expect(b.get("rflags")).toBe(result);
    expect(b.get("rsp")).toBe(cpl ? STACK3 : STACK0);
  });
});

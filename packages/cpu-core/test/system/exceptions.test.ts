/** Exceptions, interrupts and their frames, in every mode. */
import { beforeAll, describe, expect, it } from "vitest";
import * as L from "../../src/layout.js";
import { Bench, CODE, descriptor, gate, HANDLERS, IST1, STACK0, STACK3, TSS, WINDOW } from "./bench.js";

let b: Bench;
beforeAll(async () => {
  b = await Bench.create();
});

describe("protected mode", () => {
  it("pushes EFLAGS, CS, EIP for INT n and clears IF for an interrupt gate", () => {
    b.start("protected").set("rflags", 0x202);
    const o = b.run("cd 80");
    expect(o.vector).toBe(0x80);
    expect(o.frame.slice(0, 3)).toEqual([CODE + 2, 8, 0x202]);
    expect(b.get("rflags")).toBe(0x2);
  });
  it("leaves IF through a trap gate", () => {
    b.start("protected").set("rflags", 0x202);
    b.setGate(0x80, gate(8, HANDLERS + 0x800, 0x8f));
    b.run("cd 80");
    expect(b.get("rflags")).toBe(0x202);
  });
  it("pushes the error code and RF for a fault", () => {
    const o = b.start("protected").run("b8 80 00 00 00 8e d8"); // mov ds, 0x80
    expect(o.vector).toBe(13);
    expect(o.frame.slice(0, 4)).toEqual([0x80, CODE + 5, 8, 0x10002]);
  });
  it("switches to SS0:ESP0 from CPL 3 and pushes the old SS:ESP", () => {
    const o = b.start("protected", 3).run("cd 80");
    expect(o.vector).toBe(0x80);
    expect(o.frame.slice(0, 5)).toEqual([CODE + 2, 0x1b, 0x2, STACK3, 0x23]);
    expect(b.get("rsp")).toBe(STACK0 - 20);
    expect(b.word(L.CPL)).toBe(0);
    expect(b.selector("ss")).toBe(0x10);
  });
  it("refuses INT n through a gate of lower DPL with the gate's number", () => {
    const o = b.start("protected", 3).run("cd 21");
    expect(o.vector).toBe(13);
    expect(o.frame[0]).toBe(0x21 * 8 + 2);
    expect(o.frame[1]).toBe(CODE);
  });
  it.each([
    ["absent gate", gate(8, 0, 0x0e), 11, 0x20 * 8 + 2],
    ["gate of an unknown type", gate(8, 0, 0x80), 13, 0x20 * 8 + 2],
    ["null code selector", gate(0, 0, 0x8e), 13, 0],
    ["data segment", gate(0x10, 0, 0x8e), 13, 0x10],
    ["selector beyond the GDT", gate(0x2000, 0, 0x8e), 13, 0x2000],
  ])("reports %s", (_, entry, vector, error) => {
    b.start("protected").setGate(0x20, entry);
    const o = b.run("cd 20");
    expect([o.vector, o.frame[0]]).toEqual([vector, error]);
  });
  it("sets EXT when an external interrupt's delivery faults", () => {
    b.start("protected").setGate(0x20, gate(8, 0, 0x0e));
    b.set("rflags", 0x202);
    b.vectors.push(0x20);
    b.vcpu.setInterruptRequest(true);
    const o = b.run("90 f4");
    expect([o.vector, o.frame[0], o.frame[1]]).toEqual([11, 0x20 * 8 + 3, CODE]);
  });
  it("reports a bad inner stack with #TS", () => {
    b.start("protected", 3).poke32(TSS + 8, 0x23); // RPL 3 instead of 0
    b.setGate(10, gate(0x1b, HANDLERS + 160, 0x8e)); // the only handler that still works: at CPL 3
    b.code(HANDLERS + 160, "eb fe");
    const o = b.run("cd 80");
    expect([o.rip, o.frame[0], o.frame[1]]).toEqual([HANDLERS + 160, 0x20, CODE]);
  });
  it("turns #GP during #GP delivery into #DF with error code 0", () => {
    b.start("protected").setGate(13, gate(0x10, 0, 0x8e));
    const o = b.run("b8 80 00 00 00 8e d8");
    expect([o.vector, o.frame[0], o.frame[1]]).toEqual([8, 0, CODE + 5]);
  });
  it("shuts down when the double fault cannot be delivered", () => {
    b.start("protected").setGate(13, 0n);
    b.setGate(8, 0n);
    expect(b.run("b8 80 00 00 00 8e d8").exit).toBe("shutdown");
  });
  it("delivers #UD whose delivery raises #NP as #NP: benign first faults do not double", () => {
    b.start("protected").setGate(6, gate(8, 0, 0x0e));
    const o = b.run("0f 0b");
    expect([o.vector, o.frame[0], o.frame[1]]).toEqual([11, 6 * 8 + 3, CODE]);
  });
  it("uses 16-bit frames for a 16-bit gate", () => {
    b.start("protected").setGate(0x20, gate(8, HANDLERS + 0x200, 0x86));
    const o = b.run("cd 20");
    expect(o.vector).toBe(0x20);
    expect(b.get("rsp")).toBe(STACK0 - 6);
    expect(b.peek32(STACK0 - 6)).toBe((8 << 16) | (CODE + 2));
  });
});

describe("long mode", () => {
  it("pushes SS:RSP always and aligns the stack", () => {
    b.start("long").set("rsp", STACK0 - 4);
    const o = b.run("cd 80");
    expect(o.vector).toBe(0x80);
    expect(o.frame.slice(0, 5)).toEqual([CODE + 2, 8, 2, STACK0 - 4, 0x10]);
    expect(b.get("rsp")).toBe(STACK0 - 16 - 40);
  });
  it("takes RSP0 and a null SS from CPL 3", () => {
    const o = b.start("long", 3).run("cd 80");
    expect(o.frame.slice(0, 5)).toEqual([CODE + 2, 0x1b, 2, STACK3, 0x23]);
    expect(b.selector("ss")).toBe(0);
    expect(b.get("rsp")).toBe(STACK0 - 40);
  });
  it("takes the IST stack at the same level too", () => {
    b.start("long").setGate(0x80, gate(8, HANDLERS + 0x800, 0x8e, 1));
    b.run("cd 80");
    expect(b.get("rsp")).toBe(IST1 - 40);
  });
  it("reports #PF with CR2 and the error code", () => {
    b.start("long", 3);
    const o = b.run(`a1 ${"00 00 40 00 00 00 00 00"}`); // mov eax, [WINDOW]
    expect([o.vector, o.frame[0], o.frame[1], b.get("cr2")]).toEqual([14, 4, CODE, WINDOW]);
  });
  it("raises #GP for a gate to code that is not 64-bit", () => {
    b.start("long").setDescriptor(0x38, descriptor(0x9b, 0xc));
    b.setGate(0x20, gate(0x38, HANDLERS, 0x8e));
    const o = b.run("cd 20");
    expect([o.vector, o.frame[0]]).toEqual([13, 0x38]);
  });
});

describe("real mode", () => {
  it("pushes FLAGS, CS, IP through the vector table", () => {
    b.start("real").set("rflags", 0x202);
    const o = b.run("cd 21");
    expect(o.vector).toBe(0x21);
    expect(o.frame.slice(0, 3)).toEqual([CODE + 2, 0, 0x202]);
    expect(b.get("rflags") & 0x200).toBe(0);
  });
  it("shuts down when the table is too short for #DF", () => {
    b.start("real").vcpu.registers.setTable("idtr", { base: 0n, limit: 3 });
    expect(b.run("cd 21").exit).toBe("shutdown");
  });
});

describe("IRET", () => {
  const frame32 = (...words: number[]): string =>
    words
      .toReversed()
      .map(
        (w) =>
          `68 ${(w & 255).toString(16).padStart(2, "0")} ${((w >> 8) & 255).toString(16).padStart(2, "0")} ${((w >> 16) & 255).toString(16).padStart(2, "0")} ${((w >>> 24) & 255).toString(16).padStart(2, "0")}`,
      )
      .join(" ");
  it("returns to CPL 3 with SS:ESP, nulling segments that CPL 3 may not use", () => {
    b.start("protected").code(0x9000, "cd 80");
    const o = b.run(`${frame32(0x9000, 0x1b, 0x3202, STACK3, 0x23)} cf`);
    expect(o.vector).toBe(0x80);
    expect(o.frame.slice(0, 5)).toEqual([0x9002, 0x1b, 0x3202, STACK3, 0x23]);
    expect(b.selector("ds")).toBe(0);
  });
  it("keeps IOPL and IF out of reach of CPL 3", () => {
    b.start("protected", 3).code(0x9000, "cd 80");
    const o = b.run(`${frame32(0x9000, 0x1b, 0x3202)} cf`);
    expect(o.frame.slice(0, 3)).toEqual([0x9002, 0x1b, 0x2]);
  });
  it.each([
    ["a null CS", 0, 0],
    ["a more privileged CS", 0x08, 0x08],
    ["a data segment as CS", 0x23, 0x20],
    ["a CS beyond the table", 0x7ffb, 0x7ff8],
  ])("refuses %s", (_, cs, error) => {
    const o = b.start("protected", 3).run(`${frame32(0x9000, cs, 2)} cf`);
    expect([o.vector, o.frame[0]]).toEqual([13, error]);
    expect(o.frame[4]).toBe(STACK3 - 12);
  });
  it("leaves the upper half of ESP when the new stack is a 16-bit one", () => {
    b.start("protected").setDescriptor(0x38, descriptor(0xf3, 0, 0, 0xffff));
    b.code(0x9000, "cd 80");
    const o = b.run(`${frame32(0x9000, 0x1b, 2, 0xdead6000, 0x3b)} cf`);
    expect(o.frame[3]! & 0xffff).toBe(0x6000);
    expect(o.frame[3]! >>> 16).toBe(0);
  });
  it("enters virtual-8086 mode and an interrupt leaves it with the data segments on the stack", () => {
    b.start("protected").code(0x9000, "cd 80");
    const o = b.run(`${frame32(0x0, 0x900, 0x23002, 0x100, 0x680, 0x11, 0x22, 0x33, 0x44)} cf`);
    expect(o.vector).toBe(0x80);
    expect(o.frame.slice(0, 9)).toEqual([2, 0x900, 0x23002, 0x100, 0x680, 0x11, 0x22, 0x33, 0x44]);
    expect(b.selector("ds")).toBe(0);
  });
  it("raises #GP in virtual-8086 mode for INT n when IOPL is below 3", () => {
    b.start("protected").code(0x9000, "cd 80");
    const o = b.run(`${frame32(0x0, 0x900, 0x20002, 0x100, 0x680, 0, 0, 0, 0)} cf`);
    expect([o.vector, o.frame[0], o.frame[1]]).toEqual([13, 0, 0]);
  });
  it("unblocks NMI", () => {
    b.start("protected").setWord(L.NMI_BLOCKED, 1);
    b.code(0x9000, "90 f4");
    b.vcpu.raiseNmi();
    const o = b.run(`${frame32(0x9000, 8, 2)} cf`);
    expect([o.vector, o.frame[0]]).toEqual([2, 0x9000]);
    expect(b.word(L.NMI_BLOCKED)).toBe(1);
  });
});

describe("interrupts and shadows", () => {
  const request = (vector: number): void => {
    b.vectors.push(vector);
    b.vcpu.setInterruptRequest(true);
  };
  it.each([
    ["STI delays an interrupt by one instruction", "fb 40 40 f4", CODE + 2, 2],
    ["MOV SS delays it as well", "8e d0 40 40 f4", CODE + 3, 0x202],
  ])("%s", (_, hex, rip, flags) => {
    b.start("protected").set("rflags", flags);
    b.set("rax", 0x10);
    if (flags === 2) request(0x30);
    else b.code(CODE, hex);
    if (flags !== 2) {
      b.vcpu.run(1);
      request(0x30);
      b.setWord(L.SHADOW, L.SHADOW_MOV_SS);
    }
    const o = flags === 2 ? b.run(hex) : b.run();
    expect([o.vector, o.frame[0]]).toEqual([0x30, rip]);
  });
  it("wakes from HLT and returns to the next instruction", () => {
    b.start("protected").set("rflags", 0x202);
    expect(b.run("f4 90").exit).toBe("halted");
    request(0x31);
    const o = b.run();
    expect([o.vector, o.frame[0]]).toEqual([0x31, CODE + 1]);
  });
  it("single-steps with TF, after each instruction, and INT n does not step into the handler", () => {
    b.start("protected").set("rflags", 0x102);
    let o = b.run("40 40 f4");
    expect([o.vector, o.frame[0], o.frame[2]]).toEqual([1, CODE + 1, 0x102]);
    expect(Number(b.word(L.DR + 48) & 0x4000)).toBe(0x4000);
    b.start("protected").set("rflags", 0x102);
    o = b.run("cd 80");
    expect([o.vector, o.frame[0]]).toEqual([0x80, CODE + 2]);
  });
  it("stops before an instruction breakpoint, and RF passes it", () => {
    b.start("protected").setWord(L.DR, CODE + 1);
    b.run("0f 23 f8 90", 0);
    b.set("rax", 0x1);
    b.setWord(L.DR, CODE + 4);
    const o = b.run("0f 23 f8 40 40 f4");
    expect([o.vector, o.frame[0]]).toEqual([1, CODE + 4]);
    expect(b.word(L.DR + 48) & 0xf).toBe(1);
  });
  it("traps after a store to a watched address", () => {
    b.start("protected").set("rax", 0xd0001); // DR0: write, 4 bytes
    b.setWord(L.DR, 0xa000);
    const o = b.run("0f 23 f8 a3 00 a0 00 00 40 f4");
    expect([o.vector, o.frame[0]]).toEqual([1, CODE + 8]);
    expect(b.peek32(0xa000)).toBe(0xd0001);
  });
});

/** Far transfers, call gates and hardware tasks. */
import { beforeAll, describe, expect, it } from "vitest";
import * as L from "../../src/layout.js";
import { Bench, CODE, descriptor, gate, GDT, HANDLERS, SELECTOR, STACK0, STACK3, TSS } from "./bench.js";

let b: Bench;
beforeAll(async () => {
  b = await Bench.create();
});
const FREE = SELECTOR.free,
  TARGET = 0x9000,
  TSS2 = 0x3800;
const word = (n: number): string => `${(n & 255).toString(16).padStart(2, "0")} ${((n >> 8) & 255).toString(16).padStart(2, "0")}`;
const far = (opcode: string, selector: number, offset: number): string =>
  `${opcode} ${word(offset)} ${word(offset >>> 16)} ${word(selector)}`;
const JMP = "ea",
  CALL = "9a";

describe("far jumps", () => {
  it.each([
    ["non-conforming code", 0x9a, FREE, undefined, 0],
    ["non-conforming code with RPL above CPL", 0x9a, FREE | 3, 13, FREE],
    ["code of another level", 0xfa, FREE | 3, 13, FREE],
    ["absent code", 0x1a, FREE, 11, FREE],
    ["a data segment", 0x92, FREE, 13, FREE],
    ["an LDT", 0x82, FREE, 13, FREE],
    ["null", 0x9a, 0, 13, 0],
  ])("to %s", (_, access, selector, vector, error) => {
    b.start("protected").setDescriptor(FREE, descriptor(access));
    b.code(TARGET, "f4");
    const o = b.run(far(JMP, selector, TARGET));
    expect(o.vector).toBe(vector);
    if (vector === undefined) expect([o.rip, b.selector("cs")]).toEqual([TARGET + 1, selector]);
    else expect([o.frame[0], o.frame[1]]).toEqual([error, CODE]);
  });
  it("to conforming code of a more privileged level keep CPL", () => {
    b.start("protected", 3).setDescriptor(FREE, descriptor(0x9e));
    b.code(TARGET, "cd 80");
    const o = b.run(far(JMP, FREE, TARGET));
    expect([o.vector, o.frame[1]]).toEqual([0x80, FREE | 3]);
  });
  it("beyond the limit are #GP(0)", () => {
    b.start("protected").setDescriptor(FREE, descriptor(0x9a, 4, 0, 0xfff));
    const o = b.run(far(JMP, FREE, TARGET));
    expect([o.vector, o.frame[0]]).toEqual([13, 0]);
  });
  it("take a 16-bit offset with a 16-bit operand, and work in real mode", () => {
    b.start("real").code(0x10234, "f4");
    const o = b.run(`ea ${word(0x0234)} ${word(0x1000)}`);
    expect([o.rip, b.selector("cs")]).toEqual([0x10235, 0x1000]);
  });
  it("to code with L and D are #GP in long mode, to L = 0 enter compatibility mode", () => {
    b.start("long").setDescriptor(FREE, descriptor(0x9a, 0xe));
    b.poke32(0xa000, TARGET, FREE);
    expect(b.run("ff 2c 25 00 a0 00 00 f4").vector).toBe(13);
    b.start("long").setDescriptor(FREE, descriptor(0x9a, 0xc));
    b.poke32(0xa000, TARGET, FREE);
    b.code(TARGET, "40 f4"); // inc eax there, a REX prefix here
    b.run("ff 2c 25 00 a0 00 00 f4");
    expect([b.get("rax"), b.word(L.MODE) & L.MODE_64]).toEqual([1, 0]);
  });
});

describe("far calls and returns", () => {
  it("push CS:EIP and come back with RETF n", () => {
    b.start("protected").setDescriptor(FREE, descriptor(0x9a));
    b.code(TARGET, "ca 08 00");
    const o = b.run(`6a 01 6a 02 ${far(CALL, FREE, TARGET)} f4`);
    expect([o.vector, o.rip, b.get("rsp"), b.selector("cs")]).toEqual([undefined, CODE + 12, STACK0, 8]);
  });
  it("through a 32-bit call gate switch stacks and copy parameters; RETF n goes back out", () => {
    b.start("protected", 3).setDescriptor(FREE, gate(8, TARGET, 0xec, 2));
    b.code(TARGET, "8b 4c 24 08 ca 08 00"); // mov ecx,[esp+8]; retf 8
    const o = b.run(`6a 01 6a 02 ${far(CALL, FREE, 0)} cd 80`);
    expect([o.vector, b.get("rcx")]).toEqual([0x80, 2]);
    expect(o.frame.slice(0, 5)).toEqual([CODE + 13, 0x1b, 2, STACK3, 0x23]);
  });
  it.each([
    ["a gate below CPL", gate(8, TARGET, 0x8c), 13, FREE],
    ["an absent gate", gate(8, TARGET, 0x6c), 11, FREE],
    ["a gate to data", gate(0x10, TARGET, 0xec), 13, 0x10],
    ["a gate to null", gate(0, TARGET, 0xec), 13, 0],
  ])("through %s fault", (_, entry, vector, error) => {
    b.start("protected", 3).setDescriptor(FREE, entry);
    const o = b.run(far(CALL, FREE, 0));
    expect([o.vector, o.frame[0], o.frame[1]]).toEqual([vector, error, CODE]);
  });
  it("through a 64-bit call gate push SS:RSP and CS:RIP on RSP0", () => {
    b.start("long", 3).setDescriptor(FREE, gate(8, TARGET, 0xec));
    b.poke64(GDT + FREE + 8, 0n);
    b.poke32(0xa000, 0, FREE | 3);
    b.code(TARGET, "f4");
    const o = b.run("ff 1c 25 00 a0 00 00");
    expect([o.rip, b.selector("ss")]).toEqual([TARGET + 1, 0]);
    expect(o.frame.slice(0, 4)).toEqual([CODE + 7, 0x1b, STACK3, 0x23]);
  });
  it("RETF to a lower level needs a good stack segment", () => {
    b.start("protected").code(CODE, `6a 10 68 00 60 00 00 6a 1b 68 00 90 00 00 cb`);
    const o = b.run();
    expect([o.vector, o.frame[0]]).toEqual([13, 0x10]);
  });
});

describe("software interrupts and BOUND", () => {
  it.each([
    ["INT3", "cc", 3, CODE + 1],
    ["INTO with OF", "b0 7f fe c0 ce", 4, CODE + 5],
    ["INT1", "f1", 1, CODE + 1],
    ["BOUND outside", "62 05 00 a0 00 00", 5, CODE],
  ])("%s", (_, hex, vector, rip) => {
    b.start("protected").poke32(0xa000, 1, 5);
    const o = b.run(`${hex} f4`);
    expect([o.vector, o.frame[0]]).toEqual([vector, rip]);
  });
  it("INTO without OF and BOUND inside go on", () => {
    b.start("protected").poke32(0xa000, 0xffffffff, 5);
    expect(b.run("ce 62 05 00 a0 00 00 f4").vector).toBeUndefined();
  });
});

describe("hardware tasks", () => {
  /** A second 32-bit task at TARGET. */
  const task = (access = 0x89): void => {
    b.setDescriptor(FREE, descriptor(access, 0, TSS2, 0x67));
    b.poke32(TSS2 + 28, 0, TARGET, 0x2);
    b.poke32(TSS2 + 40, 0xa, 0xc, 0xd, 0xb, 0x6000, 0xbb, 0x51, 0xd1);
    b.poke32(TSS2 + 72, 0x10, 8, 0x10, 0x10, 0, 0, 0, 0);
    b.code(TARGET, "f4");
  };
  it("CALL saves the old task, links it and sets NT; IRET returns", () => {
    b.start("protected");
    task();
    b.set("rax", 0x1111);
    let o = b.run(`${far(CALL, FREE, 0)} f4`);
    expect([o.rip, b.get("rax"), b.get("rsp"), b.get("rflags") & 0x4000]).toEqual([TARGET + 1, 0xa, 0x6000, 0x4000]);
    expect([b.peek32(TSS + 32), b.peek32(TSS + 40), b.peek32(TSS2), b.selector("tr")]).toEqual([CODE + 7, 0x1111, SELECTOR.tss, FREE]);
    expect([b.peek8(GDT + FREE + 5), b.peek8(GDT + SELECTOR.tss + 5), b.get("cr0") & 8]).toEqual([0x8b, 0x8b, 8]);
    b.code(TARGET + 1, "cf");
    o = b.resume();
    expect([o.rip, b.get("rax"), b.selector("tr"), b.get("rflags") & 0x4000]).toEqual([CODE + 8, 0x1111, SELECTOR.tss, 0]);
    expect([b.peek8(GDT + FREE + 5), b.peek32(TSS2 + 32)]).toEqual([0x89, TARGET + 2]);
  });
  it("JMP frees the old task and leaves no link", () => {
    b.start("protected");
    task();
    const o = b.run(`${far(JMP, FREE, 0)} f4`);
    expect([o.rip, b.get("rflags") & 0x4000, b.peek8(GDT + SELECTOR.tss + 5), b.peek32(TSS2)]).toEqual([TARGET + 1, 0, 0x89, 0]);
  });
  it("a task gate in the IDT pushes the error code on the new stack", () => {
    b.start("protected");
    task();
    b.setGate(13, gate(FREE, 0, 0x85));
    const o = b.run("b8 80 00 00 00 8e d8");
    expect([o.rip, b.get("rsp"), b.peek32(0x5ffc), b.peek32(TSS + 32), b.peek32(TSS + 36) & 0x10000]).toEqual([
      TARGET + 1,
      0x5ffc,
      0x80,
      CODE + 5,
      0x10000,
    ]);
  });
  it.each([
    ["a busy TSS", 0x8b, 13, FREE],
    ["an absent TSS", 0x09, 11, FREE],
  ])("refuses %s", (_, access, vector, error) => {
    b.start("protected");
    task(access);
    const o = b.run(far(JMP, FREE, 0));
    expect([o.vector, o.frame[0], o.frame[1]]).toEqual([vector, error, CODE]);
  });
  it("reports a bad segment of the new task there, with #TS", () => {
    b.start("protected");
    task();
    b.poke32(TSS2 + 84, 0x8); // DS: code, which is readable
    b.poke32(TSS2 + 72, SELECTOR.tss); // ES: a system segment
    const o = b.run(far(JMP, FREE, 0));
    expect([o.vector, o.frame[0], o.frame[1], b.selector("tr")]).toEqual([10, SELECTOR.tss, TARGET, FREE]);
  });
  it("the T bit traps before the first instruction", () => {
    b.start("protected");
    task();
    b.poke32(TSS2 + 100, 1);
    const o = b.run(far(JMP, FREE, 0));
    expect([o.vector, o.frame[0], b.word(L.DR + 48) & 0x8000]).toEqual([1, TARGET, 0x8000]);
  });
  it("switches to and from a 16-bit task", () => {
    b.start("protected").setDescriptor(FREE, descriptor(0x81, 0, TSS2, 0x2b));
    b.setDescriptor(0x40, descriptor(0x9a, 0, 0, 0xffff));
    b.poke32(TSS2 + 12, TARGET << 16, 0x000a0002, 0, 0, (0x6000 << 16) >>> 0);
    b.core.guestMemory.writeU16((TSS2 + 26) as never, 0x6000);
    for (const [i, s] of [0x10, 0x40, 0x10, 0x10, 0].entries()) b.core.guestMemory.writeU16((TSS2 + 34 + i * 2) as never, s);
    b.code(TARGET, "f4 cf");
    let o = b.run(`${far(CALL, FREE, 0)} f4`);
    expect([o.rip, b.get("rax"), b.selector("cs")]).toEqual([TARGET + 1, 0xa, 0x40]);
    o = b.resume();
    expect([o.rip, b.selector("cs")]).toEqual([CODE + 8, 8]);
  });
  it("handlers are where the tests think", () => {
    b.start("protected");
    expect(b.run("0f 0b").rip).toBe(HANDLERS + 6 * 16 + 1);
  });
});

/** Where a branch may not go, and how far a code segment reaches: faults of the branch itself, and of the instruction that crosses the limit. */
import { beforeAll, describe, expect, it } from "vitest";
import { Bench, CODE, descriptor, gate, SELECTOR, STACK0, STACK3 } from "./bench.js";

let b: Bench;
beforeAll(async () => {
  b = await Bench.create();
});
const HOLE = 0x1111_1111_1111_1110n;

describe("a target that is not canonical faults the branch, which has done nothing", () => {
  it.each([
    ["JMP r", "ff e0", 0],
    ["JMP m", "ff 24 25 00 a0 00 00", 0],
    ["CALL r", "ff d0", 0],
    ["CALL m", "ff 14 25 00 a0 00 00", 0],
    ["RET", "c3", 0],
    ["RET n", "c2 10 00", 0],
  ])("%s", (_, hex) => {
    for (const cpl of [0, 3] as const) {
      b.start("long", cpl);
      const sp = cpl ? STACK3 : STACK0;
      b.poke64(sp, HOLE);
      b.poke64(sp - 8, 0x77n);
      b.poke64(0xa000, HOLE);
      b.set("rax", HOLE);
      const o = b.run(`90 ${hex}`);
      expect([o.vector, o.frame[0], o.frame[1]]).toEqual([13, 0, CODE + 1]);
      expect(o.frame[4], "RSP").toBe(sp);
      if (cpl) expect(b.peek32(sp - 8), "below the stack").toBe(0x77);
    }
  });
  it("retires as many instructions whatever the slices are", () => {
    const counts = [1, 2, 3, 1000].map((slice) => {
      b.start("long").code(CODE, "90 90 ff e0");
      b.set("rax", HOLE);
      const before = b.vcpu.retired;
      for (let i = 0; i < 10; i++) if (b.vcpu.run(slice) === "halted") break;
      return b.vcpu.retired - before;
    });
    expect(counts).toEqual([3, 3, 3, 3]); // two NOPs and the handler's HLT
  });
});

describe("a target beyond the limit of CS", () => {
  const LIMIT = 0xfff;
  /** Runs `hex` at `at` in 32-bit code of 4 KiB at base CODE. */
  const limited = (hex: string, at = 0): ReturnType<Bench["run"]> => {
    b.start("protected").setDescriptor(SELECTOR.free, descriptor(0x9b, 4, CODE, LIMIT));
    b.vcpu.registers.setSegment("cs", { selector: SELECTOR.free, base: BigInt(CODE), limit: LIMIT, access: 0x409b });
    b.set("rip", at);
    b.set("rcx", 5);
    b.code(CODE + at, hex);
    return b.run();
  };
  it.each([
    ["JMP rel", "e9 fb 0f 00 00"],
    ["Jcc rel", "0f 89 fa 0f 00 00"],
    ["JMP r", "b8 00 10 00 00 ff e0", 5],
    ["CALL rel", "e8 fb 0f 00 00"],
    ["CALL r", "b8 00 10 00 00 ff d0", 5],
    ["RET", "68 00 10 00 00 c3", 5, -4],
    ["RET n", "68 00 10 00 00 c2 08 00", 5, -4],
  ])("faults %s", (_, hex, at = 0, pushed = 0) => {
    const o = limited(hex as string);
    expect([o.vector, o.frame[0], o.frame[1], o.frame[2]]).toEqual([13, 0, at, SELECTOR.free]);
    expect(b.get("rsp") + 16).toBe(STACK0 + (pushed as number));
  });
  it("faults LOOP, which keeps its count", () => {
    const o = limited("e2 7e", 0xff0);
    expect([o.vector, o.frame[1], b.get("rcx")]).toEqual([13, 0xff0, 5]);
  });
  it("faults the instruction that crosses it, and runs those before", () => {
    const o = limited("40 40 40 40 05 01 00 00 00", 0xffa); // four INC, then ADD EAX, imm32 over the limit
    expect([o.vector, o.frame[1], b.get("rax")]).toEqual([13, 0xffe, 4]);
  });
  it("runs the instruction that ends at it; the next one faults", () => {
    const o = limited("40 05 01 00 00 00", 0xffa);
    expect([o.vector, o.frame[1], b.get("rax")]).toEqual([13, 0x1000, 2]);
  });
  it("is seen again when the block is known from a larger segment", () => {
    b.start("protected").code(CODE + 0xffa, "40 40 40 40 05 01 00 00 00 f4");
    b.set("rip", CODE + 0xffa);
    b.run();
    expect(b.get("rax")).toBe(5);
    b.vcpu.registers.setSegment("cs", { selector: 8, base: BigInt(CODE), limit: LIMIT, access: 0x409b });
    b.set("rip", 0xffa);
    expect([b.resume().vector, b.get("rax")]).toEqual([13, 9]);
  });
  it("ends real-mode code at 64 KiB: IP does not wrap", () => {
    b.start("real").code(0x1fffe, "40 40");
    b.vcpu.registers.setSegment("cs", { selector: 0x1000, base: 0x10000n, limit: 0xffff, access: 0x9b });
    b.set("rip", 0xfffe);
    const o = b.run();
    expect([o.vector, o.frame[1], b.get("rax")]).toEqual([13, 0x1000, 2]);
  });
});

describe("VEX in 16-bit code", () => {
  it("is VEX in protected mode, LES of a register (#UD) in real mode", () => {
    const andn = "c4 e2 60 f2 c1 f4"; // andn eax, ebx, ecx
    b.start("protected").code(CODE, andn);
    b.vcpu.registers.setSegment("cs", { selector: 8, base: 0n, limit: 0xffff, access: 0x9b });
    b.set("rbx", 0x0f0f);
    b.set("rcx", 0xffff);
    expect([b.run().vector, b.get("rax")]).toEqual([undefined, 0xf0f0]);
    expect(b.start("real").run(andn).vector).toBe(6);
  });
});

describe("a task whose segments are bad", () => {
  const TSS2 = 0x3800,
    TASK = 0x9000;
  /** A task whose DS names no descriptor, behind the gate of `vector`. */
  const badTask = (vector: number): void => {
    b.start("protected").setDescriptor(SELECTOR.free, descriptor(0x89, 0, TSS2, 0x67));
    b.poke32(TSS2 + 28, 0, TASK, 2);
    b.poke32(TSS2 + 56, 0x6000);
    b.poke32(TSS2 + 72, 0x10, 8, 0x10, 0x1f0, 0, 0, 0, 0);
    b.setGate(vector, gate(SELECTOR.free, 0, 0x85));
  };
  it.each([
    ["INT n is #TS of the new task", 0x50, "cd 50", 10, 0x1f0],
    ["#UD is too, with EXT", 6, "0f 0b", 10, 0x1f1],
    ["#DE becomes a double fault", 0, "31 c9 f7 f1", 8, 0],
  ])("%s", (_, vector, hex, then, error) => {
    badTask(vector);
    const o = b.run(hex);
    expect([o.vector, o.frame[0], o.frame[1], b.selector("tr")]).toEqual([then, error, TASK, SELECTOR.free]);
  });
});

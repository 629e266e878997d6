/** Decoded code and what makes it stale: stores, DMA, remapping; what must not: stores beside it, other address spaces. Budgets and steps. */
import { beforeEach, describe, expect, it } from "vitest";
import * as L from "../../src/layout.js";
import { Bench, CODE, FRAMES, HANDLERS, WINDOW } from "../system/bench.js";

const PRESENT = 7n;
/** Tables of a second address space: the same first 2 MiB, a window of its own. */
const ROOT2 = 0x14000,
  PDPT2 = 0x15000,
  PD2 = 0x16000,
  PAGES2 = 0x17000;
const frame = (n: number): number => FRAMES + n * 0x1000;
const le32 = (value: number): string =>
  Array.from({ length: 4 }, (_, i) => ((value >>> (i * 8)) & 0xff).toString(16).padStart(2, "0")).join("");

let b: Bench;
const stats = (): Record<string, number> => b.core.stats();
/** What `action` adds to a counter. */
function added(name: "blocksDecoded" | "blocksDropped" | "codeFlushes", action: () => void): number {
  const before = stats()[name]!;
  action();
  return stats()[name]! - before;
}
/** Runs from `rip` to a HLT. */
function go(rip: number, budget = 100_000): void {
  b.set("rip", rip);
  b.setWord(L.HALTED, 0);
  const outcome = b.run(undefined, budget);
  expect(outcome.exit).toBe("halted");
  expect(outcome.vector).toBe(undefined);
}
function secondAddressSpace(): void {
  b.poke64(ROOT2, BigInt(PDPT2) | PRESENT);
  b.poke64(PDPT2, BigInt(PD2) | PRESENT);
  b.poke64(PD2, 0x87n);
  b.poke64(PD2 + 16, BigInt(PAGES2) | PRESENT);
}

beforeEach(async () => {
  b = await Bench.create();
  b.start("long");
});

describe("code that writes code", () => {
  it("a store changes an instruction further on in its own block", () => {
    // mov byte [rip+1], 2a; mov eax, 1; hlt
    b.code(CODE, "c605010000002a b801000000 f4");
    go(CODE);
    expect(b.get("rax")).toBe(0x2a);
  });
  it("each turn of a loop sees what the last one wrote", () => {
    // mov [rip+1], dl; mov eax, 0; add ecx, eax; dec dl; jnz back; hlt
    b.code(CODE, "881501000000 b800000000 01c1 feca 75ef f4");
    b.set("rcx", 0);
    b.set("rdx", 10);
    go(CODE);
    expect(b.get("rcx")).toBe(55);
  });
  it("a store through another linear address of the page counts too", () => {
    b.setPage(0, BigInt(frame(0)) | PRESENT);
    b.setPage(1, BigInt(frame(0)) | PRESENT);
    // mov byte [WINDOW+0x1000+9], 5; mov eax, 1; hlt
    b.code(frame(0), `c60425${le32(WINDOW + 0x1009)}05 b801000000 f4`);
    go(WINDOW);
    expect(b.get("rax")).toBe(5);
  });
  it.each([1, 2, 3, 4])("so does one through any of %i addresses that were stored to before there was code", (aliases) => {
    const at = Array.from({ length: aliases }, (_, i) => WINDOW + i * 0x1000);
    for (let i = 0; i < aliases; i++) b.setPage(i, BigInt(frame(0)) | PRESENT);
    // mov byte [address], value
    const stores = (offset: number, value: number): string[] =>
      at.map((page) => `c60425${le32(page + offset)}${value.toString(16).padStart(2, "0")}`);
    b.code(CODE, `${stores(0x800, 1).join("")} f4`);
    go(CODE);
    b.code(frame(0), "b800000000 f4"); // mov eax, 0; hlt
    go(WINDOW);
    stores(1, 7).forEach((store, i) => {
      b.code(CODE + 0x100, `${store} f4`);
      b.poke64(frame(0) + 1, 0xf400000000n);
      go(WINDOW);
      expect(b.get("rax")).toBe(0);
      go(CODE + 0x100);
      go(WINDOW);
      expect(b.get("rax"), `through address ${i}`).toBe(7);
    });
  });
  it("a string instruction over code counts too", () => {
    b.code(CODE, "f3aa b801010101 f4"); // rep stosb; mov eax; hlt
    b.set("rax", 7);
    b.set("rdi", CODE + 3);
    b.set("rcx", 4);
    go(CODE);
    expect(b.get("rax")).toBe(0x07070707);
  });
  it("runs on when the pool of decoded code is full", () => {
    // mov [rip+1], ecx; mov eax, imm32; 40 × nop; dec ecx; jnz back; hlt: a new block each turn
    b.code(CODE, `890d01000000 b800000000 ${"90".repeat(40)} ffc9 75c9 f4`);
    b.set("rcx", 30_000);
    expect(added("codeFlushes", () => go(CODE, 10_000_000))).toBeGreaterThan(0);
    expect(b.get("rax")).toBe(1);
  });
});

describe("links between blocks", () => {
  it.each(["real", "protected", "long"] as const)("each jump leads to its own target: %s", (mode) => {
    b.start(mode);
    // jmp 3; hlt; inc ebx; jnz 8; hlt; jmp 0xb; hlt; dec ecx; jmp 0x11; add [edi], al; hlt
    b.code(CODE, "eb01 f4 ffc3 7501 f4 eb01 f4 ffc9 eb02 0007 f4");
    for (let turn = 1; turn < 4; turn++) {
      b.set("rbx", 0);
      b.set("rcx", 10);
      go(CODE);
      expect([b.get("rip"), b.get("rbx"), b.get("rcx")]).toEqual([CODE + 0x12, 1, 9]);
    }
  });
});

describe("the host and devices write code", () => {
  const writers: Record<string, (address: number) => void> = {
    write: (address) => b.core.guestMemory.write(address as never, Uint8Array.of(9)),
    writeU8: (address) => b.core.guestMemory.writeU8(address as never, 9),
    fill: (address) => b.core.guestMemory.fill(address as never, 1, 9),
  };
  for (const [name, write] of Object.entries(writers)) {
    it(`guestMemory.${name} over an instruction is seen at once`, () => {
      b.code(CODE, "b801000000 f4");
      go(CODE);
      expect(b.get("rax")).toBe(1);
      expect(added("blocksDropped", () => write(CODE + 1))).toBe(1);
      go(CODE);
      expect(b.get("rax")).toBe(9);
    });
  }
  it("a write that spans pages drops the code in each", () => {
    b.code(0x21ff0, "b801000000 f4");
    b.code(0x22000, "b802000000 f4");
    go(0x21ff0);
    go(0x22000);
    expect(added("blocksDropped", () => b.core.guestMemory.fill(0x21f00 as never, 0x200, 0xf4))).toBe(2);
  });
});

describe("what does not touch code", () => {
  it("a store beside code drops nothing, be it in the same 64 bytes", () => {
    // mov [CODE+0x20], eax; mov [CODE+0x800], eax; hlt
    b.code(CODE, `890425${le32(CODE + 0x20)} 890425${le32(CODE + 0x800)} f4`);
    go(CODE);
    const dropped = added("blocksDropped", () => {
      for (let i = 0; i < 100; i++) go(CODE);
    });
    expect(dropped).toBe(0);
  });
  it("running again decodes nothing", () => {
    b.code(CODE, "b801000000 eb00 f4");
    go(CODE);
    expect(added("blocksDecoded", () => go(CODE))).toBe(0);
  });
  it("two address spaces share what they map, at whatever linear address", () => {
    secondAddressSpace();
    b.setPage(0, BigInt(frame(0)) | PRESENT);
    b.poke64(PAGES2 + 5 * 8, BigInt(frame(0)) | PRESENT);
    b.code(frame(0), "ffc0 ffc0 e800000000 58 f4"); // inc eax twice; call next; pop rax: its own address
    go(WINDOW);
    expect(b.get("rax")).toBe(WINDOW + 9);
    b.set("cr3", ROOT2);
    expect(added("blocksDecoded", () => go(WINDOW + 0x5000))).toBe(0);
    expect(b.get("rax")).toBe(WINDOW + 0x5009);
  });
  it("a loop that flips CR3 decodes its code once and reads through each", () => {
    secondAddressSpace();
    b.setPage(0, BigInt(frame(1)) | PRESENT);
    b.poke64(PAGES2, BigInt(frame(2)) | PRESENT);
    b.poke32(frame(1), 1);
    b.poke32(frame(2), 100);
    // mov cr3, rax; add ecx, [WINDOW]; xchg rax, rbx; dec esi; jnz back; hlt
    b.code(CODE, `0f22d8 030c25${le32(WINDOW)} 4893 ffce 75f0 f4`);
    b.set("rax", 0x10000);
    b.set("rbx", ROOT2);
    b.set("rcx", 0);
    b.set("rsi", 2000);
    expect(added("blocksDecoded", () => go(CODE))).toBeLessThan(6);
    expect(b.get("rcx")).toBe(1000 * 101);
  });
});

describe("code across pages", () => {
  const start = WINDOW + 0xffe; // mov eax, imm32: two bytes in the first page, three in the second
  beforeEach(() => {
    b.setPage(0, BigInt(frame(0)) | PRESENT);
    b.setPage(1, BigInt(frame(5)) | PRESENT);
    b.code(frame(0) + 0xffe, "b811");
    b.code(frame(5), "223344 f4");
    go(start);
    expect(b.get("rax")).toBe(0x44332211);
  });
  it("an instruction's second page may change under it", () => {
    b.code(frame(5), "556677");
    go(start);
    expect(b.get("rax")).toBe(0x77665511);
    b.code(frame(0) + 0xfff, "00");
    go(start);
    expect(b.get("rax")).toBe(0x77665500);
  });
  it("its second page may be mapped elsewhere", () => {
    b.code(frame(7), "8899aa f4");
    b.setPage(1, BigInt(frame(7)) | PRESENT);
    go(start);
    expect(b.get("rax")).toBe(0xaa998811);
  });
  it("its second page may be absent: #PF at that page's start", () => {
    b.setPage(1, 0n);
    b.set("rip", start);
    b.setWord(L.HALTED, 0);
    expect(b.run()).toMatchObject({ vector: 14 });
    expect(b.get("cr2")).toBe(WINDOW + 0x1000);
  });
  it("a block ends with its page, and the next page has blocks of its own", () => {
    b.code(frame(0) + 0xff0, "90".repeat(16));
    b.code(frame(5), `${"90".repeat(16)}b803000000 f4`);
    expect(added("blocksDecoded", () => go(WINDOW + 0xff0))).toBe(2);
    expect(b.get("rax")).toBe(3);
    expect(added("blocksDropped", () => b.code(frame(5) + 17, "04"))).toBe(1);
    expect(added("blocksDecoded", () => go(WINDOW + 0xff0))).toBe(1);
    expect(b.get("rax")).toBe(4);
    b.code(frame(6), "b805000000 f4");
    b.setPage(1, BigInt(frame(6)) | PRESENT);
    go(WINDOW + 0xff0);
    expect(b.get("rax")).toBe(5);
  });
});

describe("budgets", () => {
  /** inc eax; push rax; pop rcx; cpuid-free mixture with a call, a short loop and 60 straight instructions. */
  const program = `ffc0 50 59 e802000000 eb3e c3 ${"90".repeat(60)} ebb6`;
  it("run(n) retires exactly n instructions, wherever blocks end", () => {
    b.code(CODE, program);
    for (const n of [1, 2, 3, 5, 7, 30, 47, 48, 49, 50, 63, 64, 65, 100, 1000, 4097]) {
      const before = b.vcpu.retired;
      expect(b.vcpu.run(n)).toBe("budget");
      expect(b.vcpu.retired - before, `run(${n})`).toBe(n);
    }
  });
  it("many small budgets end where one large one does", () => {
    const finish = (budgets: number[]): unknown => {
      b.start("long");
      b.code(CODE, program);
      for (const name of ["rax", "rcx"] as const) b.set(name, 0);
      for (const n of budgets) b.vcpu.run(n);
      return [b.get("rip"), b.get("rax"), b.get("rcx"), b.get("rflags")];
    };
    const whole = finish([5000]);
    expect(finish(new Array(5000).fill(1))).toEqual(whole);
    expect(finish(new Array(100).fill(50))).toEqual(whole);
    expect(finish([4999, 1])).toEqual(whole);
  });
  it("an instruction that faults is not counted, its handler's are", () => {
    b.code(CODE, "90 90 0f0b"); // nop; nop; ud2
    const before = b.vcpu.retired;
    expect(b.run()).toMatchObject({ vector: 6, exit: "halted" });
    expect(b.vcpu.retired - before).toBe(3);
  });
  it("a repeated string instruction is one instruction", () => {
    b.code(CODE, "f3aa f4");
    b.set("rdi", FRAMES);
    b.set("rcx", 5000);
    const before = b.vcpu.retired;
    go(CODE);
    expect(b.vcpu.retired - before).toBe(2);
  });
});

describe("single steps", () => {
  /** The #DB handler counts in R15 and goes on. */
  beforeEach(() => b.code(HANDLERS + 16, "49ffc7 48cf"));
  const step = (rip: number): void => {
    b.set("r15", 0);
    b.set("rflags", 0x102);
    go(rip);
    b.set("rflags", 2);
  };
  /** pushf; and dword [rsp], ~TF; popf; hlt: a step over HLT would wake it. */
  const STOP_STEPPING = "9c 812424fffeffff 9d f4";
  it("trap after each instruction of what also runs as one block", () => {
    b.code(CODE, `ffc0 ffc0 ffc1 9090 ${STOP_STEPPING}`);
    b.set("rax", 0);
    go(CODE);
    step(CODE);
    expect(b.get("rax")).toBe(4);
    expect(b.get("r15")).toBe(8);
    expect(added("blocksDecoded", () => go(CODE))).toBe(0); // the block is still there beside the single ones
    expect(b.get("rax")).toBe(6);
  });
  it("see code that was just written", () => {
    b.code(CODE, `c605010000002a b801000000 ${STOP_STEPPING}`);
    step(CODE);
    expect(b.get("rax")).toBe(0x2a);
    expect(b.get("r15")).toBe(5);
  });
});

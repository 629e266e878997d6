/** SYSCALL, SYSENTER and their returns under both vendors; ports; the instructions about interrupts, halting and FS and GS. */
import { beforeEach, describe, expect, it } from "vitest";
import * as L from "../../src/layout.js";
import { Bench, CODE, STACK3, TSS } from "./bench.js";

const UD = 6,
  GP = 13;
let b: Bench;
const use = async (model?: string): Promise<void> => {
  b = await Bench.create(model);
};
beforeEach(() => use());

const set64 = (offset: number, value: bigint): void => b.view.setBigUint64(L.VCPU_BASE + offset, value, true);
const ENTRY = 0x9000;
function enableSyscall(): void {
  b.set("efer", b.vcpu.registers.get("efer") | 1n);
  set64(L.MSR_STAR, 0x0013_0008_0000_0000n);
  set64(L.MSR_LSTAR, BigInt(ENTRY));
  set64(L.MSR_CSTAR, BigInt(ENTRY + 0x100));
  set64(L.MSR_SFMASK, 0x700n);
}

describe("SYSCALL and SYSRET", () => {
  it("enter LSTAR with flat segments at CPL 0, and come back with RCX and R11", () => {
    b.start("long", 3).set("rflags", 0x246);
    enableSyscall();
    b.code(ENTRY, "f4 48 0f 07");
    b.code(CODE, "0f 05 cd 80");
    b.vcpu.run(10);
    expect([b.get("rip"), b.get("rcx"), b.get("r11"), b.get("rflags"), b.word(L.CPL)]).toEqual([ENTRY + 1, CODE + 2, 0x246, 0x46, 0]);
    expect([b.selector("cs"), b.selector("ss")]).toEqual([8, 0x10]);
    b.setWord(L.HALTED, 0);
    const o = b.run(undefined);
    expect(o.vector).toBe(0x80);
    expect(o.frame.slice(0, 5)).toEqual([CODE + 4, 0x23, 0x246, STACK3, 0x1b]);
  });
  it("are #UD without EFER.SCE", () => {
    expect(b.start("long", 3).run("0f 05").vector).toBe(UD);
  });
  it("SYSCALL from compatibility mode enters CSTAR on AMD and is #UD on Intel", async () => {
    const compatible = (): void => {
      b.start("long", 3).vcpu.registers.setSegment("cs", { selector: 0x1b, base: 0n, limit: 0xffffffff, access: 0xc0fb });
      enableSyscall();
      b.code(ENTRY + 0x100, "f4");
    };
    compatible();
    b.run("0f 05");
    expect(b.get("rip")).toBe(ENTRY + 0x101);
    await use("paravane,vendor=intel");
    compatible();
    expect(b.run("0f 05").vector).toBe(UD);
  });
  it("SYSRET to a non-canonical address faults at CPL 0 on Intel, after the return on AMD", async () => {
    const run = (): number[] => {
      b.start("long");
      enableSyscall();
      b.set("rcx", 1n << 47n);
      b.set("r11", 2);
      const o = b.run("48 0f 07");
      return [o.vector ?? -1, o.frame[2]! & 3]; // behind the error code and RIP: CS
    };
    expect(run()).toEqual([GP, 3]);
    await use("paravane,vendor=intel");
    expect(run()).toEqual([GP, 0]);
  });
});

describe("SYSENTER and SYSEXIT", () => {
  const prepare = (): void => {
    set64(L.MSR_SYSENTER_CS, 8n);
    set64(L.MSR_SYSENTER_EIP, BigInt(ENTRY));
    set64(L.MSR_SYSENTER_ESP, 0x6f00n);
    b.code(ENTRY, "f4");
  };
  it("enter the kernel with interrupts off", () => {
    b.start("protected", 3).set("rflags", 0x202);
    prepare();
    b.run("0f 34");
    expect([b.get("rip"), b.get("rsp"), b.get("rflags"), b.selector("cs"), b.selector("ss")]).toEqual([ENTRY + 1, 0x6f00, 2, 8, 0x10]);
  });
  it("return to CPL 3 at EDX with the stack in ECX", () => {
    b.start("protected");
    prepare();
    b.set("rdx", CODE + 0x40);
    b.set("rcx", STACK3);
    b.code(CODE + 0x40, "cd 80");
    const o = b.run("0f 35");
    expect([o.vector, o.frame[1], o.frame[3], o.frame[4]]).toEqual([0x80, 0x1b, STACK3, 0x23]);
  });
  it("need a SYSENTER_CS", () => {
    expect(b.start("protected", 3).run("0f 34").vector).toBe(GP);
  });
  it("are #UD in AMD's long mode and work in Intel's", async () => {
    b.start("long", 3);
    prepare();
    expect(b.run("0f 34").vector).toBe(UD);
    await use("paravane,vendor=intel");
    b.start("long", 3);
    prepare();
    b.run("0f 34");
    expect(b.get("rip")).toBe(ENTRY + 1);
  });
});

describe("ports", () => {
  it("read and write at their sizes and keep the rest of the accumulator", () => {
    b.start("long").set("rax", 0x1122334455667788n);
    b.readPort = (port, size) => (port === 0x60 ? 0x99 : size);
    b.run("e4 60 f4");
    expect(b.vcpu.registers.get("rax")).toBe(0x1122334455667799n);
    b.setWord(L.HALTED, 0);
    b.set("rip", CODE);
    b.set("rdx", 0x3f8);
    b.run("66 ed ef f4");
    expect(b.pio).toEqual(["w4 3f8 55660002"]);
  });
  it("are decided by IOPL, then by the TSS's bitmap", () => {
    const allowed = (port: number, code = "ec cd 80"): boolean => {
      b.setWord(L.HALTED, 0);
      b.set("rip", CODE);
      b.set("rdx", port);
      return b.run(code).vector === 0x80;
    };
    const atUser = (): void => {
      b.start("protected", 3).vcpu.registers.setSegment("tr", { selector: 0x28, base: BigInt(TSS), limit: 0x80, access: 0x8b });
      b.poke32(TSS + 100, 0x680000);
      b.poke32(TSS + 0x68, 0xfffffeff); // ports 0x00-0x1f: 8 is free
    };
    atUser();
    expect(allowed(8)).toBe(true);
    atUser();
    expect(allowed(9)).toBe(false);
    atUser();
    expect(allowed(8, "66 ed cd 80")).toBe(false); // 9 is not
    atUser();
    expect(allowed(0x400)).toBe(false); // beyond the limit
    atUser();
    b.set("rflags", 0x3002);
    expect(allowed(9)).toBe(true);
  });
  it("REP INSB stores each byte; a fault in the middle loses none", () => {
    b.start("long").setPage(0, 0x200000n | 7n);
    let next = 0;
    b.readPort = () => next++;
    b.set("rdi", 0x400ffe);
    b.set("rcx", 4);
    b.set("rdx", 0x1f0);
    const o = b.run("f3 6c f4");
    expect([o.vector, next, b.get("rcx"), b.get("rdi"), b.peek8(0x200fff)]).toEqual([14, 2, 2, 0x401000, 1]);
  });
  it("REP OUTSW writes words from memory", () => {
    b.start("long").poke32(0x9000, 0x22221111);
    b.set("rsi", 0x9000);
    b.set("rcx", 2);
    b.set("rdx", 0x1f0);
    b.run("66 f3 6f f4");
    expect(b.pio).toEqual(["w2 1f0 1111", "w2 1f0 2222"]);
  });
});

describe("flags, halting, bases", () => {
  it("CLI and STI obey IOPL, and PVI gives VIF", () => {
    expect(b.start("protected", 3).run("fa").vector).toBe(GP);
    b.start("protected", 3).set("rflags", 0x3202);
    expect(b.run("fa cd 80").frame[2]! & 0x200).toBe(0);
    b.start("protected", 3).set("cr4", 2);
    expect(b.run("fb cd 80").frame[2]! & 0x80000).toBe(0x80000);
    b.start("protected", 3).set("cr4", 2);
    b.set("rflags", 0x100002); // VIP
    expect(b.run("fb").vector).toBe(GP);
  });
  it("STI lets one more instruction run before an interrupt", () => {
    b.start("protected").vectors.push(0x30);
    b.vcpu.setInterruptRequest(true);
    const o = b.run("fb 40 40 f4"); // sti; inc eax; inc eax
    expect([o.vector, b.get("rax")]).toEqual([0x30, 1]);
  });
  it("HLT is privileged, and leaves RIP behind it", () => {
    expect(b.start("protected", 3).run("f4").vector).toBe(GP);
    expect(b.start("protected").run("f4").exit).toBe("halted");
    expect(b.get("rip")).toBe(CODE + 1);
  });
  it("SWAPGS exchanges, and the FSGSBASE instructions need CR4 and canonical addresses", () => {
    b.start("long").vcpu.registers.setMsr(0xc0000102, 0x1000n);
    b.run("0f 01 f8 f4");
    expect([b.vcpu.registers.segment("gs").base, b.vcpu.registers.msr(0xc0000102)]).toEqual([0x1000n, 0n]);
    expect(b.start("long").run("f3 48 0f ae c0").vector).toBe(UD);
    b.start("long", 3).set("cr4", 0x10620);
    b.set("rax", 0x1234_5678_9abcn);
    b.run("f3 48 0f ae d0 f3 48 0f ae c3 cd 80");
    expect(b.get("rbx")).toBe(0x1234_5678_9abc);
    b.start("long", 3).set("cr4", 0x10620);
    b.set("rax", 1n << 47n);
    expect(b.run("f3 48 0f ae d0").vector).toBe(GP);
  });
  it("STAC and CLAC change AC at CPL 0 and are #UD outside", () => {
    b.start("long").run("0f 01 cb f4");
    expect(b.get("rflags") & 0x40000).toBe(0x40000);
    expect(b.start("long", 3).run("0f 01 cb").vector).toBe(UD);
  });
  it("UD0, UD1, UD2 and an unclaimed VMCALL are #UD", () => {
    for (const code of ["0f 0b", "0f b9 c0", "0f ff c0", "0f 01 c1", "0f 01 d9"]) expect(b.start("long").run(code).vector, code).toBe(UD);
  });
  it("INVPCID checks its type and descriptor", () => {
    const run = (type: number, low: bigint, address = 0n): number | undefined => {
      b.start("long").poke64(0x9000, low);
      b.poke64(0x9008, address);
      b.set("rax", type);
      return b.run("66 0f 38 82 04 25 00 90 00 00 f4").vector;
    };
    expect([run(0, 0n, 0x400000n), run(1, 0n), run(2, 0n), run(3, 0n)]).toEqual([undefined, undefined, undefined, undefined]);
    expect([run(4, 0n), run(0, 0x1000n), run(1, 5n), run(0, 0n, 1n << 47n)]).toEqual([GP, GP, GP, GP]);
  });
});

/** Instructions that a backend has executed, segments that it loads, and operations bound by their inline forms. */
import { type InlineForm, isGuestFault, type Operation } from "../ops/operation.js";
import type { ParavirtOps } from "../ops/index.js";
import { check, same } from "./case.js";
import { type Bench, CODE, program, STACK } from "./core-bench.js";
import { type HandleBody, looped, ROUNDS, runLong, SPIN } from "./handle-bench.js";
import { plainOps } from "./plain-backend.js";

/** An operation with this form, whose calls are noted. */
function formed<Result>(form: InlineForm, result: Result, calls: unknown[][] = []): Operation<readonly never[], Result> {
  return {
    inline: form,
    run: (vcpu, ...args) => {
      calls.push([vcpu.id, ...args]);
      return result;
    },
  };
}

type Changes = { readonly [Group in keyof ParavirtOps]?: Partial<Record<keyof ParavirtOps[Group], Operation<readonly never[], unknown>>> };

/** Binds architectural operations but for `changes`. */
function bind(on: Bench, changes: Changes): void {
  const ops = plainOps();
  const changed = Object.entries(ops).map(([group, slots]) => [group, { ...slots, ...changes[group as keyof ParavirtOps] }]);
  on.core.bind!(Object.fromEntries(changed) as ParavirtOps);
}

const EXIT = { kind: "exit" } as const;
const NOP = { kind: "nop" } as const;

/** Cases by name. */
export const OPERATION_CASES: Readonly<Record<string, HandleBody>> = {
  "execute has an instruction's effect, gives what it reads, and moves nothing else": (on, handle) => {
    program(on, ...SPIN);
    const { registers } = on.vcpu;
    registers.set("rax", 0x1111n);
    registers.set("rcx", 0x2222n);
    registers.set("rdx", 0x3333n);
    same(handle.execute(0, { instruction: "mov-to-cr", index: 2, operand: 0x1234n }), undefined, "mov-to-cr");
    same(handle.execute(0, { instruction: "mov-from-cr", index: 2 }), 0x1234n, "mov-from-cr");
    same(handle.execute(0, { instruction: "mov-to-dr", index: 1, operand: 0x4567n }), undefined, "mov-to-dr");
    same(handle.execute(0, { instruction: "mov-from-dr", index: 1 }), 0x4567n, "mov-from-dr");
    same(handle.execute(0, { instruction: "smsw" }), 0x11n, "smsw");
    same(handle.execute(0, { instruction: "wrmsr", index: 0x174, operand: 0x77n }), undefined, "wrmsr");
    same([handle.execute(0, { instruction: "rdmsr", index: 0x174 }), registers.msr(0x174)], [0x77n, 0x77n], "rdmsr");
    same(handle.execute(0, { instruction: "out", index: 0x80, operand: 0x12n }), undefined, "out");
    same(handle.execute(0, { instruction: "in", index: 0x90, bits: 16 }), 0x5a5an, "in");
    same(on.log, ["out 80 1 12", "in 90 2"], "bus");
    handle.execute(0, { instruction: "sti" });
    check((registers.get("rflags") & 0x200n) !== 0n, "sti");
    handle.execute(0, { instruction: "cli" });
    check((registers.get("rflags") & 0x200n) === 0n, "cli");
    same(
      [registers.get("rax"), registers.get("rcx"), registers.get("rdx"), registers.get("rip")],
      [0x1111n, 0x2222n, 0x3333n, BigInt(CODE)],
      "registers",
    );
  },
  "execute gives the fault that an instruction raises, and then nothing has changed": (on, handle) => {
    program(on, ...SPIN);
    const fault = { fault: 13, errorCode: 0 };
    same(handle.execute(0, { instruction: "mov-to-cr", index: 0, operand: 0x80000000n }), fault, "a bad CR0");
    same(on.vcpu.registers.get("cr0"), 0x11n, "cr0");
    same(handle.execute(0, { instruction: "mov-to-cr", index: 3, operand: 0x1000n, level: 1 }), fault, "at level 1");
    same(handle.execute(0, { instruction: "rdmsr", index: 0xdead0000 }), fault, "an MSR that does not exist");
    same(handle.execute(0, { instruction: "ud2" }), { fault: 6 }, "ud2");
    on.vcpu.run(3);
    same(on.vcpu.registers.get("rip"), BigInt(CODE), "and the guest goes on");
  },
  "execute returns from an interrupt at the level that it is told": (on, handle) => {
    const { guestMemory } = on.core;
    for (const [level, frame] of [
      [0, [CODE + 2, 8, 0x202]],
      [1, [CODE + 2, 9, 0x202]],
    ] as const) {
      program(on, ...SPIN, 0x46, ...SPIN);
      guestMemory.writeU64(0x111018, 0x00cfbb000000ffffn); // 0x18: code of DPL 1
      on.vcpu.registers.setTable("gdtr", { base: 0x111000n, limit: 31 });
      const code = level === 0 ? 8 : 0x19;
      for (const [index, word] of frame.entries()) guestMemory.writeU32(STACK - 12 + 4 * index, index === 1 ? code : word);
      on.vcpu.registers.set("rsp", BigInt(STACK - 12));
      on.vcpu.registers.set("rsi", 0n);
      same(handle.execute(0, { instruction: "iret", level }), undefined, `iret at level ${level}`);
      const { registers } = on.vcpu;
      same(
        [registers.get("rip"), registers.get("rsp"), registers.segment("cs").selector],
        [BigInt(CODE + 2), BigInt(STACK), code],
        "state",
      );
    }
    on.vcpu.registers.set("rsp", BigInt(STACK - 12));
    guestMemory.writeU32(STACK - 8, 0x68);
    const fault = handle.execute(0, { instruction: "iret", level: 0 });
    check(isGuestFault(fault) && fault.fault === 13 && fault.errorCode === 0x68, "a bad selector is #GP with it");
    same(on.vcpu.registers.get("rsp"), BigInt(STACK - 12), "rsp");
  },
  "segments are loaded from their tables with checks": (on, handle) => {
    program(on, ...SPIN);
    const { guestMemory } = on.core;
    guestMemory.writeU64(0x111018, 0x00008912_34560067n | (0x11n << 56n)); // 0x18: a TSS at 0x11123456
    guestMemory.writeU64(0x111020, 0x0000821234560067n); // 0x20: an LDT
    on.vcpu.registers.setTable("gdtr", { base: 0x111000n, limit: 0x27 });
    same(handle.loadSegment(0, "es", 0x10), undefined, "es");
    same(on.vcpu.registers.segment("es").selector, 0x10, "its selector");
    same(handle.loadSegment(0, "cs", 8), undefined, "cs");
    same(handle.loadSegment(0, "tr", 0x18), undefined, "tr");
    same([on.vcpu.registers.segment("tr").base, guestMemory.readU8(0x11101d) & 0xf], [0x11123456n, 0xb], "its base, and busy");
    same(handle.loadSegment(0, "ldtr", 0x20), undefined, "ldtr");
    same(handle.loadSegment(0, "ds", 0x33), { fault: 13, errorCode: 0x30 }, "outside the table");
    same(handle.loadSegment(0, "cs", 0x10), { fault: 13, errorCode: 0x10 }, "data is no code");
    same(handle.loadSegment(0, "tr", 0x10), { fault: 13, errorCode: 0x10 }, "nor a TSS");
  },
  "an operation of form `exit` is called instead of its instruction, and its result is what the instruction reads": (on) => {
    const calls: unknown[][] = [];
    bind(on, {
      cpu: { readCr0: formed(EXIT, 0x8005003bn, calls), cpuid: formed(EXIT, { eax: 1, ebx: 2, ecx: 3, edx: 4 }, calls) },
      mmu: { writeCr3: formed(EXIT, undefined, calls) },
      time: { readTsc: formed(EXIT, 0x100000002n, calls) },
    });
    // mov edi, cr0; mov cr3, esi; rdtsc; hlt is architectural
    program(on, 0x0f, 0x20, 0xc7, 0x0f, 0x22, 0xde, 0x0f, 0x31, ...SPIN);
    const { registers } = on.vcpu;
    registers.set("rsi", 0x5000n);
    on.vcpu.run(3);
    same(calls, [[0], [0, 0x5000n], [0]], "calls");
    same([registers.get("rdi"), registers.get("rax"), registers.get("rdx"), registers.get("cr3")], [0x8005003bn, 2n, 1n, 0n], "registers");
    program(on, 0x0f, 0xa2, ...SPIN);
    registers.set("rax", 7n);
    registers.set("rcx", 8n);
    on.vcpu.run(1);
    same(
      [calls[3], registers.get("rax"), registers.get("rbx"), registers.get("rcx"), registers.get("rdx")],
      [[0, 7, 8], 1n, 2n, 3n, 4n],
      "cpuid",
    );
  },
  "an operation that refuses raises its fault; one of form `fault` does so without a call": (on) => {
    bind(on, {
      cpu: { readCr4: formed(EXIT, { fault: 13, errorCode: 0x44 }), readCr0: formed({ kind: "fault", fault: { fault: 6 } }, undefined) },
    });
    for (const [number, vector, pushed] of [
      [4, 13, 0x44],
      [0, 6, CODE],
    ] as const) {
      program(on, 0x0f, 0x20, 0xc0 | (number << 3), ...SPIN);
      on.core.guestMemory.writeU64(0x110000 + 8 * vector, 0x00118e0000083000n); // its own handler at 0x113000
      on.core.guestMemory.write(0x113000, Uint8Array.from(SPIN));
      on.vcpu.run(1);
      same(
        [on.vcpu.registers.get("rip"), on.core.guestMemory.readU32(Number(on.vcpu.registers.get("rsp")))],
        [0x113000n, pushed],
        "handler, top of stack",
      );
    }
  },
  "`nop` does nothing, not even leave": (on) => {
    const calls: unknown[][] = [];
    bind(on, { irq: { enable: formed(NOP, undefined, calls), restoreFl: formed(NOP, undefined, calls) } });
    looped(on, [0xfb, 0x46]); // sti; inc esi
    on.vcpu.registers.set("rsi", 0n);
    runLong(on);
    same([calls.length, on.vcpu.registers.get("rsi"), on.vcpu.registers.get("rflags") & 0x200n], [0, BigInt(ROUNDS), 0n], "calls, esi, IF");
    program(on, 0x68, 1, 2, 0, 0, 0x9d, ...SPIN); // push 0x201; popf
    on.vcpu.run(2);
    same([on.vcpu.registers.get("rflags") & 0x201n, on.vcpu.registers.get("rsp")], [1n, BigInt(STACK)], "POPF loads the other flags");
  },
  "fields are stored to and loaded from without a call, a call follows when the named word is not zero": (on, handle) => {
    const calls: unknown[][] = [];
    const field = { record: "vcpu", offset: 4, bits: 8 } as const;
    const unlessZero = { record: "vcpu", offset: 8, bits: 32 } as const;
    const store = (value: number | "operand", check = false): InlineForm => ({
      kind: "store-field",
      field,
      value,
      meaning: "interrupt-mask",
      ...(check ? { unlessZero } : {}),
    });
    bind(on, {
      irq: {
        disable: formed(store(1), undefined, calls),
        enable: formed(store(0, true), undefined, calls),
        restoreFl: formed(store("operand"), undefined, calls),
        saveFl: formed({ kind: "load-field", field, meaning: "interrupt-mask" }, 0, calls),
      },
      mmu: { readCr2: formed({ kind: "load-field", field: { record: "vcpu", offset: 16, bits: 64 }, meaning: "value" }, 0n, calls) },
    });
    const frame = handle.frames.allocate(1);
    handle.frames.record("vcpu", 0, frame, 0x80, 64);
    const bytes = handle.frames.bytes(frame);
    bytes[0x90] = 0x99;
    // cli; pushf; pop edi; sti; pushf; pop ebx; mov eax, cr2; push edi; popf
    looped(on, [0xfa, 0x9c, 0x5f, 0xfb, 0x9c, 0x5b, 0x0f, 0x20, 0xd0, 0x57, 0x9d]);
    runLong(on);
    const { registers } = on.vcpu;
    same([registers.get("rdi") & 0x200n, registers.get("rbx") & 0x200n, registers.get("rax")], [0n, 0x200n, 0x99n], "edi, ebx, eax");
    same([bytes[0x84], registers.get("rflags") & 0x200n, calls.length], [1, 0n, 0], "field, IF, calls");
    bytes[0x88] = 5;
    program(on, 0xfb, 0x46, ...SPIN);
    registers.set("rsi", 0n);
    on.vcpu.run(2);
    same([bytes[0x84], calls.length, registers.get("rsi")], [0, 1, 1n], "stored, called, gone on");
  },
  "operations are the kernel's: at level 3 instructions are architectural": (on, handle) => {
    const calls: unknown[][] = [];
    bind(on, { cpu: { cpuid: formed(EXIT, { eax: 1, ebx: 2, ecx: 3, edx: 4 }, calls) } });
    program(on, 0x0f, 0xa2, 0x0f, 0xa2, ...SPIN);
    handle.setVirtualLevel(0, 3);
    on.vcpu.run(1);
    same(calls.length, 0, "at level 3");
    handle.setVirtualLevel(0, 1);
    on.vcpu.run(1);
    same(calls.length, 1, "at level 1");
  },
};

/**
 * What every core that lends a `HypervisorHandle` must do with it. Programs run at 1 MiB in flat 32-bit protected mode with paging off, most
 * of them in a loop and in several runs, so that a core which translates does so in between.
 */
import { type InterceptableInstruction, type InterceptedInstruction, noIntercepts } from "../handles/intercepts.js";
import { generalProtection, undefinedOpcode } from "../ops/operation.js";
import { check, same } from "./case.js";
import { type Bench, CODE, HANDLER, program, STACK } from "./core-bench.js";
import { EVENT_CASES } from "./core-handles-events.js";
import { MEMORY_CASES } from "./core-handles-memory.js";
import { OPERATION_CASES } from "./core-handles-operations.js";
import { delivering, type HandleBody, intercepting, looped, recording, ROUNDS, runLong, SPIN } from "./handle-bench.js";

/** Instructions of 32-bit code, with what the handler must be told beside length and level. EAX is 0x1234, EDX 0x5678, EBX 0x200000. */
const ENCODINGS: readonly [InterceptableInstruction, readonly number[], Partial<InterceptedInstruction>][] = [
  ["mov-from-cr", [0x0f, 0x20, 0xde], { control: "cr3", destination: 6 }],
  ["mov-to-cr", [0x0f, 0x22, 0xd0], { control: "cr2", operand: 0x1234n }],
  ["clts", [0x0f, 0x06], {}],
  ["lmsw", [0x0f, 0x01, 0xf0], { operand: 0x1234n }],
  ["lmsw", [0x0f, 0x01, 0x33], { operand: 0xbeefn }],
  ["mov-from-dr", [0x0f, 0x21, 0xf9], { index: 7, destination: 1 }],
  ["mov-to-dr", [0x0f, 0x23, 0xd8], { index: 3, operand: 0x1234n }],
  ["lgdt", [0x0f, 0x01, 0x13], { operand: 0x200000n }],
  ["lidt", [0x0f, 0x01, 0x5b, 0x10], { operand: 0x200010n }],
  ["lldt", [0x0f, 0x00, 0xd0], { operand: 0x1234n }],
  ["ltr", [0x0f, 0x00, 0x1b], { operand: 0xbeefn }],
  ["sgdt", [0x0f, 0x01, 0x03], { operand: 0x200000n }],
  ["sidt", [0x0f, 0x01, 0x0b], { operand: 0x200000n }],
  ["sldt", [0x0f, 0x00, 0xc6], { destination: 6 }],
  ["str", [0x0f, 0x00, 0x0b], { operand: 0x200000n }],
  ["smsw", [0x0f, 0x01, 0xe7], { destination: 7 }],
  ["lar", [0x0f, 0x02, 0xf0], { operand: 0x1234n, destination: 6 }],
  ["lsl", [0x0f, 0x03, 0x33], { operand: 0xbeefn, destination: 6 }],
  ["verr", [0x0f, 0x00, 0xe0], { operand: 0x1234n }],
  ["verw", [0x0f, 0x00, 0xe8], { operand: 0x1234n }],
  ["pushf", [0x9c], {}],
  ["popf", [0x66, 0x9d], { bits: 16 }],
  ["cli", [0xfa], {}],
  ["sti", [0xfb], {}],
  ["iret", [0xcf], {}],
  ["hlt", [0xf4], {}],
  ["pause", [0xf3, 0x90], {}],
  ["invlpg", [0x0f, 0x01, 0x7b, 0x04], { operand: 0x200004n }],
  ["invd", [0x0f, 0x08], {}],
  ["wbinvd", [0x0f, 0x09], {}],
  ["rdmsr", [0x0f, 0x32], { index: 0x77 }],
  ["wrmsr", [0x0f, 0x30], { index: 0x77, operand: 0x567800001234n }],
  ["rdtsc", [0x0f, 0x31], {}],
  ["rdpmc", [0x0f, 0x33], { index: 0x77 }],
  ["cpuid", [0x0f, 0xa2], {}],
  ["in", [0xe4, 0x60], { port: 0x60, size: 1, destination: 0 }],
  ["in", [0x66, 0xed], { port: 0x5678, size: 2, destination: 0, bits: 16 }],
  ["out", [0xe7, 0x80], { port: 0x80, size: 4, operand: 0x1234n }],
  ["out", [0xee], { port: 0x5678, size: 1, operand: 0x34n }],
  ["ins", [0x6c], { port: 0x5678, size: 1 }],
  ["outs", [0xf3, 0x6f], { port: 0x5678, size: 4 }],
  ["syscall", [0x0f, 0x05], {}],
  ["sysret", [0x0f, 0x07], {}],
  ["sysenter", [0x0f, 0x34], {}],
  ["sysexit", [0x0f, 0x35], {}],
  ["int", [0xcd, 0x82], { index: 0x82 }],
  ["int3", [0xcc], {}],
  ["into", [0xce], {}],
  ["vmcall", [0x0f, 0x01, 0xc1], {}],
  ["vmmcall", [0x0f, 0x01, 0xd9], {}],
  ["ud2", [0x0f, 0x0b], {}],
];

const INTERCEPT_CASES: Readonly<Record<string, HandleBody>> = {
  "every instruction that can be intercepted comes decoded, before anything has happened": (on, handle) => {
    for (const [instruction, bytes, expected] of ENCODINGS) {
      for (const level of [0, 3] as const) {
        program(on, ...bytes, ...SPIN);
        on.core.guestMemory.writeU32(0x200000, 0xdeadbeef);
        const { registers } = on.vcpu;
        const values = { rax: 0x1234n, rcx: 0x77n, rdx: 0x5678n, rbx: 0x200000n, rsi: 0x300000n, rdi: 0x310000n } as const;
        for (const [name, value] of Object.entries(values) as [keyof typeof values, bigint][]) registers.set(name, value);
        handle.setVirtualLevel(0, level);
        handle.setIntercepts(0, level, intercepting(instruction));
        const seen = recording(handle, "next");
        on.vcpu.run(1);
        const key = `${instruction} (${bytes.map((byte) => byte.toString(16)).join(" ")})`;
        const { operand: _, ...plain } = seen[0] ?? ({} as InterceptedInstruction);
        const record = { bits: 32, ...expected, instruction, length: bytes.length, level };
        const told = { ...plain, ...(expected.operand === undefined ? {} : { operand: seen[0]?.operand }) } as Record<string, unknown>;
        same(seen.length, 1, `${key}: how often it came`);
        for (const [name, value] of Object.entries(record)) same(told[name], value, `${key}: ${name}`);
        for (const [name, value] of Object.entries(values) as [keyof typeof values, bigint][])
          same(registers.get(name), value, `${key}: ${name}`);
        same(registers.get("rip"), BigInt(CODE + bytes.length), `${key}: rip`);
        same([registers.get("rsp"), on.log], [BigInt(STACK), []], `${key}: stack and buses`);
        handle.setIntercepts(0, level, noIntercepts);
      }
    }
  },
  "an intercepted instruction comes as often as it is executed, and `next` goes on behind it": (on, handle) => {
    looped(on, [0x0f, 0xa2, 0x46]); // cpuid; inc esi
    on.vcpu.registers.set("rsi", 0n);
    on.vcpu.registers.set("rbx", 77n);
    handle.setIntercepts(0, 0, intercepting("cpuid"));
    const seen = recording(handle, "next");
    runLong(on);
    same([seen.length, on.vcpu.registers.get("rsi"), on.vcpu.registers.get("rbx")], [ROUNDS, BigInt(ROUNDS), 77n], "calls, esi, ebx");
  },
  "`architectural` has the instruction's own effect": (on, handle) => {
    looped(on, [0x0f, 0x01, 0xe0, 0x01, 0xc6]); // smsw eax; add esi, eax
    on.vcpu.registers.set("rsi", 0n);
    handle.setIntercepts(0, 0, intercepting("smsw"));
    const seen = recording(handle, "architectural");
    runLong(on);
    same([seen.length, on.vcpu.registers.get("rsi")], [ROUNDS, BigInt(0x11 * ROUNDS)], "calls and esi");
  },
  "a privileged instruction comes before its #GP at CPL 3": (on, handle) => {
    program(on, 0xfa, 0x46, ...SPIN); // cli; inc esi
    const { registers } = on.vcpu;
    registers.set("rsi", 0n);
    registers.setSegment("cs", { selector: 0x1b, base: 0n, limit: 0xffffffff, access: 0xc0fb });
    registers.setSegment("ss", { selector: 0x23, base: 0n, limit: 0xffffffff, access: 0xc0f3 });
    handle.setIntercepts(0, 3, intercepting("cli"));
    const seen = recording(handle, "next");
    on.vcpu.run(2);
    same([seen.map(({ level }) => level), registers.get("rsi")], [[3], 1n], "levels and esi");
  },
  "`resume` goes on where the backend has set RIP": (on, handle) => {
    program(on, 0x0f, 0x0b, ...SPIN); // ud2
    on.core.guestMemory.write(CODE + 0x100, Uint8Array.of(0x46, ...SPIN));
    on.vcpu.registers.set("rsi", 0n);
    handle.setIntercepts(0, 0, intercepting("ud2"));
    recording(handle, () => {
      on.vcpu.registers.set("rip", BigInt(CODE + 0x100));
      return "resume";
    });
    on.vcpu.run(2);
    same([on.vcpu.registers.get("rsi"), on.vcpu.registers.get("rip")], [1n, BigInt(CODE + 0x101)], "esi and rip");
  },
  "a fault is raised at the instruction, or where the backend has moved RIP": (on, handle) => {
    for (const moved of [CODE, CODE + 0x40]) {
      program(on, 0x0f, 0xa2, ...SPIN);
      handle.setIntercepts(0, 0, intercepting("cpuid"));
      recording(handle, () => {
        on.vcpu.registers.set("rip", BigInt(moved));
        return generalProtection;
      });
      on.core.guestMemory.write(HANDLER, Uint8Array.from(SPIN));
      on.vcpu.run(1);
      same([on.vcpu.registers.get("rip"), on.core.guestMemory.readU32(STACK - 12)], [BigInt(HANDLER), moved], "handler and pushed rip");
      same(on.core.guestMemory.readU32(STACK - 16), 0, "error code");
    }
  },
  "a set is in force at its level alone": (on, handle) => {
    looped(on, [0x0f, 0xa2]); // cpuid
    handle.setIntercepts(0, 3, intercepting("cpuid"));
    const seen = recording(handle, "next");
    on.vcpu.run(2 + 3 * 10);
    same(seen.length, 0, "at level 0");
    handle.setVirtualLevel(0, 3);
    on.vcpu.run(3 * 10);
    same(seen.length, 10, "at virtual level 3");
    handle.setVirtualLevel(0, undefined);
    on.vcpu.run(3 * 10);
    same(seen.length, 10, "at level 0 again");
    handle.setIntercepts(0, 0, intercepting("cpuid", "hlt"));
    on.vcpu.run(3 * 5);
    same(seen.length, 15, "with another set at level 0");
  },
  "a guest that is intercepted without end uses up its budget": (on, handle) => {
    program(on, 0x0f, 0x0b);
    handle.setIntercepts(0, 0, intercepting("ud2"));
    const seen = recording(handle, "resume");
    const before = on.vcpu.retired;
    same([on.vcpu.run(1000), seen.length, on.vcpu.retired - before], ["budget", 1000, 1000], "run, calls, retired");
  },
};

const DELIVERY_CASES: Readonly<Record<string, HandleBody>> = {
  "an exception of the set comes to delivery before the IDT is read": (on, handle) => {
    looped(on, [0x0f, 0x0b, 0x46]); // ud2; inc esi
    on.vcpu.registers.set("rsi", 0n);
    on.vcpu.registers.setTable("idtr", { base: 0n, limit: 0 });
    handle.setIntercepts(0, 0, { ...noIntercepts, exceptions: [6] });
    const seen = delivering(handle, () => {
      on.vcpu.registers.set("rip", on.vcpu.registers.get("rip") + 2n);
      return "handled";
    });
    runLong(on);
    same([seen.length, on.vcpu.registers.get("rsi")], [ROUNDS, BigInt(ROUNDS)], "deliveries and esi");
    same(seen[0], { kind: "exception", vector: 6, level: 0 }, "event");
  },
  "an exception outside the set goes through the IDT": (on, handle) => {
    program(on, 0x0f, 0x0b);
    handle.setIntercepts(0, 0, { ...noIntercepts, exceptions: [13] });
    const seen = delivering(handle, () => "handled");
    on.core.guestMemory.write(HANDLER, Uint8Array.from(SPIN));
    on.vcpu.run(1);
    same([seen.length, on.vcpu.registers.get("rip")], [0, BigInt(HANDLER)], "deliveries and rip");
  },
  "`architectural` goes through the IDT, a fault of the intercept handler comes first": (on, handle) => {
    program(on, 0x0f, 0xa2);
    handle.setIntercepts(0, 0, { instructions: ["cpuid"], exceptions: [6], interrupts: false });
    recording(handle, undefinedOpcode);
    const seen = delivering(handle, () => "architectural");
    on.core.guestMemory.write(HANDLER, Uint8Array.from(SPIN));
    on.vcpu.run(1);
    same([seen.length, on.vcpu.registers.get("rip")], [1, BigInt(HANDLER)], "deliveries and rip");
  },
  "a #GP carries its error code; a frame that the backend wrote is resumed at": (on, handle) => {
    program(on, 0xb8, 0xf0, 0, 0, 0, 0x8e, 0xd8, ...SPIN); // mov eax, 0xf0; mov ds, eax: beyond the GDT
    on.core.guestMemory.write(CODE + 0x100, Uint8Array.of(0x46, ...SPIN));
    on.vcpu.registers.set("rsi", 0n);
    handle.setIntercepts(0, 0, { ...noIntercepts, exceptions: [13] });
    const stack = { ...on.vcpu.registers.segment("ss"), selector: 0x10 };
    const seen = delivering(handle, () => ({ rip: BigInt(CODE + 0x100), rsp: BigInt(STACK - 64), rflags: 0x246n, stack }));
    on.vcpu.run(3);
    same(seen, [{ kind: "exception", vector: 13, level: 0, errorCode: 0xf0 }], "event");
    const { registers } = on.vcpu;
    same([registers.get("rsp"), registers.get("rflags") & 0x200n, registers.get("rsi")], [BigInt(STACK - 64), 0x200n, 1n], "rsp, IF, esi");
  },
  "INT n to a vector of the set comes as software, behind itself, with its length": (on, handle) => {
    looped(on, [0xcd, 0x82, 0x46]); // int 0x82; inc esi
    on.vcpu.registers.set("rsi", 0n);
    handle.setIntercepts(0, 0, { ...noIntercepts, exceptions: [0x82] });
    const rips: bigint[] = [];
    const seen = delivering(handle, () => {
      rips.push(on.vcpu.registers.get("rip"));
      return "handled";
    });
    runLong(on);
    same([seen.length, on.vcpu.registers.get("rsi")], [ROUNDS, BigInt(ROUNDS)], "deliveries and esi");
    same([seen[0], rips[0]], [{ kind: "software", vector: 0x82, level: 0, length: 2 }, BigInt(CODE + 7)], "event and rip");
  },
  "external interrupts and NMIs come to delivery where the set says so": (on, handle) => {
    program(on, 0xfb, ...SPIN); // sti
    handle.setIntercepts(0, 0, { ...noIntercepts, interrupts: true });
    const seen = delivering(handle, ({ kind }) => {
      if (kind === "interrupt") on.vcpu.setInterruptRequest(false);
      return "handled";
    });
    on.vcpu.run(10);
    on.vector = 0x41;
    on.vcpu.setInterruptRequest(true);
    on.vcpu.run(10);
    on.vcpu.raiseNmi();
    on.vcpu.run(10);
    same(
      seen,
      [
        { kind: "interrupt", vector: 0x41, level: 0 },
        { kind: "nmi", vector: 2, level: 0 },
      ],
      "events",
    );
    same(on.vcpu.registers.get("rsp"), BigInt(STACK), "nothing was pushed");
  },
  "an interrupt that the backend handles wakes from HLT": (on, handle) => {
    program(on, 0xfb, 0xf4, 0x46, ...SPIN); // sti; hlt; inc esi
    on.vcpu.registers.set("rsi", 0n);
    handle.setIntercepts(0, 0, { ...noIntercepts, interrupts: true });
    delivering(handle, () => {
      on.vcpu.setInterruptRequest(false);
      return "handled";
    });
    same(on.vcpu.run(10), "halted", "sleeps");
    on.vector = 0x41;
    on.vcpu.setInterruptRequest(true);
    same([on.vcpu.hasWork, on.vcpu.run(10), on.vcpu.registers.get("rsi")], [true, "budget", 1n], "wakes and goes on");
  },
  "a crash stops the vCPU with the backend's words": (on, handle) => {
    program(on, 0x0f, 0x0b);
    handle.setIntercepts(0, 0, { ...noIntercepts, exceptions: [6] });
    delivering(handle, () => ({ crash: "no handler" }));
    same([on.vcpu.run(10), on.vcpu.fault], ["shutdown", "no handler"], "run and fault");
    same(on.vcpu.run(10), "shutdown", "for good");
    on.vcpu.reset();
    check(on.vcpu.fault === undefined, "reset forgets it");
  },
  "what is handled without moving on uses up the budget": (on, handle) => {
    program(on, 0x0f, 0x0b);
    handle.setIntercepts(0, 0, { ...noIntercepts, exceptions: [6] });
    const seen = delivering(handle, () => "handled");
    same([on.vcpu.run(500), seen.length], ["budget", 500], "run and deliveries");
  },
};

/** Cases on the handle; a core that lends none has nothing to show. */
export const HANDLE_CASES: Readonly<Record<string, (on: Bench) => void>> = Object.fromEntries(
  Object.entries({ ...INTERCEPT_CASES, ...DELIVERY_CASES, ...EVENT_CASES, ...MEMORY_CASES, ...OPERATION_CASES }).map(([name, body]) => [
    name,
    (on: Bench) => {
      if (on.core.hypervisor !== undefined) body(on, on.core.hypervisor);
    },
  ]),
);

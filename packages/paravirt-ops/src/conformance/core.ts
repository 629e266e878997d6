/**
 * What every core must do, in a few machine programs of some bytes each (SDM Vol. 2 encodings beside them). It is not a test of the
 * instruction set: it is a test of the handle. Programs run at 1 MiB in flat 32-bit protected mode with paging off.
 */
import { isHvError } from "../errors.js";
import { CONTRACT_VERSION } from "../abi.js";
import type { CoreDefinition } from "../core.js";
import { generalRegisters } from "../handles/vcpu.js";
import { contractIncludes, partKind } from "../part.js";
import { type ConformanceCase, check, same } from "./case.js";
import { type Bench, bench, CODE, HANDLER, MIB, program, RAM_BYTES, STACK } from "./core-bench.js";
import { HANDLE_CASES } from "./core-handles.js";
import { twoVcpus } from "./core-handles-events.js";

const DEVICE = 0xfee00000;
const RFLAGS_IF = 1n << 9n;

const refuses = (run: () => unknown, code: string): boolean => {
  try {
    run();
  } catch (error) {
    return isHvError(error) && error.code === code;
  }
  return false;
};

const SPIN = [0xeb, 0xfe]; // jmp $

type Body = (on: Bench) => void;

/** One vCPU each; the bench is fresh. */
const CASES: Readonly<Record<string, Body>> = {
  "RAM is [0, 0xa0000) and [0xc0000, size)": ({ core: { guestMemory } }) => {
    same(guestMemory.size, RAM_BYTES, "size");
    for (const [at, length, ram] of [
      [0, 0xa0000, true],
      [0x9ffff, 2, false],
      [0xa0000, 1, false],
      [0xbffff, 2, false],
      [0xc0000, RAM_BYTES - 0xc0000, true],
      [RAM_BYTES, 1, false],
      [-1, 1, false],
    ] as const) {
      same(guestMemory.contains(at, length), ram, `contains(0x${at.toString(16)}, ${length})`);
    }
    check(
      refuses(() => guestMemory.view(0xa0000, 1), "memory/out-of-range"),
      "a view outside RAM throws memory/out-of-range",
    );
    check(
      refuses(() => guestMemory.write(RAM_BYTES - 1, new Uint8Array(2)), "memory/out-of-range"),
      "a write across the end throws memory/out-of-range",
    );
  },
  "RAM is all zeros at first": ({ core: { guestMemory } }) => {
    check(
      guestMemory.view(2 * MIB, MIB).every((byte) => byte === 0),
      "a megabyte that nobody has written",
    );
  },
  "guest memory is little-endian and byte-addressed": ({ core: { guestMemory } }) => {
    guestMemory.writeU64(0x200001, 0x8877665544332211n);
    same([...guestMemory.view(0x200001, 8)], [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88], "bytes");
    same([guestMemory.readU8(0x200002), guestMemory.readU16(0x200002), guestMemory.readU32(0x200005)], [0x22, 0x3322, 0x88776655], "reads");
    guestMemory.fill(0x200001, 3, 0xee);
    same(guestMemory.readU64(0x200001), 0x8877665544eeeeeen, "after fill");
  },
  "registers keep what is set": ({ vcpu: { registers } }) => {
    for (const name of ["rax", "rbx", "rsp", "r15", "rip"] as const) {
      registers.set(name, 0x123456789an);
      same(registers.get(name), 0x123456789an, name);
    }
    const segment = { selector: 0x2b, base: 0x1234n, limit: 0xfffff, access: 0xc0f3 };
    registers.setSegment("fs", segment);
    same(registers.segment("fs"), segment, "fs");
    same(registers.selector("fs"), 0x2b, "its selector alone");
    registers.setTable("gdtr", { base: 0x5000n, limit: 0x7f });
    same(registers.table("gdtr"), { base: 0x5000n, limit: 0x7f }, "gdtr");
    same(registers.msr(0xdead_0000), undefined, "an MSR that does not exist");
    same(registers.setMsr(0xdead_0000, 0n), false, "writing it");
  },
  "general registers are seen as they are, whole and in halves": (on) => {
    const { general } = on.vcpu.registers;
    const halves = new Uint32Array(general.buffer, general.byteOffset, 2 * general.length);
    for (const [number, name] of generalRegisters.entries()) {
      on.vcpu.registers.set(name, 0x1_0000_0000n + BigInt(number));
      same([general[number], halves[2 * number], halves[2 * number + 1]], [0x1_0000_0000n + BigInt(number), number, 1], name);
      halves[2 * number] = 7;
      same(on.vcpu.registers.get(name), 0x1_0000_0007n, `${name} as stored through its half`);
      general[number] = 5n;
      same(on.vcpu.registers.get(name), 5n, `${name} as stored whole`);
    }
    program(on, 0x40, ...SPIN); // inc eax
    general[0] = 41n;
    on.vcpu.run(1);
    same(general[0], 42n, "what a run left");
  },
  "the status flags are part of rflags": (on) => {
    program(on, 0x31, 0xc0, ...SPIN); // xor eax, eax
    on.vcpu.run(1);
    same(on.vcpu.registers.get("rflags") & 0x8d5n, 0x44n, "ZF and PF after xor");
    on.vcpu.registers.set("rflags", 0x8d7n);
    same(on.vcpu.registers.get("rflags") & 0x8d5n, 0x8d5n, "all six as set");
    same(on.vcpu.registers.flags(), 0x8d7, "as a number");
    on.vcpu.registers.setFlags(0x246);
    same(on.vcpu.registers.get("rflags"), 0x246n, "as set by a number");
  },
  "run retires exactly its budget": (on) => {
    program(on, 0x40, 0x40, 0x43, ...SPIN); // inc eax; inc eax; inc ebx
    on.vcpu.registers.set("rax", 0n);
    const before = on.vcpu.retired;
    for (const budget of [1, 1, 1, 5, 1000, 7]) same(on.vcpu.run(budget), "budget", `run(${budget})`);
    same(on.vcpu.retired - before, 1015, "retired");
    same(on.vcpu.registers.get("rax"), 2n, "rax");
    same(on.vcpu.registers.get("rip"), BigInt(CODE + 3), "rip");
  },
  "retired is exact in the middle of a run, for clocks": (on) => {
    // in al, 0x80; nop; nop; mov eax, [DEVICE]; nop; mov [DEVICE], eax; out 0x80, al
    program(on, 0xe4, 0x80, 0x90, 0x90, 0xa1, 0, 0, 0xe0, 0xfe, 0x90, 0xa3, 0, 0, 0xe0, 0xfe, 0xe6, 0x80, ...SPIN);
    const seen: number[] = [];
    const before = on.vcpu.retired;
    on.onAccess = () => seen.push(on.vcpu.retired - before);
    on.vcpu.run(1000);
    same(seen.length, 4, "accesses");
    check(
      seen.every((now, index) => now >= (seen[index - 1] ?? 0) && now <= 12),
      `counts never go back nor run ahead by more than a block: ${seen.join(" ")}`,
    );
    same(on.vcpu.retired - before, 1000, "retired in the end");
  },
  "port accesses reach the bus with their width": (on) => {
    // mov eax, 0x11223344; out 0x80, al; out 0x81, ax; out 0x82, eax; in ax, 0x90
    program(on, 0xb8, 0x44, 0x33, 0x22, 0x11, 0xe6, 0x80, 0x66, 0xe7, 0x81, 0xe7, 0x82, 0x66, 0xe5, 0x90, ...SPIN);
    on.vcpu.run(10);
    same(on.log, ["out 80 1 44", "out 81 2 3344", "out 82 4 11223344", "in 90 2"], "bus");
    same(on.vcpu.registers.get("rax") & 0xffffffffn, 0x11225a5an, "eax");
  },
  "device memory reaches the bus, RAM does not": (on) => {
    // mov eax, [DEVICE+4]; mov [DEVICE+8], al; mov [0x200000], eax
    program(on, 0xa1, 4, 0, 0xe0, 0xfe, 0xa2, 8, 0, 0xe0, 0xfe, 0xa3, 0, 0, 0x20, 0, ...SPIN);
    on.vcpu.run(10);
    same(on.log, [`mmio read ${(DEVICE + 4).toString(16)} 4`, `mmio write ${(DEVICE + 8).toString(16)} 1 5a`], "bus");
    same(on.core.guestMemory.readU32(0x200000), 0x5a5a5a5a, "RAM");
  },
  "HLT gives the turn back; an interrupt wakes, a masked one does not": (on) => {
    program(on, 0xfb, 0xf4, 0x40, ...SPIN); // sti; hlt; inc eax
    on.vcpu.registers.set("rax", 0n);
    same(on.vcpu.run(100), "halted", "run");
    same([on.vcpu.halted, on.vcpu.hasWork], [true, false], "asleep");
    on.vector = 0x40;
    on.vcpu.setInterruptRequest(true);
    same(on.vcpu.hasWork, true, "has work");
    on.onAccess = () => {};
    on.core.guestMemory.write(HANDLER, Uint8Array.of(0xe6, 0x20, 0xcf)); // out 0x20, al; iret
    on.onAccess = () => on.vcpu.setInterruptRequest(false);
    same(on.vcpu.run(10), "budget", "goes on");
    same(on.log, ["out 20 1 0"], "the handler ran");
    same(on.vcpu.registers.get("rax"), 1n, "and returned");
    program(on, 0xfa, 0xf4); // cli; hlt
    same(on.vcpu.run(100), "halted", "run with interrupts off");
    on.vcpu.setInterruptRequest(true);
    same(on.vcpu.hasWork, false, "a masked interrupt is no work");
    on.vcpu.raiseNmi();
    same(on.vcpu.hasWork, true, "an NMI is");
  },
  "an interrupt request that goes away delivers nothing": (on) => {
    program(on, 0xfb, 0x90, 0x90, ...SPIN);
    on.vector = -1;
    on.vcpu.setInterruptRequest(true);
    same(on.vcpu.run(50), "budget", "run");
    same(on.vcpu.registers.get("rsp"), BigInt(STACK), "nothing was pushed");
    on.vcpu.setInterruptRequest(false);
  },
  "requestStop ends the run after the instruction": (on) => {
    program(on, 0xe6, 0x80, 0x40, ...SPIN); // out 0x80, al; inc eax
    on.vcpu.registers.set("rax", 0n);
    on.onAccess = () => on.vcpu.requestStop();
    same(on.vcpu.run(1000), "stopped", "run");
    same(on.vcpu.registers.get("rip"), BigInt(CODE + 2), "rip");
    same(on.vcpu.registers.get("rax"), 0n, "the next one did not run");
    same(on.vcpu.run(3), "budget", "and it goes on");
  },
  "a triple fault is a shutdown with words": (on) => {
    program(on, 0x0f, 0x0b); // ud2
    on.vcpu.registers.setTable("idtr", { base: 0n, limit: 0 });
    same(on.vcpu.run(10), "shutdown", "run");
    check((on.vcpu.fault ?? "") !== "", "fault says something");
  },
  "code written by the host is seen": (on) => {
    program(on, 0x40, ...SPIN); // inc eax
    on.vcpu.registers.set("rax", 0n);
    on.vcpu.run(100);
    on.core.guestMemory.write(CODE, Uint8Array.of(0x48)); // dec eax
    on.vcpu.registers.set("rip", BigInt(CODE));
    on.vcpu.run(1);
    same(on.vcpu.registers.get("rax") & 0xffffffffn, 0n, "eax");
  },
  "the A20 gate masks bit 20": (on) => {
    program(on, ...SPIN);
    on.core.guestMemory.writeU8(0x300000, 0x33);
    on.core.guestMemory.writeU8(0x200000, 0x22);
    on.core.guestMemory.write(0x8000, Uint8Array.of(0xa0, 0, 0, 0x30, 0, ...SPIN)); // mov al, [0x300000]
    for (const [enabled, value] of [
      [false, 0x22n],
      [true, 0x33n],
    ] as const) {
      on.core.setA20(enabled);
      on.vcpu.registers.set("rip", 0x8000n);
      on.vcpu.run(1);
      same(on.vcpu.registers.get("rax") & 0xffn, value, `with A20 ${enabled ? "on" : "off"}`);
    }
  },
  "reset gives the power-on state": (on) => {
    program(on, ...SPIN);
    on.vcpu.run(10);
    on.vcpu.reset();
    const { registers } = on.vcpu;
    same(registers.get("rip"), 0xfff0n, "rip");
    same(registers.segment("cs").base, 0xffff0000n, "cs.base");
    same(registers.get("cr0"), 0x60000010n, "cr0");
    same(registers.get("rflags"), 2n, "rflags");
    same(on.vcpu.retired, 0, "retired");
  },
};

/** The suite of a core; cases about the handle that it lends count where it lends one. */
export function coreSuite(definition: CoreDefinition): ConformanceCase[] {
  const cases = Object.entries({ ...CASES, ...HANDLE_CASES }).map(
    ([name, body]): ConformanceCase => ({
      name,
      run: async () => {
        const on = await bench(definition);
        try {
          body(on);
        } finally {
          on.core.close();
        }
      },
    }),
  );
  cases.push({
    name: "its definition says for which contract it is written, and what it lends",
    run: async () => {
      same(partKind(definition), "core", "what defineCore made of it");
      check(contractIncludes(definition.contract, CONTRACT_VERSION), `it is written for this contract, ${CONTRACT_VERSION}`);
      const { core } = await bench(definition);
      same(definition.capabilities.includes("operations"), core.bind !== undefined, 'the capability "operations"');
      same(definition.capabilities.includes("hypervisor"), core.hypervisor !== undefined, 'the capability "hypervisor"');
      core.close();
    },
  });
  cases.push({
    name: "other vCPUs wait for INIT and STARTUP, and start in real mode at vector << 12",
    run: async () => {
      const on = await bench(definition, 2);
      const second = on.core.vcpus[1]!;
      same([second.id, second.halted, second.run(10)], [1, true, "halted"], "waits");
      on.core.guestMemory.write(0x8000, Uint8Array.of(0xe6, 0x80, 0xf4)); // out 0x80, al; hlt
      second.init();
      second.startup(8);
      same(second.run(10), "halted", "runs to its HLT");
      same(on.log, ["out 80 1 0"], "having run the code at 0x8000");
      second.startup(9);
      same(second.halted, true, "a second STARTUP is ignored");
      on.core.close();
    },
  });
  cases.push({
    name: "each vCPU has intercepts, events and sleep of its own, and wake starts one that waits for STARTUP",
    run: async () => {
      const on = await bench(definition, 2);
      const { hypervisor, vcpus } = on.core;
      if (hypervisor !== undefined) twoVcpus(on, hypervisor, vcpus[1]!);
      on.core.close();
    },
  });
  cases.push({
    name: "the plan grows with memory and vCPUs, and several machines live side by side",
    run: async () => {
      const bytes = (ramBytes: number, vcpus: number): number => definition.plan({ ramBytes, vcpus }).memoryBytes;
      check(bytes(16 * MIB, 1) >= bytes(8 * MIB, 1) + 8 * MIB, "memory");
      check(bytes(8 * MIB, 2) >= bytes(8 * MIB, 1), "vCPUs");
      check(bytes(3072 * MIB, 1) <= 2 ** 32, "3 GiB fit into one WebAssembly memory");
      const [a, b] = [await bench(definition), await bench(definition)];
      program(a, 0x40, ...SPIN);
      program(b, 0x48, ...SPIN);
      for (const { vcpu } of [a, b]) vcpu.registers.set("rax", 5n);
      a.vcpu.run(1);
      b.vcpu.run(1);
      same([a.vcpu.registers.get("rax"), b.vcpu.registers.get("rax")], [6n, 4n], "each its own");
      same((a.vcpu.registers.get("rflags") & RFLAGS_IF) === 0n, true, "interrupts off");
      a.core.close();
      b.core.close();
    },
  });
  return cases;
}

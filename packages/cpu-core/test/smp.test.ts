/** Two processors on one memory: what they share (memory, decoded code), what they do not (translations, registers), and how they let each other run. */
import type { PioBus } from "@paravane/paravirt-ops";
import { beforeEach, expect, test } from "vitest";
import { createCore } from "../src/core.js";
import { planMemory } from "../src/memory-plan.js";
import type { CoreVcpu } from "../src/vcpu/vcpu.js";

const RAM = 1 << 20;
const FIRST = 0x8000,
  SECOND = 0x9000;
let vcpus: readonly CoreVcpu[];
let write: (address: number, hex: string) => void;
let read: (address: number) => number;
let onPort: (value: number) => void;

beforeEach(async () => {
  const bytes = planMemory({ ramBytes: RAM, vcpus: 3 }).memoryBytes;
  const memory = new WebAssembly.Memory({ initial: bytes / 65536, maximum: bytes / 65536 });
  const none = { attach: () => {}, detach: () => {} };
  const pio: PioBus = { ...none, read: () => 0xff, write: (_port, _size, value) => onPort(value) };
  const core = await createCore({
    memory,
    ramBytes: RAM,
    vcpus: 3,
    pio,
    mmio: { ...none, read: () => 0xff, write: () => {} },
    localInterrupts: { acknowledge: () => -1, readTaskPriority: () => 0, writeTaskPriority: () => {} },
    msrs: { msrRead: () => undefined, msrWrite: () => false },
    readTsc: () => 0,
    tscHz: 1e9,
    random: () => {},
  });
  vcpus = core.vcpus as readonly CoreVcpu[];
  write = (address, hex) => core.guestMemory.write(address as never, Uint8Array.from(Buffer.from(hex.replaceAll(" ", ""), "hex")));
  read = (address) => core.guestMemory.readU8(address as never);
  onPort = () => {};
  place(0, FIRST);
});

/** Real mode at `address`, running. */
function place(id: number, address: number): void {
  vcpus[id]!.init();
  vcpus[id]!.startup(address >> 12);
  if (id !== 0) return;
  vcpus[0]!.registers.setSegment("cs", { selector: address >> 4, base: BigInt(address), limit: 0xffff, access: 0x9b });
  vcpus[0]!.registers.set("rip", 0n);
}
const ax = (id: number): number => Number(vcpus[id]!.registers.get("rax") & 0xffffn);
/** Runs the code of one processor to its HLT. */
function go(id: number, address: number): void {
  place(id, address);
  expect(vcpus[id]!.run(1000)).toBe("halted");
}

test("a processor that could store to a page before another one decoded it still changes that one's code", () => {
  write(FIRST, "c606 0091 01 f4"); // mov byte [0x9100], 1; hlt: the translation for stores is cached from here on
  write(SECOND, "b80500 f4"); // mov ax, 5; hlt
  go(0, FIRST);
  expect(read(0x9100)).toBe(1);
  go(1, SECOND);
  expect(ax(1)).toBe(5);
  write(FIRST + 0x200, "c606 0190 07 f4"); // mov byte [0x9001], 7; hlt
  vcpus[0]!.init();
  place(0, FIRST);
  vcpus[0]!.registers.set("rip", 0x200n);
  expect(vcpus[0]!.run(1000)).toBe("halted");
  go(1, SECOND);
  expect(ax(1)).toBe(7);
});

test("a processor between two turns sees what another one stored over the code that it stands in", () => {
  write(SECOND, "40 40 40 b80500 f4"); // inc ax three times; mov ax, 5; hlt
  place(1, SECOND);
  expect(vcpus[1]!.run(2)).toBe("budget");
  write(FIRST, "c606 0490 09 f4"); // mov byte [0x9004], 9; hlt
  go(0, FIRST);
  expect(vcpus[1]!.run(100)).toBe("halted");
  expect(ax(1)).toBe(9);
});

test("a device's write into code reaches every processor", () => {
  write(SECOND, "b80500 f4");
  go(0, SECOND);
  go(1, SECOND);
  write(SECOND + 1, "0b00");
  go(0, SECOND);
  go(1, SECOND);
  expect([ax(0), ax(1)]).toEqual([11, 11]);
});

test("registers are each processor's own", () => {
  write(FIRST, "b80100 0f22d0 f4"); // mov ax, 1; mov cr2, eax; hlt
  write(SECOND, "b80200 0f22d0 f4");
  go(0, FIRST);
  go(1, SECOND);
  expect([ax(0), ax(1)]).toEqual([1, 2]);
  expect([0, 1].map((id) => Number(vcpus[id]!.registers.get("cr2") & 0xffffn))).toEqual([1, 2]);
});

test("PAUSE gives the turn away while another processor has something to do, and only then", () => {
  write(FIRST, "f390 f390 ebfa"); // pause; pause; jmp back
  write(SECOND, "fb f4 ebfd"); // sti; hlt; jmp back
  expect(vcpus[0]!.run(100)).toBe("budget"); // the others wait for STARTUP
  place(1, SECOND);
  expect(vcpus[0]!.run(100)).toBe("yield");
  expect(vcpus[0]!.retired).toBe(101);
  expect(vcpus[1]!.run(100)).toBe("halted");
  expect(vcpus[0]!.run(100)).toBe("budget");
  vcpus[1]!.setInterruptRequest(true);
  expect(vcpus[0]!.run(100)).toBe("yield");
  vcpus[1]!.setInterruptRequest(false);
  expect(vcpus[0]!.run(100)).toBe("budget");
  vcpus[1]!.raiseNmi();
  expect(vcpus[0]!.run(100)).toBe("yield");
});

test("INIT that a processor sends to itself takes effect after the instruction, and STARTUP starts it again", () => {
  write(SECOND, "40 e680 40 40 f4"); // inc ax; out 0x80, al; inc ax; inc ax; hlt
  place(1, SECOND);
  onPort = () => vcpus[1]!.init();
  expect(vcpus[1]!.run(100)).toBe("stopped");
  expect([vcpus[1]!.halted, vcpus[1]!.hasWork, ax(1), vcpus[1]!.retired]).toEqual([true, false, 0, 2]);
  expect(vcpus[1]!.registers.get("rip")).toBe(0xfff0n);
  onPort = () => {};
  vcpus[1]!.startup(SECOND >> 12);
  expect(vcpus[1]!.run(100)).toBe("halted");
  expect(ax(1)).toBe(3);
});

test("a processor asleep in an NMI handler has nothing to do before the handler is left, though another NMI is latched", () => {
  write(8, "0000 0009"); // vector 2 leads to SECOND
  write(SECOND, "f4"); // hlt
  write(FIRST, "f4");
  go(0, FIRST);
  vcpus[0]!.raiseNmi();
  expect(vcpus[0]!.hasWork).toBe(true);
  expect(vcpus[0]!.run(100)).toBe("halted");
  vcpus[0]!.raiseNmi();
  expect(vcpus[0]!.hasWork).toBe(false);
});

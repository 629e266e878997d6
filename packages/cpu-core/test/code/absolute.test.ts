// MOV with an absolute 64-bit offset: the upper half counts. SDM Vol. 2B "MOV", opcodes A0-A3.
import { expect, test } from "vitest";
import { createCore, cpuCore } from "../../src/core.js";

const RAM = 0x400000;
const FAR = 0xffff800000300000n;
const bytesOf = (value: bigint): number[] => Array.from({ length: 8 }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));

test("a store and a load reach an address above 4 GiB, at each operand size", async () => {
  const pages = cpuCore.plan({ ramBytes: RAM, vcpus: 1 }).memoryBytes / 0x10000;
  const none = { attach: () => {}, detach: () => {}, read: () => 0xffffffff, write: () => {} };
  const core = await createCore({
    memory: new WebAssembly.Memory({ initial: pages, maximum: pages }),
    ramBytes: RAM,
    vcpus: 1,
    pio: none,
    mmio: none,
    tscHz: 1e9,
    readTsc: () => 0,
    random: () => {},
    localInterrupts: { acknowledge: () => -1, readTaskPriority: () => 0, writeTaskPriority: () => {} },
    msrs: { msrRead: () => undefined, msrWrite: () => false },
  });
  const ram = core.guestMemory;
  // 2 MiB pages: the first 2 MiB where they are, physical 0x200000 at 0xffff800000200000.
  ram.writeU64(0x1000, 0x2003n);
  ram.writeU64(0x1000 + 256 * 8, 0x4003n);
  ram.writeU64(0x2000, 0x3003n);
  ram.writeU64(0x3000, 0x83n);
  ram.writeU64(0x4000, 0x5003n);
  ram.writeU64(0x5000 + 8, 0x200083n);
  const vcpu = core.vcpus[0]!;
  const r = vcpu.registers;
  r.set("cr3", 0x1000n);
  r.set("cr4", 0x620n);
  r.set("efer", 0x500n);
  r.set("cr0", 0x80010033n);
  r.setSegment("cs", { selector: 8, base: 0n, limit: 0xffffffff, access: 0xa09b });
  const program = [
    [0x48, 0xa3, ...bytesOf(FAR)], // mov [far], rax
    [0x48, 0x31, 0xc0], // xor rax, rax
    [0xa1, ...bytesOf(FAR)], // mov eax, [far]
    [0x66, 0xa3, ...bytesOf(FAR + 16n)], // mov [far+16], ax
    [0xa2, ...bytesOf(FAR + 24n)], // mov [far+24], al
    [0xa0, ...bytesOf(FAR + 7n)], // mov al, [far+7]
    [0xf4],
  ].flat();
  ram.write(0x100000, Uint8Array.from(program));
  r.set("rax", 0x1122334455667788n);
  r.set("rip", 0x100000n);
  expect(vcpu.run(100)).toBe("halted");
  expect(ram.readU64(0x300000)).toBe(0x1122334455667788n);
  expect(ram.readU64(0x300010)).toBe(0x7788n);
  expect(ram.readU64(0x300018)).toBe(0x88n);
  expect(r.get("rax")).toBe(0x55667711n);
});

// A PVH guest on the recording parts: its physical memory is the core's, and the test is the processor.
import type { InterceptAnswer, InterceptableInstruction, InterceptedInstruction } from "@paravane/paravirt-ops";
import { type BackendBench, backendBench } from "@paravane/paravirt-ops/conformance";
import { describe, expect, test } from "vitest";
import { native } from "../../test/guest.js";
import { elfKernel, image, xenNotes } from "../../test/images.js";
import { type HypercallName, hypercalls } from "../abi/hypercalls.js";
import { hvmParams } from "../abi/services.js";
import { xen } from "../backend.js";

const ENTRY = 0x100000;
const SCRATCH = 0x180000;
const UPCALL = 0xf3;
const CODE64 = { selector: 8, base: 0n, limit: 0xffff_ffff, access: 0xa09b };

class PvhGuest {
  private constructor(readonly bench: BackendBench) {}

  static async start(vcpus = 1): Promise<PvhGuest> {
    const bench = await backendBench(xen.with({ mode: "pvh" }), [native], vcpus);
    const elf = elfKernel({ machine: 62, notes: xenNotes({ PHYS32_ENTRY: ENTRY }), physical: ENTRY });
    await bench.backend.load!(image(elf));
    return new PvhGuest(bench);
  }

  get memory() {
    return this.bench.core.guestMemory;
  }

  get frames() {
    return this.bench.core.hypervisor.frames;
  }

  get log() {
    return this.bench.environment.board as unknown as { readonly log: string[] };
  }

  registers(vcpu = 0) {
    return this.bench.core.vcpus[vcpu]!.registers;
  }

  execute(instruction: InterceptableInstruction, parts: Partial<InterceptedInstruction> = {}, vcpu = 0): InterceptAnswer {
    return this.bench.backend.intercept!(vcpu, { instruction, length: 3, bits: 64, level: 0, ...parts });
  }

  /** A call from 64-bit code. */
  call(name: HypercallName, ...args: (number | bigint)[]): number {
    return this.callFrom(0, name, ...args);
  }

  callFrom(vcpu: number, name: HypercallName, ...args: (number | bigint)[]): number {
    const registers = this.registers(vcpu);
    registers.set("efer", 0x500n);
    registers.setSegment("cs", CODE64);
    registers.set("rax", BigInt(hypercalls[name]));
    for (const [index, value] of args.entries()) registers.set((["rdi", "rsi", "rdx"] as const)[index]!, BigInt(value));
    expect(this.execute("vmmcall", {}, vcpu)).toBe("next");
    return Number(BigInt.asIntN(64, registers.get("rax")));
  }

  words(...values: number[]): number {
    for (const [index, value] of values.entries()) this.memory.writeU32(SCRATCH + index * 4, value);
    return SCRATCH;
  }
}

describe("a PVH guest", () => {
  test("starts at its entry, alone at level 0, with nothing of the hypervisor's in its linear memory", async () => {
    const { bench } = await PvhGuest.start();
    const { log } = bench.core.hypervisor;
    expect(bench.core.vcpus[0]!.registers.get("rip")).toBe(BigInt(ENTRY));
    expect(log.some((line) => line.startsWith("openWindow") || line.startsWith("setEventMask") || line.startsWith("setVirtualLevel"))).toBe(
      false,
    );
    expect(bench.backend.store!(0, { physical: 0x5000 } as never)).toBe("store");
  });

  test("finds Xen by CPUID, with flags and numbers of its own, and all else is the processor's", async () => {
    const guest = await PvhGuest.start(2);
    const leaf = (number: number, vcpu = 0): bigint[] => {
      guest.registers(vcpu).set("rax", BigInt(number));
      guest.registers(vcpu).set("rcx", 0n);
      expect(guest.execute("cpuid", {}, vcpu)).toBe("next");
      return (["rax", "rbx", "rcx", "rdx"] as const).map((name) => guest.registers(vcpu).get(name));
    };
    expect(leaf(0x4000_0000)).toEqual([0x4000_0005n, 0x566e_6558n, 0x6558_4d4dn, 0x4d4d_566en]);
    expect(leaf(0x4000_0002)).toEqual([1n, 0x4000_0000n, 0n, 0n]);
    expect(leaf(0x4000_0004, 1)).toEqual([0x5cn, 1n, 1n, 0n]);
    guest.registers().set("rax", 1n);
    expect(guest.execute("cpuid")).toBe("architectural");
  });

  test("gets its page of calls by WRMSR, which is else a #GP like others", async () => {
    const guest = await PvhGuest.start();
    const registers = guest.registers();
    const fault = { kind: "exception", vector: 13, errorCode: 0, level: 0 } as const;
    guest.memory.write(ENTRY, Uint8Array.of(0x0f, 0x30));
    registers.set("rcx", 0x4000_0000n);
    registers.set("rdx", 0n);
    registers.set("rax", BigInt(SCRATCH));
    expect(guest.bench.backend.delivery!(0, fault)).toBe("handled");
    expect(registers.get("rip")).toBe(BigInt(ENTRY + 2));
    // xen_version: mov eax, 17; vmmcall (or vmcall); ret
    expect([...guest.memory.view(SCRATCH + 17 * 32, 9)]).toEqual([0xb8, 17, 0, 0, 0, 0x0f, 0x01, 0xd9, 0xc3]);
    registers.set("rip", BigInt(ENTRY));
    for (const [register, value] of [
      ["rax", 0x4000_0000n],
      ["rax", BigInt(SCRATCH + 1)],
      ["rcx", 0x4000_0001n],
    ] as const) {
      registers.set("rax", BigInt(SCRATCH));
      registers.set(register, value);
      expect(guest.bench.backend.delivery!(0, fault)).toBe("architectural");
    }
  });

  test("calls with the width of the code that calls, and only its kernel may", async () => {
    const guest = await PvhGuest.start();
    expect(guest.call("xen_version", 6, guest.words(0, 0))).toBe(0);
    expect(guest.memory.readU32(SCRATCH + 4)).toBe((1 << 0) | (1 << 2) | (1 << 8) | (1 << 9) | (1 << 13) | (1 << 16));
    const registers = guest.registers();
    registers.set("efer", 0n);
    registers.set("rax", BigInt(hypercalls.xen_version));
    registers.set("rbx", 0n);
    expect(guest.execute("vmmcall")).toBe("next");
    expect(registers.get("rax")).toBe(0x40011n);
    registers.set("rax", BigInt(hypercalls.xen_version));
    expect(guest.execute("vmmcall", { level: 3 })).toBe("next");
    expect(BigInt.asIntN(64, registers.get("rax"))).toBe(-1n);
    expect([guest.call("mmu_update", 0, 0, 0), guest.call("iret"), guest.call("set_gdt", 0, 0)]).toEqual([-38, -38, -38]);
  });

  test("finds its rings by parameters, and may not set them", async () => {
    const guest = await PvhGuest.start();
    const parameter = (command: number, index: number, value = 0): [number, number] => {
      const result = guest.call("hvm_op", command, guest.words(0x7ff0, index, value, 0));
      return [result, guest.memory.readU32(SCRATCH + 8)];
    };
    const end = guest.memory.size / 4096;
    expect(parameter(1, hvmParams.STORE_PFN)).toEqual([0, end - 2]);
    expect(parameter(1, hvmParams.STORE_EVTCHN)).toEqual([0, 1]);
    expect(parameter(1, hvmParams.CONSOLE_PFN)).toEqual([0, end - 1]);
    expect(parameter(1, hvmParams.CONSOLE_EVTCHN)).toEqual([0, 2]);
    expect([parameter(0, hvmParams.STORE_PFN, 5)[0], parameter(1, 5)[0], parameter(1, 39)[0]]).toEqual([-1, -1, -22]);
    expect([guest.call("hvm_op", 9, SCRATCH), guest.call("hvm_op", 99, SCRATCH)]).toEqual([-22, -38]);
  });

  test("has shared_info where it wants it, and grant frames in RAM or beyond", async () => {
    const guest = await PvhGuest.start();
    const place = (space: number, index: number, gfn: number): number => {
      guest.memory.writeU32(SCRATCH, 0x7ff0);
      guest.memory.writeU32(SCRATCH + 4, space);
      guest.memory.writeU64(SCRATCH + 8, BigInt(index));
      guest.memory.writeU64(SCRATCH + 16, BigInt(gfn));
      return guest.call("memory_op", 7, SCRATCH);
    };
    expect(place(0, 0, 0x190)).toBe(0);
    expect([...guest.memory.view(0x190000, 2)]).toEqual([0, 1]);
    expect(place(1, 0, 0x191)).toBe(0);
    expect([guest.memory.readU16(0x191000), guest.memory.readU32(0x191004)]).toEqual([1 | 8 | 16, guest.memory.size / 4096 - 1]);
    expect(place(1, 1, 0x40000)).toBe(0);
    const { mmio } = guest.bench.environment;
    mmio.write(0x4000_0008, 4, 0x1234_5678);
    expect([mmio.read(0x4000_0008, 4), mmio.read(0x4000_000a, 2), mmio.read(0x4000_0008, 1)]).toEqual([0x1234_5678, 0x1234, 0x78]);
    expect(place(1, 1, 0x40001)).toBe(0);
    expect([mmio.read(0x4000_0008, 4) >>> 0, mmio.read(0x4000_1008, 4)]).toEqual([0xffff_ffff, 0x1234_5678]);
    expect([place(1, 64, 0x192), place(2, 0, 0x192), place(0, 0, 2 ** 40)]).toEqual([-22, -22, -22]);
  });

  test("is told of events by its vector, and again when it has not looked", async () => {
    const guest = await PvhGuest.start();
    const { msis } = messages(guest);
    expect(guest.call("hvm_op", 23, guest.words(0, 8))).toBe(-22);
    expect(guest.call("hvm_op", 23, guest.words(7, UPCALL))).toBe(-2);
    expect(guest.call("hvm_op", 23, guest.words(0, UPCALL))).toBe(0);
    expect(msis()).toEqual([]);
    expect(guest.call("event_channel_op", 7, guest.words(0, 0))).toBe(0);
    const port = guest.memory.readU32(SCRATCH + 4);
    expect(guest.call("event_channel_op", 9, guest.words(port))).toBe(0);
    expect(guest.call("event_channel_op", 4, guest.words(port))).toBe(0);
    expect(new Set(msis())).toEqual(new Set(["msi fee00000 f3"]));
    const before = msis().length;
    guest.call("xen_version", 0);
    expect(msis().length).toBe(before + 1);
  });

  test("powers off when all its vCPUs halt with interrupts off, and not before", async () => {
    const guest = await PvhGuest.start(2);
    const halts = guest.bench.core.vcpus as unknown as { halted: boolean }[];
    guest.registers(1).set("rflags", 0x202n);
    expect(guest.execute("hlt", {}, 1)).toBe("architectural");
    Object.defineProperty(halts[1], "halted", { value: true });
    guest.registers(0).set("rflags", 2n);
    expect(guest.execute("hlt")).toBe("architectural");
    expect(guest.bench.shutdowns).toEqual([]);
    guest.registers(1).set("rflags", 2n);
    guest.execute("hlt");
    expect(guest.bench.shutdowns).toEqual(["poweroff: every vCPU halted with interrupts off"]);
  });

  test("has nothing on its ports", async () => {
    const guest = await PvhGuest.start();
    guest.registers().set("rax", 0x1234_5600n);
    expect(guest.execute("in", { port: 0x61, size: 1 })).toBe("next");
    expect(guest.registers().get("rax")).toBe(0x1234_56ffn);
    expect(guest.execute("in", { port: 0xcfc, size: 4 })).toBe("next");
    expect(guest.registers().get("rax")).toBe(0xffff_ffffn);
    expect(guest.execute("out", { port: 0xcf8, size: 4, operand: 0n })).toBe("next");
  });

  test("starts another vCPU in a state of its choice, once, and refuses one that cannot be", async () => {
    const guest = await PvhGuest.start(2);
    const context = (fields: Readonly<Record<number, bigint>>, mode: number): number => {
      guest.memory.fill(SCRATCH, 128, 0);
      guest.memory.writeU32(SCRATCH, mode);
      for (const [offset, value] of Object.entries(fields)) guest.memory.writeU64(SCRATCH + 8 + Number(offset), value);
      return guest.call("vcpu_op", 0, 1, SCRATCH);
    };
    const long = { 0: 7n, 64: 0x123456n, 72: 2n, 80: 0x8000_0001n, 88: 0x3000n, 96: 0x20n };
    expect(context({ ...long, 104: 0x100n }, 1)).toBe(-22);
    expect(context(long, 2)).toBe(-22);
    expect(guest.call("vcpu_op", 1, 1, 0)).toBe(-22);
    expect(context({ ...long, 104: 0x500n }, 1)).toBe(0);
    const registers = guest.registers(1);
    expect([registers.get("rip"), registers.get("rax"), registers.get("cr3"), registers.segment("cs").access]).toEqual([
      0x123456n,
      7n,
      0x3000n,
      0xa09b,
    ]);
    expect(context({ ...long, 104: 0x500n }, 1)).toBe(-17);
    expect(guest.call("vcpu_op", 3, 1, 0)).toBe(0);
    expect(guest.call("vcpu_op", 1, 1, 0)).toBe(0);
    expect(guest.call("vcpu_op", 3, 1, 0)).toBe(1);
  });
});

/** Messages that went to local APICs. */
function messages(guest: PvhGuest): { msis(): string[] } {
  const sent: string[] = [];
  const { msi } = guest.bench.environment.board;
  msi.send = (address, data) => void sent.push(`msi ${address.toString(16)} ${data.toString(16)}`);
  return { msis: () => sent };
}

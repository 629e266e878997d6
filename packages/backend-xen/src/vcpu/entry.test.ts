// Ways into the guest's kernel and out of it, as a processor would take them.
import type { ResumeAt } from "@paravane/paravirt-ops";
import { describe, expect, test } from "vitest";
import { TestGuest } from "../../test/guest.js";

const HANDLER = 0x5000;

/** A guest with a handler for `vector`. `flags`: bit 2 masks events. */
async function guestWith(bits: 64 | 32, vector: number, flags = 0): Promise<TestGuest> {
  const guest = await TestGuest.start(bits);
  const at = guest.scratch();
  const code = bits === 64 ? 0xe033 : 0xe019;
  guest.memory.writeU32(at, vector | (flags << 8) | (code << 16));
  if (bits === 64) guest.memory.writeU64(at + 8, BigInt(HANDLER));
  else guest.memory.writeU32(at + 4, HANDLER);
  guest.memory.fill(at + bits / 4, 16, 0);
  expect(guest.call("set_trap_table", at)).toBe(0);
  // Linear memory is machine memory in these tests: a stack in a page of the guest's.
  guest.registers.set("rsp", BigInt(guest.scratch(0xf08)));
  guest.call("vm_assist", 0, 2);
  guest.registers.set("rsp", BigInt(guest.scratch(0xf08)));
  guest.registers.set("rip", 0x123456n);
  guest.registers.set("rcx", 0xccn);
  guest.registers.set("r11", 0x11n);
  guest.registers.set("rflags", 0x10646n);
  return guest;
}

/** Words of a frame. */
function frame(guest: TestGuest, rsp: bigint, count: number): bigint[] {
  return Array.from({ length: count }, (_, index) => guest.word(Number(rsp) + index * (guest.bits / 8)));
}

const vcpuInfo = (guest: TestGuest): Uint8Array => guest.hypervisor.frames.bytes(Math.floor(guest.info.get("shared_info") / 4096));

describe("an exception of a 64-bit kernel", () => {
  test("finds a frame with RCX, R11 and the mask of events, and the real address in vcpu_info", async () => {
    const guest = await guestWith(64, 14, 4);
    vcpuInfo(guest)[1] = 0;
    const answer = guest.hypervisor.deliveryHandler!(0, {
      kind: "exception",
      vector: 14,
      errorCode: 7,
      address: 0xdead000n,
      level: 1,
    }) as ResumeAt;
    expect([answer.rip, answer.rflags, answer.code?.selector, answer.stack?.selector]).toEqual([BigInt(HANDLER), 0x646n, 0xe033, 0xe02b]);
    expect(answer.rsp % 16n).toBe(BigInt((guest.scratch(0xf00) - 8 * 8) % 16));
    // The error code says supervisor; the frame's flags say that events were not masked; CS has lost its level.
    expect(frame(guest, answer.rsp, 8)).toEqual([0xccn, 0x11n, 3n, 0x123456n, 0xe030n, 0x10646n, BigInt(guest.scratch(0xf08)), 0xe02bn]);
    const info = vcpuInfo(guest);
    expect([info[1], new DataView(info.buffer, info.byteOffset).getBigUint64(0x10, true)]).toEqual([1, 0xdead000n]);
  });

  test("comes from user code on the kernel's stack, table and GS", async () => {
    const guest = await guestWith(64, 13);
    guest.call("stack_switch", 0xe02b, guest.scratch(0x800));
    const root = guest.frameOf(guest.info.get("pt_base") / 4096);
    const at = guest.scratch(0x100);
    guest.words(at, 15, root, 0);
    expect(guest.call("mmuext_op", at, 1, 0, 0x7ff0)).toBe(0);
    // The frame of an iret call: rax, r11, rcx, flags, rip, cs, rflags, rsp, ss.
    guest.words(guest.scratch(0x400), 1, 2, 3, 0, 0x400000, 0xe033, 0x202, 0x7000, 0xe02b);
    guest.registers.set("rsp", BigInt(guest.scratch(0x400)));
    guest.call("set_segment_base", 1, 0x1000n);
    guest.call("set_segment_base", 2, 0x2000n);
    guest.call("iret");
    expect([guest.registers.get("rip"), guest.registers.get("rax"), guest.registers.get("r11"), guest.registers.get("rcx")]).toEqual([
      0x400000n,
      1n,
      2n,
      3n,
    ]);
    expect(guest.registers.segment("gs").base).toBe(0x1000n);
    expect(guest.hypervisor.log).toContain("setVirtualLevel 0 3");
    expect(vcpuInfo(guest)[1]).toBe(0);
    const answer = guest.hypervisor.deliveryHandler!(0, { kind: "exception", vector: 13, errorCode: 0, level: 3 }) as ResumeAt;
    expect(answer.rsp).toBe(BigInt(guest.scratch(0x800) - 64));
    expect(frame(guest, answer.rsp, 8).slice(2)).toEqual([0n, 0x400000n, 0xe033n, 0x202n, 0x7000n, 0xe02bn]);
    expect(guest.registers.segment("gs").base).toBe(0x2000n);
    expect(guest.hypervisor.log.at(-1)).toBe("setVirtualLevel 0 1");
    expect(guest.hypervisor.log).toContain(`switchRoot 0 ${root}`);
  });
});

describe("a 32-bit kernel", () => {
  test("gets the short frame when it was running, with the mask beside CS", async () => {
    const guest = await guestWith(32, 6);
    const answer = guest.hypervisor.deliveryHandler!(0, { kind: "exception", vector: 6, level: 1 }) as ResumeAt;
    expect([answer.rip, answer.code?.selector, answer.stack]).toEqual([BigInt(HANDLER), 0xe019, undefined]);
    expect(frame(guest, answer.rsp, 3)).toEqual([0x123456n, 0x1e019n, 0x10446n]);
  });

  test("may not return to ring 0", async () => {
    const guest = await guestWith(32, 6);
    guest.words(guest.scratch(0x400), 0, 0x1000, 0x8, 0x202);
    guest.registers.set("rsp", BigInt(guest.scratch(0x400)));
    guest.call("iret");
    expect(guest.bench.shutdowns[0]).toMatch(/a return to ring 0/);
  });
});

describe.each([64, 32] as const)("software interrupts of a %i-bit guest", (bits) => {
  test("reach handlers that are open to the kernel, behind the instruction", async () => {
    const guest = await guestWith(bits, 0x21, 3);
    expect(guest.execute("int", { index: 0x21, length: 2 })).toBe("resume");
    expect(guest.registers.get("rip")).toBe(BigInt(HANDLER));
    const at = bits === 64 ? 2 : 0;
    expect(frame(guest, guest.registers.get("rsp"), 3)[at]).toBe(0x123458n);
  });

  test("are #GP with the gate's number where there is none", async () => {
    const guest = await guestWith(bits, 0x21, 3);
    expect(guest.execute("int", { index: 0x22, length: 2 })).toEqual({ fault: 13, errorCode: 0x22 * 8 + 2 });
    expect(guest.execute("int", { index: 0x80, length: 2 })).toEqual({ fault: 13, errorCode: 0x402 });
  });
});

describe.each([64, 32] as const)("instructions of a %i-bit kernel", (bits) => {
  test("CPUID says Xen and hides what a deprivileged kernel cannot use, by both ways", async () => {
    const guest = await guestWith(bits, 6);
    guest.registers.set("rax", 0x40000000n);
    expect(guest.execute("cpuid")).toBe("next");
    expect([guest.registers.get("rax"), guest.registers.get("rbx")]).toEqual([0x40000005n, 0x566e6558n]);
    const code = guest.scratch(0x200);
    guest.memory.write(code, Uint8Array.of(0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2));
    guest.registers.set("rip", BigInt(code));
    guest.registers.set("rax", 0x40000001n);
    expect(guest.execute("ud2")).toBe("resume");
    expect([guest.registers.get("rip"), guest.registers.get("rax")]).toEqual([BigInt(code + 7), 0x40011n]);
    guest.memory.writeU8(code + 6, 0x31);
    guest.registers.set("rip", BigInt(code));
    expect(guest.execute("ud2")).toEqual({ fault: 6 });
  });

  test("MSRs that there are not are #GP, once there is somebody to hear it", async () => {
    const early = await guestWith(bits, 6);
    expect(early.execute("rdmsr", { index: 0xdead })).toBe("next");
    const late = await guestWith(bits, 13);
    expect(late.execute("rdmsr", { index: 0xdead })).toEqual({ fault: 13, errorCode: 0 });
    expect(late.execute("wrmsr", { index: 0xdead, operand: 0n })).toEqual({ fault: 13, errorCode: 0 });
    expect([late.execute("rdmsr", { index: 0x277 }), late.registers.get("rdx"), late.registers.get("rax")]).toEqual([
      "next",
      0x501n,
      0x70406n,
    ]);
  });

  test("CLI, STI and ports obey the virtual I/O privilege", async () => {
    const guest = await guestWith(bits, 6);
    expect([guest.execute("cli"), guest.execute("in", { port: 0x80, size: 1 })]).toEqual([
      { fault: 13, errorCode: 0 },
      { fault: 13, errorCode: 0 },
    ]);
    guest.memory.writeU32(guest.scratch(), 1);
    expect(guest.call("physdev_op", 6, guest.scratch())).toBe(0);
    guest.registers.set("rax", 0x1234n);
    expect([guest.execute("cli"), guest.execute("sti"), guest.execute("in", { port: 0x80, size: 1 })]).toEqual(["next", "next", "next"]);
    expect(guest.registers.get("rax")).toBe(0x12ffn);
    guest.memory.writeU32(guest.scratch(), 4);
    expect(guest.call("physdev_op", 6, guest.scratch())).toBe(-22);
  });

  test("control registers show what a guest may see, and CR0 changes in one bit only", async () => {
    const guest = await guestWith(bits, 6);
    expect([guest.execute("mov-from-cr", { control: "cr0", destination: 3 }), guest.registers.get("rbx")]).toEqual(["next", 0x80050033n]);
    expect([guest.execute("mov-from-cr", { control: "cr4", destination: 3 }), guest.registers.get("rbx")]).toEqual(["next", 0x660n]);
    expect(guest.execute("mov-to-cr", { control: "cr0", operand: 0x8005003bn })).toBe("next");
    expect(guest.execute("mov-to-cr", { control: "cr0", operand: 0x80050032n })).toEqual({ fault: 13, errorCode: 0 });
    expect([guest.execute("mov-from-cr", { control: "cr0", destination: 3 }), guest.registers.get("rbx")]).toEqual(["next", 0x8005003bn]);
  });
});

describe("events", () => {
  test("a virtual interrupt shows in both bitmaps and enters by the callback, once it is not masked", async () => {
    const guest = await guestWith(64, 6);
    const at = guest.scratch(0x300);
    guest.memory.write(at, new Uint8Array(16));
    guest.memory.writeU64(at + 8, 0x6000n);
    expect(guest.call("callback_op", 0, at)).toBe(0);
    guest.memory.write(at, new Uint8Array(12));
    expect(guest.call("event_channel_op", 1, at)).toBe(0);
    const port = guest.memory.readU32(at + 8);
    expect([port, guest.call("event_channel_op", 1, at)]).toEqual([3, -17]);
    const info = vcpuInfo(guest);
    info[1] = 0;
    guest.bench.advance(10_000_000);
    expect([info[0], info[8], info[0x800]]).toEqual([1, 1, 1 << port]);
    expect(guest.hypervisor.log.at(-1)).toBe("setPending 0 true");
    const answer = guest.hypervisor.deliveryHandler!(0, { kind: "event", level: 1 }) as ResumeAt;
    expect([answer.rip, info[1]]).toEqual([0x6000n, 1]);
    expect(guest.hypervisor.log.at(-1)).toBe("setPending 0 false");
    expect(guest.hypervisor.deliveryHandler!(0, { kind: "event", level: 1 })).toBe("handled");
  });

  test("a blocked vCPU sleeps until one comes, and not at all when one is there", async () => {
    const guest = await guestWith(64, 6);
    expect(guest.call("sched_op", 1, 0)).toBe(0);
    expect([guest.hypervisor.log.at(-1), vcpuInfo(guest)[1]]).toEqual(["park 0", 0]);
    const at = guest.scratch(0x300);
    guest.memory.write(at, new Uint8Array(12));
    guest.call("event_channel_op", 1, at);
    guest.bench.advance(10_000_000);
    expect(guest.hypervisor.log.slice(-2)).toEqual(["setPending 0 true", "wake 0"]);
    guest.hypervisor.log.length = 0;
    guest.call("sched_op", 1, 0);
    expect(guest.hypervisor.log).not.toContain("park 0");
  });

  test("vcpu_info moves once, to a page that the guest may write, and everything is pending then", async () => {
    const guest = await guestWith(64, 6);
    const at = guest.scratch(0x300);
    const frameNumber = guest.frameOf(20);
    const ask = (frame: number, offset: number): number => {
      guest.memory.writeU64(at, BigInt(frame));
      guest.memory.writeU64(at + 8, BigInt(offset));
      return guest.call("vcpu_op", 10, 0, at);
    };
    expect([ask(frameNumber, 4090), ask(3, 0), ask(frameNumber, 128), ask(frameNumber, 0)]).toEqual([-6, -22, 0, -22]);
    expect([guest.memory.readU8(frameNumber * 4096 + 128), guest.memory.readU64(frameNumber * 4096 + 136)]).toEqual([
      1,
      0xffffffffffffffffn,
    ]);
    expect(guest.hypervisor.log).toContain(`record vcpu_info 0 ${frameNumber} 128 64`);
  });
});

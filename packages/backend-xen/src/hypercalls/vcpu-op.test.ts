// Several vCPUs: states and starts, sleep and waking, IPIs, NMIs, flushes by bitmap.
import { describe, expect, test } from "vitest";
import { TestGuest } from "../../test/guest.js";
import { cpu_user_regs, trap_info, vcpu_guest_context, vgcf } from "../abi/arch-x86.js";
import { eventChannelCommands, schedCommands, vcpuCommands } from "../abi/services.js";
import { StructView } from "../abi/struct.js";

const EINVAL = -22;
const ENTRY = 0x123450n;
const STACK = 0x8f000n;

type Changes = Partial<Record<keyof (typeof vcpu_guest_context)[64]["fields"], number | bigint>>;

/** Writes a context for another vCPU: the first one's page tables, an NMI handler, an event callback. */
function context(guest: TestGuest, changes: Changes = {}, rip = ENTRY): number {
  const { bits } = guest;
  const layout = vcpu_guest_context[bits];
  const view = StructView.empty(layout);
  view.set("flags", vgcf.in_kernel);
  view.set("kernel_sp", STACK);
  view.set("event_callback_eip", 0x5550);
  const user = new StructView(cpu_user_regs[bits], view.field("user_regs"));
  user.set("rip", rip);
  user.set("rsp", STACK);
  user.set("rdi", 7);
  user.set("rflags", 0x1000);
  const nmi = new StructView(trap_info[bits], view.field("trap_ctxt").subarray(2 * trap_info[bits].size, 3 * trap_info[bits].size));
  nmi.set("address", 0x2220);
  nmi.set("flags", 4);
  nmi.set("cs", 0xe019);
  const root = guest.frameOf(guest.info.get("pt_base") / 4096);
  const control = view.field("ctrlreg");
  const numbers = new DataView(control.buffer, control.byteOffset);
  if (bits === 64) numbers.setBigUint64(24, BigInt(root) << 12n, true);
  else numbers.setUint32(12, (root << 12) >>> 0, true);
  for (const [name, value] of Object.entries(changes)) view.set(name as keyof Changes, value);
  const at = 0x90000;
  guest.memory.write(at, view.bytes);
  return at;
}

/** A guest whose second vCPU runs. */
async function twoRunning(bits: 64 | 32): Promise<TestGuest> {
  const guest = await TestGuest.start(bits, {}, 2);
  expect(guest.call("vcpu_op", vcpuCommands.initialise, 1, context(guest))).toBe(0);
  expect(guest.call("vcpu_op", vcpuCommands.up, 1, 0)).toBe(0);
  guest.hypervisor.log.length = 0;
  return guest;
}

/** EVTCHNOP_bind_ipi: the port. */
function ipiFor(guest: TestGuest, vcpu: number): number {
  const at = guest.scratch(0x100);
  guest.memory.writeU32(at, vcpu);
  expect(guest.call("event_channel_op", eventChannelCommands.bind_ipi, at)).toBe(0);
  return guest.memory.readU32(at + 4);
}

function send(guest: TestGuest, port: number): void {
  const at = guest.scratch(0x100);
  guest.memory.writeU32(at, port);
  expect(guest.call("event_channel_op", eventChannelCommands.send, at)).toBe(0);
}

/** SCHEDOP_poll by the second vCPU. */
function poll(guest: TestGuest, ports: readonly number[], timeoutNs: number): number {
  const list = guest.scratch(0x200);
  for (const [index, port] of ports.entries()) guest.memory.writeU32(list + index * 4, port);
  const at = guest.scratch(0x300);
  guest.words(at, list);
  guest.memory.writeU32(at + guest.bits / 8, ports.length);
  guest.memory.writeU64(at + (guest.bits === 64 ? 16 : 8), BigInt(timeoutNs));
  return guest.callFrom(1, "sched_op", schedCommands.poll, at);
}

describe.each([64, 32] as const)("a %i-bit guest with two vCPUs", (bits) => {
  test("gives the second one a state, once, and starts it there", async () => {
    const guest = await TestGuest.start(bits, {}, 2);
    const up = (vcpu: number) => guest.call("vcpu_op", vcpuCommands.up, vcpu, 0);
    const isUp = (vcpu: number) => guest.call("vcpu_op", vcpuCommands.is_up, vcpu, 0);
    expect([up(1), up(2), isUp(0), isUp(1), isUp(2)]).toEqual([EINVAL, -2, 1, 0, -2]);
    expect(guest.call("vcpu_op", vcpuCommands.initialise, 1, context(guest))).toBe(0);
    expect(guest.call("vcpu_op", vcpuCommands.initialise, 1, context(guest))).toBe(-17);
    expect(guest.call("vcpu_op", vcpuCommands.initialise, 0, context(guest))).toBe(-17);
    expect(isUp(1)).toBe(0);
    expect(guest.hypervisor.log).not.toContain("wake 1");
    expect([up(1), up(1), isUp(1)]).toEqual([0, 0, 1]);
    expect(guest.hypervisor.log.filter((line) => line === "wake 1")).toHaveLength(1);
    const registers = guest.registersOf(1);
    expect(["rip", "rsp", "rdi", "rflags"].map((name) => registers.get(name as "rip"))).toEqual([ENTRY, STACK, 7n, 0x202n]);
    expect(registers.get("cr0")).toBe(guest.registers.get("cr0"));
    if (bits === 64) expect(registers.get("cr3")).toBe(guest.registers.get("cr3"));
  });

  test("is refused a state that no vCPU could have, and nothing of it stays", async () => {
    const guest = await TestGuest.start(bits, {}, 2);
    const initialise = (changes: Changes, rip?: bigint) => guest.call("vcpu_op", vcpuCommands.initialise, 1, context(guest, changes, rip));
    expect(guest.call("vcpu_op", vcpuCommands.initialise, 1, 0xf000_0000)).toBe(-14);
    expect([initialise({ ldt_base: 0x1001 }), initialise({ ldt_ents: 8193 }), initialise({ gdt_ents: 7169 })]).toEqual([
      EINVAL,
      EINVAL,
      EINVAL,
    ]);
    if (bits === 64) {
      expect([initialise({}, 1n << 47n), initialise({ gs_base_user: 1n << 63n }), initialise({ flags: 0 })]).toEqual([
        EINVAL,
        EINVAL,
        EINVAL,
      ]);
    }
    const at = context(guest);
    const { offset } = vcpu_guest_context[bits].fields.ctrlreg;
    guest.words(at + offset + 3 * (bits / 8), guest.frameOf(20) * 4096);
    guest.memory.fill(guest.frameOf(20) * 4096, 4096, 0xff);
    expect(guest.call("vcpu_op", vcpuCommands.initialise, 1, at)).toBe(EINVAL);
    expect(initialise({})).toBe(0);
  });

  test("takes one down, which nothing wakes then; the last one down ends the domain", async () => {
    const guest = await twoRunning(bits);
    const port = ipiFor(guest, 1);
    expect(guest.call("vcpu_op", vcpuCommands.down, 1, 0)).toBe(0);
    expect(guest.hypervisor.log).toContain("park 1");
    expect(guest.call("vcpu_op", vcpuCommands.is_up, 1, 0)).toBe(0);
    send(guest, port);
    expect(guest.hypervisor.log.filter((line) => /^(wake|setPending) 1( true)?$/.test(line))).toEqual([]);
    expect(guest.call("vcpu_op", vcpuCommands.up, 1, 0)).toBe(0);
    expect(guest.hypervisor.log).toContain("wake 1");
    expect(guest.call("vcpu_op", vcpuCommands.down, 1, 0)).toBe(0);
    expect(guest.call("vcpu_op", vcpuCommands.down, 0, 0)).toBe(0);
    expect(guest.bench.shutdowns).toEqual(["poweroff: the domain's last vCPU went down"]);
  });

  test("wakes the other by an IPI that it sleeps for", async () => {
    const guest = await twoRunning(bits);
    const port = ipiFor(guest, 1);
    expect(guest.callFrom(1, "sched_op", schedCommands.block, 0)).toBe(0);
    expect(guest.hypervisor.log).toContain("park 1");
    send(guest, port);
    expect(guest.hypervisor.log.slice(-3)).toEqual(expect.arrayContaining(["setPending 1 true", "wake 1"]));
  });

  test("polls a masked port: it goes on when the port is pending, or when the time is over", async () => {
    const guest = await twoRunning(bits);
    const port = ipiFor(guest, 1);
    const other = ipiFor(guest, 1);
    const shared = guest.hypervisor.frames.bytes(Math.floor(guest.info.get("shared_info") / 4096));
    shared[bits === 64 ? 0xa00 : 0x880] = 0xff;
    expect(poll(guest, [port], 0)).toBe(0);
    expect(guest.hypervisor.log).toContain("park 1");
    send(guest, other);
    expect(guest.hypervisor.log).not.toContain("wake 1");
    send(guest, port);
    expect(guest.hypervisor.log.at(-1)).toBe("wake 1");
    guest.hypervisor.log.length = 0;
    expect(poll(guest, [port], 0)).toBe(0);
    expect(guest.hypervisor.log).not.toContain("park 1");
    shared[0x800] = 0;
    expect(poll(guest, [port], 5_000_000)).toBe(0);
    expect(guest.hypervisor.log).toContain("park 1");
    guest.bench.advance(5_000_001);
    expect(guest.hypervisor.log.at(-1)).toBe("wake 1");
    expect(
      poll(
        guest,
        Array.from({ length: 129 }, () => port),
        0,
      ),
    ).toBe(EINVAL);
    expect(poll(guest, [0x20000], 0)).toBe(EINVAL);
  });

  test("sends an NMI, which is taken at once, masked or not, and the next after the handler's return", async () => {
    const guest = await twoRunning(bits);
    const registers = guest.registersOf(1);
    expect(guest.call("vcpu_op", vcpuCommands.send_nmi, 1, 8)).toBe(EINVAL);
    expect(guest.call("vcpu_op", vcpuCommands.send_nmi, 2, 0)).toBe(-2);
    expect(guest.call("vcpu_op", vcpuCommands.send_nmi, 1, 0)).toBe(0);
    expect(registers.get("rip")).toBe(0x2220n);
    registers.set("rip", 0x3330n);
    expect(guest.call("vcpu_op", vcpuCommands.send_nmi, 1, 0)).toBe(0);
    expect(registers.get("rip")).toBe(0x3330n);
    const frame =
      bits === 64 ? [0, 0, 0, 0, 0x4440, 0xe030, 0x202, Number(STACK), 0xe02b] : [0, 0x4440, 0xe019, 0x202, Number(STACK), 0xe021];
    registers.set("rsp", BigInt(guest.words(guest.scratch(0x400), ...frame)));
    guest.callFrom(1, "iret");
    expect(registers.get("rip")).toBe(0x2220n);
    // Descriptors of 32-bit frames are read in a window, which the recording parts do not have.
    if (bits === 64) expect(guest.word(Number(registers.get("rsp")) + 16)).toBe(0x4440n);
  });

  test("flushes exactly the vCPUs of a bitmap", async () => {
    const guest = await twoRunning(bits);
    const bitmap = guest.words(guest.scratch(0x100), 0b110);
    const at = guest.scratch();
    const request = (command: number, arg1: number | bigint, arg2: number | bigint): number => {
      guest.hypervisor.log.length = 0;
      guest.memory.fill(at, 24, 0);
      guest.memory.writeU32(at, command);
      guest.words(at + (bits === 64 ? 8 : 4), arg1, arg2);
      return guest.call("mmuext_op", at, 1, 0, 0x7ff0);
    };
    const flushed = (): string[] => guest.hypervisor.log.filter((line) => line.startsWith("forgetAddress"));
    expect([request(8, 0, bitmap), flushed()]).toEqual([0, ["forgetAddress 1 all"]]);
    expect([request(9, 0x7000, bitmap), flushed()]).toEqual([0, ["forgetAddress 1 28672"]]);
    expect([request(8, 0, 0xf000_0000), flushed()]).toEqual([EINVAL, []]);
    expect([request(10, 0, 0), flushed()]).toEqual([0, ["forgetAddress 0 all", "forgetAddress 1 all"]]);
    expect([request(11, 0x7000, 0), flushed()]).toEqual([0, ["forgetAddress 0 28672", "forgetAddress 1 28672"]]);
  });

  test("has the timers of both in the same tick", async () => {
    const guest = await twoRunning(bits);
    const at = guest.scratch(0x100);
    for (const vcpu of [0, 1]) {
      guest.memory.writeU32(at, 0);
      guest.memory.writeU32(at + 4, vcpu);
      expect(guest.call("event_channel_op", eventChannelCommands.bind_virq, at)).toBe(0);
      guest.callFrom(vcpu, "vcpu_op", vcpuCommands.stop_periodic_timer, vcpu, 0);
    }
    guest.memory.writeU64(at, 50_000_000n);
    guest.memory.writeU32(at + 8, 0);
    for (const vcpu of [0, 1]) expect(guest.callFrom(vcpu, "vcpu_op", vcpuCommands.set_singleshot_timer, vcpu, at)).toBe(0);
    expect(guest.call("vcpu_op", vcpuCommands.set_singleshot_timer, 1, at)).toBe(EINVAL);
    guest.hypervisor.log.length = 0;
    guest.bench.advance(50_000_001);
    expect(guest.hypervisor.log.filter((line) => line.endsWith("true"))).toEqual(["setPending 0 true", "setPending 1 true"]);
  });

  test("tells a vCPU's run states and time to another, without its page tables", async () => {
    const guest = await TestGuest.start(bits, {}, 2);
    const at = guest.scratch(0x100);
    const area = guest.scratch(0x200);
    guest.words(at, area);
    guest.memory.writeU32(area, 99);
    expect(guest.call("vcpu_op", vcpuCommands.register_runstate_memory_area, 1, at)).toBe(0);
    expect(guest.memory.readU32(area)).toBe(3);
    expect(guest.call("vcpu_op", vcpuCommands.register_vcpu_time_memory_area, 0, at)).toBe(0);
    expect([guest.memory.readU32(area), guest.memory.readU32(area + 24)]).toEqual([2, 0x8000_0000]);
    guest.words(at, bits === 64 ? 0xffff800000000000n : 0xf5800000);
    expect(guest.call("vcpu_op", vcpuCommands.register_runstate_memory_area, 1, at)).toBe(-14);
    expect(guest.call("vcpu_op", vcpuCommands.get_physid, 0, at)).toBe(EINVAL);
  });
});

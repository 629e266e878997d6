import { type GuestImage, listOperations } from "@paravane/paravirt-ops";
import { backendSuite, ownAnswers } from "@paravane/paravirt-ops/conformance";
import { describe, expect, test } from "vitest";
import { native, TestGuest } from "../test/guest.js";
import { elfKernel, image, plainNotes, xenNotes } from "../test/images.js";
import { xen } from "./backend.js";

describe("Xen, as every backend", () => {
  for (const { name, run } of backendSuite(xen, [native])) test(name, run);
});

test("what it answers itself is its timers; all other operations are the layer's beneath", async () => {
  expect(await ownAnswers(xen)).toEqual(["time.setNextEvent", "time.setPeriodic", "time.shutdownEvent"]);
  // A new operation wants to be read: does it belong to this ABI?
  expect(listOperations().length).toBe(98);
});

test("it is the only one that can start a kernel with PV notes alone, and cannot start one without", () => {
  const pv = elfKernel({ notes: plainNotes() });
  expect(xen.boot.accepts(image(pv))).toBe("requires");
  expect(xen.boot.accepts(image(pv, { protocols: ["pvh"] }))).toBe("allows");
  expect(xen.boot.accepts(image(elfKernel({ notes: [] }), { protocols: ["multiboot1"] }))).toBe("no");
  expect(xen.boot.accepts(image(elfKernel({ notes: xenNotes({ XEN_VERSION: "xen-2.0", ENTRY: 0 }) })))).toBe("no");
  const packed: GuestImage = {
    description: "",
    file: new Uint8Array(0),
    protocols: ["linux64"],
    commandLine: "",
    payload: async () => image(pv),
  };
  expect(xen.boot.accepts(packed)).toBe("allows");
});

test("a kernel with a PVH entry only is allowed too, and one without the entry that was asked for is refused", async () => {
  const pvh = elfKernel({ notes: xenNotes({ PHYS32_ENTRY: 0x100000 }) });
  expect(xen.boot.accepts(image(pvh, { protocols: ["pvh"] }))).toBe("allows");
  await expect(TestGuest.start(64, { mode: "pvh" })).rejects.toMatchObject({ code: "image/no-boot-protocol" });
});

describe.each([64, 32] as const)("a %i-bit guest", (bits) => {
  test("starts with its tables validated and in force, events masked, at its entry", async () => {
    const guest = await TestGuest.start(bits);
    expect([guest.registers.get("rip"), guest.registers.segment("cs").selector]).toEqual([0x100000n, bits === 64 ? 0xe033 : 0xe019]);
    const sharedInfo = Math.floor(guest.info.get("shared_info") / 4096);
    expect([...guest.hypervisor.frames.bytes(sharedInfo).subarray(0, 2)]).toEqual([0, 1]);
    // Ring 2 of a 32-bit guest is user code too.
    expect(guest.hypervisor.log.filter((line) => line.startsWith("setIntercepts")).length).toBe(bits === 64 ? 2 : 3);
    expect(guest.hypervisor.log.includes("setVirtualLevel 0 1")).toBe(bits === 64);
    const root = guest.frameOf(guest.info.get("pt_base") / 4096);
    expect(guest.hypervisor.protectedFrames.has(root)).toBe(true);
  });

  test("reads its table of machine frames in the hypervisor's hole", async () => {
    const guest = await TestGuest.start(bits);
    const window = guest.hypervisor.log.find((line) => line.startsWith("openWindow"));
    expect(window).toBe(`openWindow ${bits === 64 ? 0xffff800000000000n : 0xf5800000n} ${bits === 64 ? 4 : 2}`);
    const at = guest.scratch();
    expect(guest.call("memory_op", 12, at)).toBe(0);
    expect([guest.word(at), guest.word(at + 2 * (bits / 8))]).toEqual([bits === 64 ? 0xffff800000000000n : 0xf5800000n, 0x7ffn]);
  });

  test("is told version and features, and not what is none of its business", async () => {
    const guest = await TestGuest.start(bits);
    const at = guest.scratch();
    expect(guest.call("xen_version", 0, 0)).toBe(0x40011);
    guest.memory.writeU32(at, 0);
    expect([guest.call("xen_version", 6, at), guest.memory.readU32(at + 4)]).toEqual([0, 0x220e0]);
    expect([guest.call("vm_assist", 0, 3), guest.call("xen_version", 6, at), guest.memory.readU32(at + 4)]).toEqual([0, 0, 0x220f0]);
    guest.memory.writeU32(at, 1);
    expect([guest.call("xen_version", 6, at), guest.call("xen_version", 10, at), guest.call("xen_version", 99, at)]).toEqual([
      -22, -1, -38,
    ]);
    expect(guest.calls).toContain("xen_version.build_id -1");
  });

  test("gets -ENOSYS for what there is not, and it is seen", async () => {
    const guest = await TestGuest.start(bits);
    for (const number of [11, 38, 41, 200, 0xffffffff]) expect(guest.call(number)).toBe(-38);
    expect(guest.calls.slice(0, 4)).toEqual(["hypercall_11 -38", "tmem_op -38", "dm_op -38", "hypercall_200 -38"]);
  });

  test("gets -EFAULT for pointers that lead nowhere or into the hypervisor", async () => {
    const guest = await TestGuest.start(bits);
    const hole = bits === 64 ? 0xffff800000000000n : 0xf5800000n;
    for (const pointer of [hole, 0xf0000000n, BigInt.asUintN(bits, -8n)]) {
      expect(guest.call("memory_op", 12, pointer), pointer.toString(16)).toBe(-14);
      expect(guest.call("mmu_update", pointer, 1, 0, 0x7ff0)).toBe(-14);
      expect(guest.call("event_channel_op", 4, pointer)).toBe(-14);
    }
  });

  test("changes its page tables by requests, as many as succeed", async () => {
    const guest = await TestGuest.start(bits);
    const table = guest.frameOf(guest.info.get("pt_base") / 4096 + guest.info.get("nr_pt_frames") - 1);
    const target = guest.frameOf(17);
    const at = guest.scratch();
    const done = guest.scratch(0x800);
    const request = (index: number, pointer: number, value: bigint): void => {
      guest.memory.writeU64(at + index * 16, BigInt(pointer));
      guest.memory.writeU64(at + index * 16 + 8, value);
    };
    request(0, table * 4096 + 8 * 511, (BigInt(target) << 12n) | 1n);
    request(1, table * 4096 + 8 * 510, (BigInt(table) << 12n) | 3n);
    request(2, table * 4096 + 8 * 509, 0n);
    expect(guest.call("mmu_update", at, 3, done, 0x7ff0)).toBe(-16);
    expect(guest.memory.readU32(done)).toBe(1);
    expect(guest.memory.readU64(table * 4096 + 8 * 511) & 1n).toBe(1n);
    expect(guest.call("mmu_update", at, 1, 0, 5)).toBe(-3);
    expect(guest.call("mmu_update", at, 1, 0, 0x7ff1)).toBe(-1);
  });

  test("does many requests in one call, though others run in between", async () => {
    const guest = await TestGuest.start(bits);
    const base = 0xc0000;
    const count = 6000;
    const plain = BigInt(guest.frameOf(18) * 4096);
    for (let index = 0; index < count; index++) {
      guest.memory.writeU64(base + index * 16, plain | 1n);
      guest.memory.writeU64(base + index * 16 + 8, BigInt(index));
    }
    const done = guest.scratch();
    expect(guest.call("mmu_update", base, count, done, 0x7ff0)).toBe(0);
    expect(guest.memory.readU32(done)).toBe(count);
  });

  test("makes several calls in one, each with its result", async () => {
    const guest = await TestGuest.start(bits);
    const at = guest.scratch();
    const entry = bits === 64 ? 64 : 32;
    guest.words(at, 17, 0, 0, 0);
    guest.words(at + entry, 13, 0, 0, 0);
    guest.words(at + 2 * entry, 99, 0, 0, 0);
    expect(guest.call("multicall", at, 3)).toBe(0);
    const results = [0, 1, 2].map((index) => BigInt.asIntN(bits, guest.word(at + index * entry + bits / 8)));
    expect(results).toEqual([0x40011n, -22n, -38n]);
  });

  test("ends its machine by a call", async () => {
    const guest = await TestGuest.start(bits);
    const at = guest.scratch();
    guest.memory.writeU32(at, 0);
    expect(guest.call("sched_op", 2, at)).toBe(0);
    expect(guest.bench.shutdowns).toEqual(["poweroff: the domain shut down (poweroff)"]);
  });

  test("crashes when something happens that it has no handler for", async () => {
    const guest = await TestGuest.start(bits);
    expect(guest.hypervisor.deliveryHandler!(0, { kind: "exception", vector: 6, level: 1 })).toBe("handled");
    expect(guest.bench.shutdowns[0]).toMatch(/^crash: domain crash on vCPU 0 \(kernel\): exception 6, without a handler; rip 100000/);
  });
});

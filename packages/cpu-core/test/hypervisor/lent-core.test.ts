// The lent handle where the conformance suite's flat 32-bit programs do not reach: 64-bit code at CPL 3, privilege and windows, pages that
// instructions cross, single steps, stores of every shape, and what stays inside translated code.
import { type HypervisorHandle, noIntercepts, type ProtectedStore, type StoreAnswer } from "@paravane/paravirt-ops";
import { plainOps } from "@paravane/paravirt-ops/conformance";
import { describe, expect, test } from "vitest";
import { Bench, CODE, descriptor, FRAMES, GDT, PD, PDPT, ROOT, STACK3, WINDOW } from "../system/bench.js";

const USER = 3,
  KERNEL = 1;
const PAGE = 0x1000;
const OUTSIDE = 0x7000_0000n;
const bench = await Bench.create();
const handle = (on: Bench): HypervisorHandle => on.core.hypervisor!;

/** Notes stores and answers them. */
function storing(on: Bench, answer: StoreAnswer): ProtectedStore[] {
  const seen: ProtectedStore[] = [];
  handle(on).setStoreHandler((_vcpu, store) => {
    seen.push(store);
    return answer;
  });
  return seen;
}

/** #PFs come here and end the run. */
function faulting(on: Bench, level: 0 | 1 | 2 | 3): { address: bigint | undefined; errorCode: number | undefined }[] {
  const seen: { address: bigint | undefined; errorCode: number | undefined }[] = [];
  handle(on).setIntercepts(0, level, { ...noIntercepts, exceptions: [14] });
  handle(on).setDeliveryHandler((_vcpu, { address, errorCode }) => {
    seen.push({ address, errorCode });
    on.vcpu.requestStop();
    return "handled";
  });
  return seen;
}

describe("a 64-bit guest whose kernel and user both run at CPL 3", () => {
  test("system calls go from one root to the other, and both keep their translations", async () => {
    const on = await Bench.create(undefined, { translation: { heat: 1, leastRuns: 1, synchronous: true } });
    on.start("long", 3);
    const lent = handle(on);
    const userRoot = 0x14000;
    on.core.guestMemory.write(userRoot, on.core.guestMemory.view(ROOT, PAGE).slice());
    // The window's first page is FRAMES for the kernel; the user's tables lead to the frame behind it.
    on.core.guestMemory.write(0x15000, on.core.guestMemory.view(PDPT, PAGE).slice());
    on.core.guestMemory.write(0x16000, on.core.guestMemory.view(PD, PAGE).slice());
    on.core.guestMemory.fill(0x17000, PAGE, 0);
    on.poke64(userRoot, 0x15007n);
    on.poke64(0x15000, 0x16007n);
    on.poke64(0x16010, 0x17007n);
    on.poke64(0x17000, BigInt(FRAMES + PAGE) | 7n);
    on.setPage(0, BigInt(FRAMES) | 7n);
    on.poke32(FRAMES, 111);
    on.poke32(FRAMES + PAGE, 222);
    // user: mov eax, [WINDOW]; add ebx, eax; syscall; dec edi; jnz; hlt — kernel: mov eax, [WINDOW]; add esi, eax; syscall; jmp
    on.code(CODE, "8b 04 25 00 00 40 00 01 c3 0f 05 ff cf 75 f1 0f 0b");
    on.code(0x9000, "8b 04 25 00 00 40 00 01 c6 0f 05 eb f3");
    on.set("rbx", 0);
    on.set("rsi", 0);
    on.set("rdi", 100);
    const levels: number[] = [];
    const sets = { instructions: ["syscall", "ud2"], exceptions: [], interrupts: false } as const;
    lent.setIntercepts(0, USER, sets);
    lent.setIntercepts(0, KERNEL, sets);
    let kernelRip = 0x9000n;
    let userRip = 0n;
    lent.setInterceptHandler((_vcpu, { instruction, level, length }) => {
      if (instruction === "ud2") {
        on.vcpu.requestStop();
        return "resume";
      }
      levels.push(level);
      const next = on.vcpu.registers.get("rip") + BigInt(length);
      if (level === USER) userRip = next;
      else kernelRip = next;
      lent.setVirtualLevel(0, level === USER ? KERNEL : USER);
      lent.switchRoot(0, (level === USER ? ROOT : userRoot) / PAGE);
      on.vcpu.registers.set("rip", level === USER ? kernelRip : userRip);
      return "resume";
    });
    lent.setVirtualLevel(0, USER);
    lent.switchRoot(0, userRoot / PAGE);
    for (let run = 0; run < 100 && on.get("rdi") > 0; run++) on.vcpu.run(50);
    expect(levels.length).toBe(200);
    expect(levels.slice(0, 4)).toEqual([USER, KERNEL, USER, KERNEL]);
    expect([on.get("rbx"), on.get("rsi")]).toEqual([222 * 100, 111 * 100]);
    expect(on.core.stats()["tiers.jit.instructions"]).toBeGreaterThan(100);
    // Without a flush a changed entry does not count yet: the translation was kept through the changes of root.
    const read = new Uint8Array(1);
    lent.linear.read(0, BigInt(WINDOW), read, { level: 3 });
    on.poke64(0x17000, BigInt(FRAMES) | 7n);
    lent.switchRoot(0, ROOT / PAGE);
    lent.switchRoot(0, userRoot / PAGE);
    lent.linear.read(0, BigInt(WINDOW), read, { level: 3 });
    expect(read[0]).toBe(222);
    lent.forgetAddress(0, BigInt(WINDOW));
    lent.linear.read(0, BigInt(WINDOW), read, { level: 3 });
    expect(read[0]).toBe(111);
  });

  test("the processor reads descriptors through a window of level 0, the guest does not, before and after", () => {
    bench.start("long", 3);
    const lent = handle(bench);
    const frame = lent.frames.allocate(1);
    lent.frames.bytes(frame).set(bench.core.guestMemory.view(GDT, 0x100));
    const open = lent.openWindow({ address: OUTSIDE, frames: [frame], write: true, execute: false, level: 0, scope: "all" });
    bench.vcpu.registers.setTable("gdtr", { base: OUTSIDE, limit: 0xff });
    const faults = faulting(bench, 3);
    // mov eax, 0x23; mov ds, eax; mov al, [OUTSIDE + 0x20]
    for (let round = 0; round < 3; round++) {
      bench.code(CODE, "b8 23 00 00 00 8e d8 8a 04 25 20 00 00 70");
      bench.set("rip", CODE);
      expect(bench.vcpu.run(10)).toBe("stopped");
      expect(bench.selector("ds")).toBe(0x23);
    }
    expect(faults).toEqual([5, 5, 5].map((errorCode) => ({ errorCode, address: OUTSIDE + 0x20n })));
    // A descriptor that is not marked accessed yet gets marked through the window.
    new DataView(lent.frames.bytes(frame).buffer, lent.frames.bytes(frame).byteOffset).setBigUint64(0x20, descriptor(0xf2), true);
    bench.set("rip", CODE);
    bench.vcpu.run(10);
    expect(lent.frames.bytes(frame)[0x25]).toBe(0xf3);
    open.close();
  });

  test("the guest at CPL 1 uses windows of level 1 and not those of level 0; user code uses neither", () => {
    bench.start("paged32", 0);
    const lent = handle(bench);
    const frame = lent.frames.allocate(2);
    const common = { write: true, execute: false, scope: { vcpu: 0 } } as const;
    const windows = [
      lent.openWindow({ ...common, address: OUTSIDE, frames: [frame], level: 0 }),
      lent.openWindow({ ...common, address: OUTSIDE + 0x1000n, frames: [frame + 1], level: 1 }),
    ];
    const tryAt = (cpl: 0 | 1 | 3, page: number): number | undefined => {
      const { registers } = bench.vcpu;
      const dpl = cpl << 5;
      registers.setSegment("cs", { selector: 8 | cpl, base: 0n, limit: 0xffffffff, access: 0xc09b | dpl });
      registers.setSegment("ss", { selector: 0x10 | cpl, base: 0n, limit: 0xffffffff, access: 0xc093 | dpl });
      const faults = faulting(bench, cpl);
      bench.code(CODE, `c6 05 ${page === 0 ? "00 00" : "00 10"} 00 70 07`); // mov byte [OUTSIDE + page], 7
      bench.set("rip", CODE);
      bench.vcpu.run(1);
      lent.setIntercepts(0, cpl, noIntercepts);
      return faults[0]?.errorCode;
    };
    expect([tryAt(0, 0), tryAt(1, 0), tryAt(3, 0)]).toEqual([undefined, 3, 7]);
    expect([tryAt(0, 1), tryAt(1, 1), tryAt(3, 1)]).toEqual([undefined, undefined, 7]);
    for (const window of windows) window.close();
  });
});

describe("stores to protected frames", () => {
  const start = (hex: string): void => {
    bench.start("long", 3);
    bench.setPage(0, BigInt(FRAMES) | 5n); // user, read-only
    bench.code(CODE, hex);
    handle(bench).protectFrame(FRAMES / PAGE, true);
  };

  test.each([
    ["mov [WINDOW], rcx", "48 89 0c 25 00 00 40 00", [[8, 0x1122334455667788n]]],
    ["lock cmpxchg [WINDOW], rcx", "f0 48 0f b1 0c 25 00 00 40 00", [[8, 0x1122334455667788n]]],
    ["lock bts dword [WINDOW], 5", "f0 0f ba 2c 25 00 00 40 00 05", [[4, 32n]]],
    ["xadd [WINDOW + 2], cx", "66 0f c1 0c 25 02 00 40 00", [[2, 0x7788n]]],
    ["movups [WINDOW + 8], xmm0", "0f 11 04 25 08 00 40 00", [[16, 0n]]],
    ["push rcx", "51", [[8, 0x1122334455667788n]]],
    ["call", "e8 00 00 00 00", [[8, BigInt(CODE + 5)]]],
    ["mov byte [WINDOW + 5], 9", "c6 04 25 05 00 40 00 09", [[1, 9n]]],
  ] as const)("%s comes with what it would store, whether it is done or refused", (_name, hex, expected) => {
    for (const answer of ["store", "done", "fault"] as const) {
      start(hex);
      bench.set("rcx", 0x1122334455667788n);
      bench.set("rax", 0);
      const stack = hex === "51" || hex.startsWith("e8");
      bench.set("rsp", stack ? WINDOW + 0x100 : STACK3);
      const seen = storing(bench, answer);
      const faults = faulting(bench, 3);
      const before = bench.core.guestMemory.view(FRAMES, PAGE).slice();
      const registers = (["rax", "rcx", "rsp", "rip"] as const).map((name) => bench.vcpu.registers.get(name));
      bench.vcpu.run(1);
      expect(seen.map(({ size, value }) => [size, value])).toEqual(expected);
      expect(seen[0]).toMatchObject({ writable: false, level: 3 });
      const changed = !bench.core.guestMemory.view(FRAMES, PAGE).every((byte, index) => byte === before[index]);
      expect(changed).toBe(answer === "store" && expected.some(([, value]) => value !== 0n));
      expect(faults.length).toBe(answer === "fault" ? 1 : 0);
      if (answer === "fault") {
        expect(faults[0]).toEqual({ errorCode: 7, address: seen[0]!.address });
        expect((["rax", "rcx", "rsp", "rip"] as const).map((name) => bench.vcpu.registers.get(name))).toEqual(registers);
      } else expect(bench.get("rip")).toBeGreaterThan(CODE);
    }
  });

  test("a long store comes in pieces, and one refused piece is a fault of all", () => {
    start("48 0f ae 04 25 00 00 40 00"); // fxsave64 [WINDOW]
    const seen = storing(bench, "done");
    bench.vcpu.run(1);
    const bytes = seen.map(({ address, size }) => [Number(address), size] as const);
    for (const [index, [at, size]] of bytes.entries()) expect(bytes[index + 1]?.[0] ?? at + size).toBe(at + size);
    expect(bytes.at(-1)![0] + bytes.at(-1)![1] - WINDOW).toBeGreaterThanOrEqual(416);
    start("48 0f ae 04 25 00 00 40 00");
    const faults = faulting(bench, 3);
    handle(bench).setStoreHandler((_vcpu, { address }) => (address === BigInt(WINDOW + 0x20) ? "fault" : "done"));
    bench.vcpu.run(1);
    expect(faults).toEqual([{ errorCode: 7, address: BigInt(WINDOW + 0x20) }]);
    expect(bench.get("rip")).toBe(CODE);
  });

  test("what the guest may not even read is no store", () => {
    start("48 89 0c 25 00 00 40 00");
    bench.setPage(0, BigInt(FRAMES) | 3n); // supervisor
    const seen = storing(bench, "store");
    const faults = faulting(bench, 3);
    bench.vcpu.run(1);
    expect([seen.length, faults]).toEqual([0, [{ errorCode: 7, address: BigInt(WINDOW) }]]);
  });
});

describe("intercepts", () => {
  test("an intercepted instruction may cross into another page", () => {
    bench.start("long", 0);
    const lent = handle(bench);
    let calls = 0;
    lent.setIntercepts(0, 0, { ...noIntercepts, instructions: ["cpuid"] });
    lent.setInterceptHandler(() => {
      calls++;
      return "next";
    });
    bench.code(0x8fff, "0f a2 eb fc"); // cpuid; jmp back
    bench.set("rip", 0x8fff);
    bench.vcpu.run(20);
    expect(calls).toBe(10);
    bench.code(0x9000, "0b"); // ud2 now
    lent.setIntercepts(0, 0, { ...noIntercepts, instructions: ["ud2"] });
    bench.set("rip", 0x8fff);
    bench.vcpu.run(20);
    expect(calls).toBe(20);
    lent.setIntercepts(0, 0, noIntercepts);
  });

  test("a step over an intercepted instruction traps behind it, whatever answers", () => {
    for (const answer of ["next", "architectural"] as const) {
      bench.start("protected");
      const lent = handle(bench);
      lent.setIntercepts(0, 0, { ...noIntercepts, instructions: ["cpuid"] });
      lent.setInterceptHandler(() => answer);
      bench.code(CODE, "68 02 01 00 00 9d 0f a2 90"); // push 0x102; popf; cpuid
      const { vector, frame } = bench.run();
      expect([vector, frame[0]]).toEqual([1, CODE + 8]);
      lent.setIntercepts(0, 0, noIntercepts);
    }
  });

  test("inline forms are carried out inside translated code", async () => {
    const on = await Bench.create(undefined, { translation: { heat: 1, leastRuns: 1, synchronous: true } });
    on.start("protected");
    const lent = handle(on);
    const ops = plainOps();
    const field = { record: "flags", offset: 0, bits: 32 } as const;
    let calls = 0;
    const formed = (value: number) => ({
      inline: { kind: "store-field", field, value, meaning: "value" } as const,
      run: () => void calls++,
    });
    on.core.bind!({ ...ops, irq: { ...ops.irq, disable: formed(0), enable: formed(1) } });
    lent.frames.record("flags", 0, lent.frames.allocate(1), 8, 16);
    on.code(CODE, "b9 10 27 00 00 fa 01 c8 fb 49 75 fa f4"); // mov ecx, 10000; cli; add eax, ecx; sti; dec ecx; jnz; hlt
    for (let run = 0; run < 20; run++) on.vcpu.run(3000);
    expect([on.get("rax"), calls]).toEqual([50_005_000, 0]);
    const { "exits.interpret": sides, "tiers.jit.instructions": translated } = on.core.stats();
    expect(translated).toBeGreaterThan(30_000);
    expect(sides).toBeLessThan(200);
  });
});

test("frames are as many as the composer says", async () => {
  const on = await Bench.create(undefined, { hypervisorFrames: 3 });
  expect(handle(on).frames.allocate(3)).toBeGreaterThan(0);
  expect(() => handle(on).frames.allocate(1)).toThrow(/no 1 consecutive hypervisor frames/);
  const none = await Bench.create(undefined, { hypervisorFrames: 0 });
  expect(() => handle(none).frames.allocate(1)).toThrow(/no 1 consecutive/);
});

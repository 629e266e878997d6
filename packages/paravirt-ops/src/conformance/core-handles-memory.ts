/** Hypervisor frames, linear windows, linear memory, protected frames and roots: what a core that lends the handle must do. */
import type { HypervisorHandle, ProtectedStore, StoreAnswer } from "../handles/hypervisor.js";
import { noIntercepts } from "../handles/intercepts.js";
import { isHvError } from "../errors.js";
import { check, same } from "./case.js";
import { type Bench, CODE, program, RAM_BYTES, STACK } from "./core-bench.js";
import { delivering, type HandleBody, looped, ROUNDS, runLong, SPIN } from "./handle-bench.js";

const WINDOW = 0x50000000n;
const KERNEL = { level: 0 } as const;
const FRAME = 0x1000;
const PAGE_FAULT = 14;

const refuses = (run: () => unknown, code: string): boolean => {
  try {
    run();
  } catch (error) {
    return isHvError(error) && error.code === code;
  }
  return false;
};

/** #PFs come to delivery, which notes them and skips an instruction of `length` bytes. */
function skipFaults(on: Bench, handle: HypervisorHandle, length: number): readonly unknown[] {
  handle.setIntercepts(0, 0, { ...noIntercepts, exceptions: [PAGE_FAULT] });
  const { registers } = on.vcpu;
  return delivering(handle, () => {
    registers.set("rip", registers.get("rip") + BigInt(length));
    return "handled";
  });
}

/** Stores are answered with `answer` and noted. */
function storing(handle: HypervisorHandle, answer: StoreAnswer): ProtectedStore[] {
  const seen: ProtectedStore[] = [];
  handle.setStoreHandler((_vcpu, store) => {
    seen.push(store);
    return answer;
  });
  return seen;
}

/** Two page directories of 4 MiB pages: the first 8 MiB map to themselves, and 0x800000 to 0x400000 or to 0. */
function twoRoots(on: Bench): readonly [number, number] {
  const roots = [0x300, 0x301] as const;
  for (const [index, root] of roots.entries()) {
    on.core.guestMemory.fill(root * FRAME, FRAME, 0);
    on.core.guestMemory.writeU32(root * FRAME, 0x000000e7);
    on.core.guestMemory.writeU32(root * FRAME + 4, 0x004000e7);
    on.core.guestMemory.writeU32(root * FRAME + 8, index === 0 ? 0x004000e7 : 0x000000e7);
  }
  on.vcpu.registers.set("cr4", 0x10n);
  on.vcpu.registers.set("cr3", BigInt(roots[0] * FRAME));
  on.vcpu.registers.set("cr0", 0x80000011n);
  return roots;
}

/** Cases by name. */
export const MEMORY_CASES: Readonly<Record<string, HandleBody>> = {
  "hypervisor frames are zeroed memory outside RAM, and bounded": (on, handle) => {
    const first = handle.frames.allocate(3);
    check(first * FRAME >= RAM_BYTES, "they lie outside RAM");
    check(!on.core.guestMemory.contains(first * FRAME, 1), "and are not guest memory");
    for (const frame of [first, first + 1, first + 2])
      check(
        handle.frames.bytes(frame).every((byte) => byte === 0),
        "zero",
      );
    handle.frames.bytes(first + 1).set([1, 2, 3], 0xffd);
    same([...handle.frames.bytes(first + 1).subarray(0xffc)], [0, 1, 2, 3], "bytes");
    same(handle.frames.bytes(0x200)[4], on.core.guestMemory.readU8(0x200004), "a view of a guest frame");
    handle.frames.free(first, 3);
    check(
      refuses(() => handle.frames.bytes(first), "core/frames"),
      "a freed frame is gone",
    );
    check(
      refuses(() => handle.frames.allocate(1 << 20), "core/frames"),
      "the core bounds them",
    );
    check(
      handle.frames.bytes(handle.frames.allocate(2) + 1).every((byte) => byte === 0),
      "zeroed again",
    );
  },
  "the guest reaches an allocated frame by its physical address, and the bus once it is freed": (on, handle) => {
    const frame = handle.frames.allocate(1);
    const at = frame * FRAME + 8;
    const bytes = [at & 0xff, (at >> 8) & 0xff, (at >> 16) & 0xff, (at >>> 24) & 0xff];
    looped(on, [0xff, 0x05, ...bytes]); // inc dword [at]
    runLong(on);
    same(handle.frames.bytes(frame)[8], ROUNDS, "in the frame");
    handle.frames.free(frame, 1);
    program(on, 0xa1, ...bytes, ...SPIN); // mov eax, [at]
    on.vcpu.run(1);
    same(on.log, [`mmio read ${at.toString(16)} 4`], "bus");
  },
  "a window comes before everything else, with its rights": (on, handle) => {
    const frame = handle.frames.allocate(1);
    const window = { address: WINDOW, frames: [frame, 0x200], write: false, execute: false, level: 3, scope: "all" } as const;
    const open = handle.openWindow(window);
    handle.frames.bytes(frame)[4] = 0x5a;
    const faults = skipFaults(on, handle, 5);
    looped(on, [0x0f, 0xb6, 0x05, 4, 0, 0, 0x50, 0x01, 0xc6, 0xa2, 4, 0, 0, 0x50]); // movzx eax, [W+4]; add esi, eax; mov [W+4], al
    on.vcpu.registers.set("rsi", 0n);
    runLong(on);
    same([on.vcpu.registers.get("rsi"), faults.length], [BigInt(0x5a * ROUNDS), ROUNDS], "esi and faults");
    same(faults[0], { kind: "exception", vector: 14, level: 0, errorCode: 3, address: WINDOW + 4n }, "fault");
    same(on.vcpu.registers.get("cr2"), 0n, "CR2 is not written yet");
    open.close();
    const again = handle.openWindow({ ...window, write: true });
    program(on, 0xc6, 0x05, 0x10, 0x10, 0, 0x50, 7, ...SPIN); // mov byte [W+0x1010], 7
    on.vcpu.run(1);
    same(on.core.guestMemory.readU8(0x200010), 7, "a guest frame in it");
    again.setFrame(1, undefined);
    const later = skipFaults(on, handle, 7);
    program(on, 0xc6, 0x05, 0x10, 0x10, 0, 0x50, 7, ...SPIN);
    on.vcpu.run(2);
    same(later, [{ kind: "exception", vector: 14, level: 0, errorCode: 2, address: WINDOW + 0x1010n }], "a page without a frame");
    again.setFrame(1, 0x201);
    program(on, 0xc6, 0x05, 0x10, 0x10, 0, 0x50, 9, ...SPIN);
    on.vcpu.run(1);
    same(on.core.guestMemory.readU8(0x201010), 9, "and with another one");
    check(
      refuses(() => handle.openWindow({ ...window, address: WINDOW + 0x1000n }), "core/windows"),
      "windows may not overlap",
    );
    again.close();
    program(on, 0xa1, 0, 0, 0, 0x50, ...SPIN);
    on.vcpu.run(1);
    same(on.log, ["mmio read 50000000 4"], "closed");
  },
  "a window is executed where it may be, and seen where it should be": (on, handle) => {
    const frame = handle.frames.allocate(1);
    handle.frames.bytes(frame).set([0x46, 0xc3]); // inc esi; ret
    const base = { address: WINDOW, frames: [frame], write: false, level: 3 } as const;
    looped(on, [0xff, 0xd7]); // call edi
    on.vcpu.registers.set("rdi", WINDOW);
    on.vcpu.registers.set("rsi", 0n);
    const open = handle.openWindow({ ...base, execute: true, scope: { vcpu: 0 } });
    runLong(on);
    same(on.vcpu.registers.get("rsi"), BigInt(ROUNDS), "esi");
    open.close();
    handle.openWindow({ ...base, execute: true, scope: { vcpu: 1 } });
    handle.openWindow({ ...base, execute: false, scope: { vcpu: 0 } });
    const faults = skipFaults(on, handle, Number(BigInt(CODE) - WINDOW));
    program(on, 0xff, 0xd7);
    on.vcpu.registers.set("rdi", WINDOW);
    on.vcpu.run(2);
    same(faults[0], { kind: "exception", vector: 14, level: 0, errorCode: 1, address: WINDOW }, "not executable");
    handle.openWindow({ ...base, address: WINDOW + 0x1000n, execute: false, scope: { root: 0x77 } });
    program(on, 0xa1, 0, 0x10, 0, 0x50, ...SPIN); // mov eax, [WINDOW + 0x1000]
    on.vcpu.run(1);
    on.vcpu.registers.set("cr3", 0x77000n);
    on.vcpu.registers.set("rip", BigInt(CODE));
    on.vcpu.run(1);
    same([on.log, on.vcpu.registers.get("rax")], [["mmio read 50001000 4"], 0xc346n], "under its root alone");
  },
  "linear memory goes by windows and rights, all bytes or none": (on, handle) => {
    program(on, ...SPIN);
    const frame = handle.frames.allocate(1);
    handle.openWindow({ address: WINDOW, frames: [frame], write: true, execute: false, level: 0, scope: "all" });
    same(handle.linear.write(0, WINDOW + 0xffen, Uint8Array.of(1, 2), KERNEL), undefined, "write");
    const read = new Uint8Array(2);
    same([handle.linear.read(0, WINDOW + 0xffen, read, KERNEL), [...read]], [undefined, [1, 2]], "read");
    same(handle.linear.translate(0, WINDOW + 5n, KERNEL), frame * FRAME + 5, "translate");
    const fault = { fault: 14, errorCode: 5, address: WINDOW + 0xffen };
    same(handle.linear.read(0, WINDOW + 0xffen, read, { level: 3 }), fault, "at level 3");
    same(handle.linear.translate(0, WINDOW, { level: 3, implicit: true }), frame * FRAME, "implicitly");
    twoRoots(on);
    const across = handle.linear.write(0, 0xbffffen, Uint8Array.of(9, 9, 9, 9), KERNEL);
    same(across, { fault: 14, errorCode: 2, address: 0xc00000n }, "across the end of what is mapped");
    same(on.core.guestMemory.readU16(0x7ffffe), 0, "nothing was written");
    same(handle.linear.write(0, 0x800000n, Uint8Array.of(7), KERNEL), undefined, "through the tables");
    same(on.core.guestMemory.readU8(0x400000), 7, "written");
  },
  "a store to a protected frame comes with its value, a read does not": (on, handle) => {
    handle.protectFrame(0x200, true);
    // mov eax, [0x200000]; mov [0x200000], ecx; add dword [0x200004], 3; push ecx is on the stack
    looped(on, [0xa1, 0, 0, 0x20, 0, 0x89, 0x0d, 0, 0, 0x20, 0, 0x83, 0x05, 4, 0, 0x20, 0, 3]);
    on.core.guestMemory.writeU32(0x200004, 5);
    const seen = storing(handle, "store");
    runLong(on);
    same(seen.length, 2 * ROUNDS, "stores");
    same(seen[0], { address: 0x200000n, physical: 0x200000, size: 4, level: 0, writable: true, value: BigInt(ROUNDS) }, "the first");
    same(seen[3]?.value, 11n, "a read-modify-write arrives with what it would store");
    same([on.core.guestMemory.readU32(0x200000), on.core.guestMemory.readU32(0x200004)], [1, 5 + 3 * ROUNDS], "memory");
    handle.protectFrame(0x200, false);
    looped(on, [0xff, 0x05, 0, 0, 0x20, 0]);
    runLong(on);
    same([seen.length, on.core.guestMemory.readU32(0x200000)], [2 * ROUNDS, 1 + ROUNDS], "when it is protected no longer");
  },
  "`done` leaves memory as it is, `fault` is a #PF of an instruction that has done nothing": (on, handle) => {
    handle.protectFrame(0x200, true);
    looped(on, [0x87, 0x05, 0, 0, 0x20, 0, 0x46]); // xchg [0x200000], eax; inc esi
    on.core.guestMemory.writeU32(0x200000, 77);
    on.vcpu.registers.set("rax", 5n);
    on.vcpu.registers.set("rsi", 0n);
    storing(handle, "done");
    runLong(on);
    same(
      [on.vcpu.registers.get("rax"), on.core.guestMemory.readU32(0x200000), on.vcpu.registers.get("rsi")],
      [77n, 77, BigInt(ROUNDS)],
      "done",
    );
    looped(on, [0x66, 0x0f, 0xc1, 0x05, 0, 0, 0x20, 0, 0x46]); // xadd [0x200000], ax; inc esi
    on.vcpu.registers.set("rax", 5n);
    on.vcpu.registers.set("rsi", 0n);
    const flags = on.vcpu.registers.get("rflags");
    storing(handle, "fault");
    const faults = skipFaults(on, handle, 8);
    runLong(on);
    same([faults.length, on.vcpu.registers.get("rsi"), on.vcpu.registers.get("rax")], [ROUNDS, BigInt(ROUNDS), 5n], "faults, esi, eax");
    same(faults[0], { kind: "exception", vector: 14, level: 0, errorCode: 3, address: 0x200000n }, "fault");
    same([on.core.guestMemory.readU32(0x200000), flags & 1n], [77, 0n], "memory");
  },
  "a string store is asked about element by element": (on, handle) => {
    handle.protectFrame(0x200, true);
    program(on, 0xf3, 0xab, 0x46, ...SPIN); // rep stosd; inc esi
    const { registers } = on.vcpu;
    registers.set("rcx", 5n);
    registers.set("rdi", 0x1ffff8n);
    registers.set("rax", 0x11n);
    registers.set("rsi", 0n);
    const seen = storing(handle, "store");
    on.vcpu.run(40);
    same(
      seen.map(({ address }) => address),
      [0x200000n, 0x200004n, 0x200008n],
      "addresses",
    );
    same([registers.get("rcx"), registers.get("rdi"), registers.get("rsi")], [0n, 0x20000cn, 1n], "ecx, edi, esi");
  },
  "a store whose only obstacle is a read-only mapping comes too, and can be made": (on, handle) => {
    twoRoots(on);
    on.core.guestMemory.writeU32(0x300000 + 4, 0x004000e5); // the second 4 MiB read-only
    program(on, 0xc7, 0x05, 8, 0, 0x40, 0, 9, 0, 0, 0, 0x46, ...SPIN); // mov dword [0x400008], 9; inc esi
    on.vcpu.registers.set("cr0", 0x80010011n);
    on.vcpu.registers.set("rsi", 0n);
    handle.protectFrame(0x400, true);
    const seen = storing(handle, "store");
    on.vcpu.run(2);
    same(seen, [{ address: 0x400008n, physical: 0x400008, size: 4, level: 0, writable: false, value: 9n }], "store");
    same([on.core.guestMemory.readU32(0x400008), on.vcpu.registers.get("rsi")], [9, 1n], "memory and esi");
    const faults = skipFaults(on, handle, 10);
    program(on, 0xc7, 0x05, 8, 0x10, 0x40, 0, 9, 0, 0, 0, ...SPIN); // a frame that is not protected
    on.vcpu.registers.set("cr0", 0x80010011n);
    on.vcpu.run(1);
    same([seen.length, faults.length], [1, 1], "an ordinary fault is no store");
  },
  "a store across the end of a protected frame comes as its part inside": (on, handle) => {
    handle.protectFrame(0x200, true);
    program(on, 0xc7, 0x05, 0xfe, 0x0f, 0x20, 0, 0x44, 0x33, 0x22, 0x11, ...SPIN); // mov dword [0x200ffe], 0x11223344
    const seen = storing(handle, "done");
    on.vcpu.run(1);
    same(seen, [{ address: 0x200ffen, physical: 0x200ffe, size: 2, level: 0, writable: true, value: 0x3344n }], "store");
    same([on.core.guestMemory.readU16(0x200ffe), on.core.guestMemory.readU16(0x201000)], [0, 0x1122], "memory");
  },
  "without a handler a store to a protected frame is a #PF": (on, handle) => {
    handle.protectFrame(0x200, true);
    program(on, 0xc6, 0x05, 0, 0, 0x20, 0, 7, ...SPIN);
    const faults = skipFaults(on, handle, 7);
    on.vcpu.run(2);
    same([faults.length, on.core.guestMemory.readU8(0x200000)], [1, 0], "faults and memory");
  },
  "switchRoot changes what addresses mean, there and back": (on, handle) => {
    const roots = twoRoots(on);
    on.core.guestMemory.writeU32(0x400004, 0x55);
    on.core.guestMemory.writeU32(4, 0x77);
    const values: bigint[] = [];
    for (let turn = 0; turn < 6; turn++) {
      program(on, 0xa1, 4, 0, 0x80, 0, ...SPIN); // mov eax, [0x800004]
      on.vcpu.registers.set("cr0", 0x80000011n);
      handle.switchRoot(0, roots[turn % 2]!);
      same(on.vcpu.registers.get("cr3"), BigInt(roots[turn % 2]! * FRAME), "cr3");
      on.vcpu.run(1);
      values.push(on.vcpu.registers.get("rax"));
    }
    same(values, [0x55n, 0x77n, 0x55n, 0x77n, 0x55n, 0x77n], "what was read");
  },
  "forgetAddress and a load of CR3 make changed entries count, for other roots too": (on, handle) => {
    const roots = twoRoots(on);
    const read = (): bigint => {
      const bytes = new Uint8Array(1);
      handle.linear.read(0, 0x800004n, bytes, KERNEL);
      return BigInt(bytes[0]!);
    };
    on.core.guestMemory.writeU32(0x400004, 0x55);
    on.core.guestMemory.writeU32(4, 0x77);
    const entry = roots[0] * FRAME + 8;
    const forget = [
      () => handle.forgetAddress(0, 0x800123n),
      () => handle.forgetAddress(0, undefined),
      () => handle.execute(0, { instruction: "mov-to-cr", index: 3, operand: BigInt(roots[0] * FRAME) }),
      () => handle.execute(0, { instruction: "invlpg", operand: 0x800123n }),
      () => {
        handle.switchRoot(0, roots[1]);
        handle.forgetAddress(0, undefined);
        handle.switchRoot(0, roots[0]);
      },
    ];
    for (const [index, drop] of forget.entries()) {
      on.core.guestMemory.writeU32(entry, 0x004000e7);
      handle.forgetAddress(0, undefined);
      same(read(), 0x55n, `before ${index}`);
      on.core.guestMemory.writeU32(entry, 0x000000e7);
      drop();
      same(read(), 0x77n, `after ${index}`);
    }
  },
  "forgetFrame drops translations and decoded code of a frame": (on, handle) => {
    const frame = handle.frames.allocate(1);
    const bytes = handle.frames.bytes(frame);
    bytes.set([0x46, 0xc3]); // inc esi; ret
    handle.openWindow({ address: WINDOW, frames: [frame], write: false, execute: true, level: 3, scope: "all" });
    looped(on, [0xff, 0xd7]);
    on.vcpu.registers.set("rdi", WINDOW);
    on.vcpu.registers.set("rsi", 0n);
    runLong(on);
    bytes.set([0x4e, 0xc3]); // dec esi
    handle.forgetFrame(frame);
    looped(on, [0xff, 0xd7]);
    on.vcpu.registers.set("rdi", WINDOW);
    runLong(on);
    same([on.vcpu.registers.get("rsi"), on.vcpu.registers.get("rsp")], [0n, BigInt(STACK)], "esi and esp");
  },
};

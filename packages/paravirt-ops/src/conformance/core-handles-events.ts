/** Events, their mask in shared memory, the interrupt window, and sleep: what a core that lends the handle must do. */
import type { HypervisorHandle } from "../handles/hypervisor.js";
import { noIntercepts } from "../handles/intercepts.js";
import type { Vcpu } from "../handles/vcpu.js";
import { same } from "./case.js";
import { type Bench, CODE, program } from "./core-bench.js";
import { delivering, type HandleBody, intercepting, recording, SPIN } from "./handle-bench.js";

/** Two vCPUs run the same code, the second from registers that a backend gives it. */
export function twoVcpus(on: Bench, handle: HypervisorHandle, second: Vcpu): void {
  program(on, 0xfb, 0x0f, 0xa2, 0x46, ...SPIN); // sti; cpuid; inc esi
  const { registers } = on.vcpu;
  second.registers.set("cr0", registers.get("cr0"));
  for (const name of ["cs", "ss", "ds", "es"] as const) second.registers.setSegment(name, registers.segment(name));
  for (const name of ["gdtr", "idtr"] as const) second.registers.setTable(name, registers.table(name));
  for (const name of ["rip", "rflags"] as const) second.registers.set(name, registers.get(name));
  second.registers.set("rsp", 0x130000n);
  for (const vcpu of [on.vcpu, second]) vcpu.registers.set("rsi", 0n);
  handle.setIntercepts(1, 0, intercepting("cpuid"));
  const levels: number[] = [];
  handle.setInterceptHandler((vcpu) => {
    levels.push(vcpu);
    return "next";
  });
  const events: number[] = [];
  handle.setDeliveryHandler((vcpu) => {
    events.push(vcpu);
    handle.setPending(vcpu, false);
    return "handled";
  });
  on.vcpu.run(10);
  same([second.halted, second.run(10), levels], [true, "halted", []], "the second waits, and the first intercepts nothing");
  handle.wake(1);
  same([second.halted, second.run(10), levels, second.registers.get("rsi")], [false, "budget", [1], 1n], "the second runs");
  handle.setPending(1, true);
  on.vcpu.run(10);
  same(events, [], "the first has no event");
  handle.park(1);
  same([second.hasWork, second.run(10), events, on.vcpu.halted], [true, "budget", [1], false], "the second has it, and is awake");
}

/** Cases by name. */
export const EVENT_CASES: Readonly<Record<string, HandleBody>> = {
  "a pending event is delivered where EFLAGS.IF allows it, until the backend clears the word": (on, handle) => {
    program(on, 0x90, 0xfb, 0x46, 0x46, ...SPIN); // nop; sti; inc esi; inc esi
    on.vcpu.registers.set("rsi", 0n);
    const at: bigint[] = [];
    const seen = delivering(handle, () => {
      at.push(on.vcpu.registers.get("rip"));
      if (at.length === 3) handle.setPending(0, false);
      return "handled";
    });
    handle.setPending(0, true);
    on.vcpu.run(20);
    same(
      seen,
      [1, 2, 3].map(() => ({ kind: "event", level: 0 })),
      "events",
    );
    // STI's shadow holds it back for one instruction.
    same([at[0], on.vcpu.registers.get("rsi")], [BigInt(CODE + 3), 2n], "first rip and esi");
  },
  "an event that is never cleared leaves the budget in force": (on, handle) => {
    program(on, 0xfb, ...SPIN);
    delivering(handle, () => "handled");
    handle.setPending(0, true);
    same([on.vcpu.run(1000), on.vcpu.run(1)], ["budget", "budget"], "runs");
  },
  "the guest's own mask decides, and unmasking by a plain store is seen at once": (on, handle) => {
    const frame = handle.frames.allocate(1);
    handle.openWindow({ address: 0x50000000n, frames: [frame], write: true, execute: false, level: 3, scope: "all" });
    handle.frames.record("info", 0, frame, 0x40, 64);
    handle.setEventMask(0, { field: { record: "info", offset: 1, bits: 8 }, takesWhile: "zero" });
    // mov ecx, 200; inc esi; dec ecx; jnz; mov byte [0x50000041], 0; inc esi …
    program(on, 0xb9, 200, 0, 0, 0, 0x46, 0x49, 0x75, 0xfc, 0xc6, 0x05, 0x41, 0, 0, 0x50, 0, 0x46, ...SPIN);
    on.vcpu.registers.set("rsi", 0n);
    handle.frames.bytes(frame)[0x41] = 1;
    const at: [bigint, bigint][] = [];
    delivering(handle, () => {
      at.push([on.vcpu.registers.get("rip"), on.vcpu.registers.get("rsi")]);
      handle.frames.bytes(frame)[0x41] = 1;
      handle.setPending(0, false);
      return "handled";
    });
    handle.setPending(0, true);
    for (let run = 0; run < 40; run++) on.vcpu.run(23);
    same(at, [[BigInt(CODE + 16), 200n]], "where the event came");
    same([handle.frames.bytes(frame)[0x41], on.vcpu.registers.get("rsi")], [1, 201n], "mask and esi");
  },
  "an interrupt that the guest's own mask holds back comes where a plain store unmasks it": (on, handle) => {
    const frame = handle.frames.allocate(1);
    handle.openWindow({ address: 0x50000000n, frames: [frame], write: true, execute: false, level: 3, scope: "all" });
    handle.frames.record("info", 0, frame, 0x40, 64);
    handle.setEventMask(0, { field: { record: "info", offset: 0, bits: 32 }, takesWhile: "non-zero" });
    handle.setIntercepts(0, 0, { ...noIntercepts, interrupts: true });
    // sti; mov ecx, 200; inc esi; dec ecx; jnz; mov byte [0x50000040], 1; inc esi …
    program(on, 0xfb, 0xb9, 200, 0, 0, 0, 0x46, 0x49, 0x75, 0xfc, 0xc6, 0x05, 0x40, 0, 0, 0x50, 1, 0x46, ...SPIN);
    on.vcpu.registers.set("rsi", 0n);
    const at: bigint[] = [];
    delivering(handle, () => {
      at.push(on.vcpu.registers.get("rsi"));
      on.vcpu.setInterruptRequest(false);
      return "handled";
    });
    on.vector = 0x41;
    on.vcpu.setInterruptRequest(true);
    for (let run = 0; run < 4; run++) on.vcpu.run(230);
    same(at, [200n], "esi where the interrupt came");
  },
  "a mask with the other polarity holds interrupts back too": (on, handle) => {
    const frame = handle.frames.allocate(1);
    handle.frames.record("flags", 0, frame, 0, 8);
    handle.setEventMask(0, { field: { record: "flags", offset: 4, bits: 32 }, takesWhile: "non-zero" });
    program(on, 0xfb, ...SPIN);
    handle.setIntercepts(0, 0, { ...noIntercepts, interrupts: true });
    const seen = delivering(handle, () => {
      on.vcpu.setInterruptRequest(false);
      return "handled";
    });
    on.vector = 0x41;
    on.vcpu.setInterruptRequest(true);
    on.vcpu.run(20);
    same(seen.length, 0, "while the field is zero");
    handle.frames.bytes(frame)[5] = 1;
    on.vcpu.run(20);
    same(seen.length, 1, "and when it is not");
    handle.setEventMask(0, undefined);
    handle.frames.bytes(frame)[5] = 0;
    on.vcpu.setInterruptRequest(true);
    on.vcpu.run(20);
    same(seen.length, 2, "and without a mask");
  },
  "the interrupt window opens once, where an interrupt could be taken": (on, handle) => {
    program(on, 0x46, 0x46, 0xfb, 0x46, ...SPIN); // inc esi; inc esi; sti; inc esi
    on.vcpu.registers.set("rsi", 0n);
    const at: bigint[] = [];
    handle.onInterruptWindow(0, () => void at.push(on.vcpu.registers.get("rsi")));
    on.vcpu.run(20);
    on.vcpu.run(20);
    same(at, [3n], "esi when it opened");
  },
  "park sleeps until wake": (on, handle) => {
    program(on, 0x0f, 0xa2, 0x46, ...SPIN);
    on.vcpu.registers.set("rsi", 0n);
    handle.setIntercepts(0, 0, intercepting("cpuid"));
    recording(handle, () => {
      handle.park(0);
      return "next";
    });
    same([on.vcpu.run(10), on.vcpu.halted, on.vcpu.hasWork], ["halted", true, false], "parked");
    same(on.vcpu.run(10), "halted", "still");
    handle.wake(0);
    same([on.vcpu.halted, on.vcpu.run(10), on.vcpu.registers.get("rsi")], [false, "budget", 1n], "awake");
  },
  "an event that the guest can take ends a park, one that is masked does not": (on, handle) => {
    const frame = handle.frames.allocate(1);
    handle.frames.record("info", 0, frame, 0, 64);
    handle.setEventMask(0, { field: { record: "info", offset: 1, bits: 8 }, takesWhile: "zero" });
    program(on, ...SPIN);
    const seen = delivering(handle, () => {
      handle.setPending(0, false);
      return "handled";
    });
    handle.frames.bytes(frame)[1] = 1;
    handle.park(0);
    handle.setPending(0, true);
    same([on.vcpu.hasWork, on.vcpu.run(10)], [false, "halted"], "masked");
    handle.frames.bytes(frame)[1] = 0;
    same([on.vcpu.hasWork, on.vcpu.run(10), seen.length, on.vcpu.halted], [true, "budget", 1, false], "unmasked");
  },
  "yield ends the turn": (on, handle) => {
    program(on, 0xf3, 0x90, 0x46, ...SPIN); // pause; inc esi
    on.vcpu.registers.set("rsi", 0n);
    handle.setIntercepts(0, 0, intercepting("pause"));
    recording(handle, () => {
      handle.yield(0);
      return "next";
    });
    same([on.vcpu.run(10), on.vcpu.halted, on.vcpu.registers.get("rsi")], ["yield", false, 0n], "given away");
    same([on.vcpu.run(10), on.vcpu.registers.get("rsi")], ["budget", 1n], "and on");
  },
};

// The contract's suite of clock event devices over backends on the real board: what a guest programs ends as a vector at its local APIC.
import { describe, test } from "vitest";
import { native } from "../../packages/backend-native/src/index.js";
import { TestGuest as VmiGuest } from "../../packages/backend-vmi/test/guest.js";
import { pcBoard } from "../../packages/devices/src/board/index.js";
import {
  type BackendBench,
  backendBench,
  type ClockEventBench,
  clockEventSuite,
  type GuestTimer,
  timerOf,
} from "../../packages/paravirt-ops/src/conformance/index.js";

const VECTOR = 0x40;
const EOI = 0xfee000b0;
const SPURIOUS = 0xfee000f0;
const LVT_TIMER = 0xfee00320;
const LVTT = 0x10000;
const DEADLINE_MODE = 2 << 17;

/** 8259s whose IRQ 0 is the vector, alone. */
function wire8259({ environment: { pio } }: BackendBench): void {
  const words = [
    [0x20, 0x11],
    [0x21, VECTOR],
    [0x21, 4],
    [0x21, 1],
    [0x21, 0xfe],
  ] as const;
  for (const [port, value] of words) pio.write(port, 1, value);
}

/** A machine whose local entries have the vector, and `mode`. Interrupts of the 8259 are ended there, others at the local APIC. */
function machine(bench: BackendBench, mode: number, timer: (vcpu: number) => GuestTimer): ClockEventBench {
  const { mmio, pio, board, vcpus, clock } = bench.environment;
  const at = (vcpu: number, register: number, value: number): void => {
    bench.use(vcpu);
    mmio.write(register, 4, value);
  };
  for (const { id } of vcpus) {
    at(id, SPURIOUS, 0x1ff);
    at(id, LVT_TIMER, VECTOR | mode);
  }
  return {
    nowNs: () => clock.nowNs(),
    advance: (ns) => bench.advance(ns),
    timer,
    take: (vcpu) => {
      if (!bench.core.vcpus[vcpu]!.interruptRequest) return false;
      const vector = board.localInterrupts.acknowledge(vcpu);
      at(vcpu, EOI, 0);
      pio.write(0x20, 1, 0x20);
      return vector === VECTOR;
    },
    steal: (vcpu, ns) => bench.steal(vcpu, ns),
    stolenNs: (vcpu) => bench.backend.ops.time.stealClock.run(vcpus[vcpu]!) as number,
  };
}

describe("the bare machine's local timers", () => {
  const traits = { vcpus: 4, periodic: false, absolute: true, resolutionNs: 1 };
  const cases = clockEventSuite(traits, async () => {
    const bench = await backendBench(native, [], traits.vcpus, pcBoard);
    return machine(bench, DEADLINE_MODE, (vcpu) => timerOf(bench.backend.ops.time, bench.environment.vcpus[vcpu]!));
  });
  for (const { name, run } of cases) test(name, run);
});

describe.each([
  ["the local entries", 4, LVTT],
  ["IRQ 0", 1, 0],
] as const)("VMI's alarms, wired to %s", (_what, vcpus, flags) => {
  const cases = clockEventSuite({ vcpus, periodic: true, absolute: true, resolutionNs: 1_000 }, async () => {
    const guest = await VmiGuest.start({}, vcpus, { layer: native, board: pcBoard });
    if (flags === 0) wire8259(guest.bench);
    return machine(guest.bench, 0, (vcpu) => guest.alarm(vcpu, flags));
  });
  for (const { name, run } of cases) test(name, run);
});

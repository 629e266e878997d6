// The contract's suite of clock event devices over the board's own timers, programmed as kernels do: the interval timer, the event timer, local APICs.
import { type ClockEventBench, type ClockEventTraits, clockEventSuite, type GuestTimer } from "@paravane/paravirt-ops/conformance";
import { describe, test } from "vitest";
import { pcRig } from "../../test/pc-rig.js";

type Rig = ReturnType<typeof pcRig>;

const VECTOR = 0x40;
const PIT_HZ = 1193182;
const HPET = 0xfed00000;
const LVT_TIMER = 0xfee00320;
const INITIAL_COUNT = 0xfee00380;
const DIVIDE = 0xfee003e0;
const MSR_TSC_DEADLINE = 0x6e0;

/** 8259s at their usual vectors, with IRQ 0 alone. */
function irq0(rig: Rig): void {
  for (const [port, value] of [
    [0x20, 0x11],
    [0x21, VECTOR],
    [0x21, 4],
    [0x21, 1],
    [0x21, 0xfe],
  ] as const)
    rig.pio.write(port, 1, value);
}

/** Counter 0 in mode 0. */
function intervalTimer(rig: Rig): () => GuestTimer {
  irq0(rig);
  const load = (ns: number): void => {
    const count = Math.max(2, Math.ceil((ns * PIT_HZ) / 1e9));
    rig.pio.write(0x43, 1, 0x30);
    rig.pio.write(0x40, 1, count & 0xff);
    rig.pio.write(0x40, 1, count >> 8);
  };
  return () => ({
    setNextEvent: (deadlineNs) => load(deadlineNs - rig.clock.nowNs()),
    // Mode 2 counts whole ticks of 838 ns, which drift from a guest's periods by design: the traits deny it.
    shutdown: () => rig.pio.write(0x43, 1, 0x30),
  });
}

/** Comparator 0 at IRQ 0, by the legacy route. Its counter counts 10 ns. */
function eventTimer(rig: Rig): () => GuestTimer {
  irq0(rig);
  const at = (register: number, value: number): void => rig.mmio.write(HPET + register, 4, value);
  at(0x10, 3);
  const counter = (): number => rig.mmio.read(HPET + 0xf0, 4);
  const ENABLED = 1 << 2;
  const PERIODIC = 1 << 3;
  const SET_VALUE = 1 << 6;
  const THIRTY_TWO = 1 << 8;
  let configured = 0;
  const configure = (value: number): void => {
    if (configured !== value) at(0x100, value);
    configured = value;
  };
  return () => ({
    setNextEvent: (deadlineNs) => {
      configure(ENABLED | THIRTY_TWO);
      at(0x108, counter() + Math.max(1, Math.ceil((deadlineNs - rig.clock.nowNs()) / 10)));
    },
    setPeriodic: (periodNs) => {
      configure(0);
      configure(ENABLED | PERIODIC | SET_VALUE | THIRTY_TWO);
      at(0x108, counter() + periodNs / 10);
      at(0x108, periodNs / 10);
    },
    shutdown: () => configure(0),
  });
}

/** The local APIC's timer by its initial count: 1 GHz undivided. */
function localTimers(rig: Rig): (vcpu: number) => GuestTimer {
  return (vcpu) => {
    const at = (register: number, value: number): void => {
      rig.as(vcpu);
      rig.mmio.write(register, 4, value);
    };
    at(0xfee000f0, 0x1ff);
    at(DIVIDE, 0xb);
    return {
      setNextEvent: (deadlineNs) => {
        at(LVT_TIMER, VECTOR);
        at(INITIAL_COUNT, Math.max(1, deadlineNs - rig.clock.nowNs()));
      },
      setPeriodic: (periodNs) => {
        at(LVT_TIMER, VECTOR | (1 << 17));
        at(INITIAL_COUNT, periodNs);
      },
      shutdown: () => at(INITIAL_COUNT, 0),
    };
  };
}

/** The local APIC's timer by its deadline. */
function deadlines(rig: Rig): (vcpu: number) => GuestTimer {
  return (vcpu) => {
    rig.as(vcpu);
    rig.mmio.write(0xfee000f0, 4, 0x1ff);
    rig.mmio.write(LVT_TIMER, 4, VECTOR | (2 << 17));
    const set = (value: number): void => void rig.board.msrs.msrWrite(vcpu, MSR_TSC_DEADLINE, BigInt(Math.ceil(value)));
    return { setNextEvent: (deadlineNs) => set(deadlineNs), shutdown: () => set(0) };
  };
}

/** Ends at the 8259 what came from it: its interrupts are the boot processor's, and the local APIC does not know of them. */
function started(vcpus: number, program: (rig: Rig) => (vcpu: number) => GuestTimer, master: boolean): ClockEventBench {
  const rig = pcRig({ vcpus });
  const timer = program(rig);
  const timers = Array.from({ length: vcpus }, (_, vcpu) => timer(vcpu));
  return {
    nowNs: () => rig.clock.nowNs(),
    advance: (ns) => rig.clock.advance(ns),
    timer: (vcpu) => timers[vcpu]!,
    take: (vcpu) => {
      const taken = rig.take(vcpu) === VECTOR;
      if (taken && master) rig.pio.write(0x20, 1, 0x20);
      return taken;
    },
    steal: () => {},
    stolenNs: () => undefined,
  };
}

const shared = { vcpus: 1, absolute: false } as const;
const own = { vcpus: 4, resolutionNs: 10 } as const;
const kinds: readonly (readonly [what: string, traits: ClockEventTraits, program: (rig: Rig) => (vcpu: number) => GuestTimer])[] = [
  ["the interval timer", { ...shared, periodic: false, resolutionNs: 2_000 }, intervalTimer],
  ["the event timer", { ...shared, periodic: true, resolutionNs: 20 }, eventTimer],
  ["local APIC timers", { ...own, periodic: true, absolute: false }, localTimers],
  ["local APIC deadlines", { ...own, periodic: false, absolute: true }, deadlines],
];
describe.each(kinds)("%s", (_what, traits, program) => {
  for (const { name, run } of clockEventSuite(traits, () => started(traits.vcpus, program, traits.vcpus === 1))) test(name, run);
});

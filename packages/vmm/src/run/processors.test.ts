import { type GuestProgram, RecordingVcpu } from "@paravane/paravirt-ops/conformance";
import { describe, expect, test } from "vitest";
import { Processors, TURN_NS } from "./processors.js";

const NS = 2;

/** Runs programs under the scheduler; each instruction takes 2 ns. */
function world(...programs: GuestProgram[]) {
  const processors = new Processors();
  const vcpus = programs.map((program, id) => new RecordingVcpu(id, program));
  for (const vcpu of vcpus) vcpu.halted = false;
  processors.connect(vcpus);
  const order: [vcpu: number, instructions: number][] = [];
  const slice = (): boolean => {
    const vcpu = processors.next();
    if (vcpu === undefined) return false;
    const before = processors.retired;
    processors.run(vcpu, Math.ceil(processors.limitNs / NS));
    const ran = processors.retired - before;
    processors.accountSlice(vcpu, ran * NS);
    order.push([vcpu.id, ran]);
    return true;
  };
  return { processors, vcpus, order, slice, slices: (count: number) => Array.from({ length: count }, slice).every(Boolean) };
}

const spin: GuestProgram = (vcpu, budget) => {
  vcpu.retire(budget);
  return "budget";
};
const TURN = TURN_NS / NS;
const share = (order: readonly [number, number][], id: number): number =>
  order.filter(([vcpu]) => vcpu === id).reduce((sum, [, instructions]) => sum + instructions, 0);

describe("turns", () => {
  test("busy vCPUs get a millisecond each, one after the other", () => {
    const { slices, order } = world(spin, spin, spin);
    slices(6);
    expect(order).toEqual([1, 2, 0, 1, 2, 0].map((id) => [id, TURN]));
  });

  test("one that spins in PAUSE costs the others nothing but the switch", () => {
    const pause: GuestProgram = (vcpu) => {
      vcpu.retire(10);
      return "yield";
    };
    const { slices, order, processors } = world(pause, spin);
    slices(20);
    expect([share(order, 0), share(order, 1)]).toEqual([100, 10 * TURN]);
    expect(processors.stats[0]).toMatchObject({ slices: 10, pauses: 10, stolenNs: 10 * TURN_NS });
  });

  test("a slice that ends early for the machine's sake does not end the turn", () => {
    const short: GuestProgram = (vcpu, budget) => {
      vcpu.retire(Math.min(budget, TURN / 4));
      return "stopped";
    };
    const { slices, order } = world(spin, short);
    slices(6);
    expect(order.map(([id]) => id)).toEqual([1, 1, 1, 1, 0, 1]);
  });

  test("sleepers are passed over; with nobody awake there is no turn", () => {
    const halt: GuestProgram = (vcpu) => {
      vcpu.retire(1);
      return "halted";
    };
    const { slice, order } = world(halt, halt);
    expect([slice(), slice(), slice()]).toEqual([true, true, false]);
    expect(order.length).toBe(2);
  });
});

describe("signals", () => {
  /** vCPU 0 sends to `target` after 100 instructions, once, then spins. */
  const sender = (send: () => boolean): GuestProgram => {
    let sent = false;
    return (vcpu, budget) => {
      if (sent) return spin(vcpu, budget);
      sent = true;
      vcpu.retire(100);
      send();
      return vcpu.stopRequested ? "stopped" : "budget";
    };
  };

  test("the sender goes on for a moment, then the target runs, ahead of the ring, then the sender gets the rest of its turn", () => {
    const made = world(
      sender(() => made.processors.signalled(made.vcpus[2]!)),
      spin,
      spin,
    );
    made.vcpus[1]!.halted = made.vcpus[2]!.halted = true;
    made.slice();
    made.vcpus[1]!.halted = made.vcpus[2]!.halted = false;
    made.slices(4);
    expect(made.order.map(([id]) => id)).toEqual([0, 0, 2, 0, 1]);
    expect(made.order[1]![1]).toBe(5000);
    expect(made.order[3]![1]).toBe(TURN - 5100);
  });

  test("two that wake each other without end leave a third one its share", () => {
    const ping: GuestProgram = (vcpu) => {
      vcpu.retire(500);
      const other = made.vcpus[1 - vcpu.id]!;
      other.setInterruptRequest(true);
      made.processors.signalled(other);
      vcpu.setInterruptRequest(false);
      return "halted";
    };
    const made = world(ping, ping, spin);
    made.vcpus[0]!.setInterruptRequest(true);
    made.slices(20_000);
    const total = share(made.order, 0) + share(made.order, 1) + share(made.order, 2);
    expect(share(made.order, 2) / total).toBeGreaterThan(0.4);
    expect((share(made.order, 0) + share(made.order, 1)) / total).toBeGreaterThan(0.4);
  });

  test("a signal from outside a slice, or to oneself, stops nobody", () => {
    const made = world(spin, spin);
    expect(made.processors.signalled(made.vcpus[0]!)).toBe(true);
    const self = world(sender(() => self.processors.signalled(self.vcpus[0]!)));
    self.slice();
    expect(self.order).toEqual([[0, 100]]);
    expect(self.vcpus[0]!.stopRequested).toBe(false);
  });
});

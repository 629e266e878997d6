// The contract's suite of clock event devices over a domain's timers: vcpu_op, set_timer_op, and the time group. Expiry is VIRQ_TIMER.
import { type ClockEventBench, clockEventSuite, type GuestTimer, timerOf } from "@paravane/paravirt-ops/conformance";
import { describe, test } from "vitest";
import { TestGuest } from "../../test/guest.js";
import { eventChannelCommands, vcpu_runstate_info, vcpuCommands } from "../abi/services.js";
import { virqs } from "../abi/xen.js";
import { domains } from "../backend.js";
import { runStates } from "../vcpu/virtual-cpu.js";

/** Programs a vCPU's periodic timer and its single shot, each of which ends the other as a guest that knows one device does it. */
function byVcpuOp(guest: TestGuest, vcpu: number): GuestTimer {
  const at = guest.scratch(0x100);
  const op = (command: number, ns?: number): void => {
    if (ns !== undefined) guest.memory.writeU64(at, BigInt(ns));
    guest.memory.writeU32(at + 8, 0);
    guest.callFrom(vcpu, "vcpu_op", command, vcpu, at);
  };
  const shutdown = (): void => {
    op(vcpuCommands.stop_periodic_timer);
    op(vcpuCommands.stop_singleshot_timer);
  };
  return {
    setNextEvent: (deadlineNs) => {
      shutdown();
      op(vcpuCommands.set_singleshot_timer, deadlineNs);
    },
    setPeriodic: (periodNs) => {
      shutdown();
      op(vcpuCommands.set_periodic_timer, periodNs);
    },
    shutdown,
  };
}

function bySetTimerOp(guest: TestGuest, vcpu: number): GuestTimer {
  const set = (ns: bigint): void => {
    const words = guest.bits === 64 ? [ns] : [ns & 0xffffffffn, ns >> 32n];
    guest.callFrom(vcpu, "set_timer_op", ...words);
  };
  return { setNextEvent: (deadlineNs) => set(BigInt(deadlineNs)), shutdown: () => set(0n) };
}

const byOperations = ({ bench: { backend, environment } }: TestGuest, vcpu: number): GuestTimer =>
  timerOf(backend.ops.time, environment.vcpus[vcpu]!);

/** A domain whose vCPUs run and have bound VIRQ_TIMER. A port that is pending is an interrupt that waits. */
async function start(bits: 64 | 32, vcpus: number, timer: (guest: TestGuest, vcpu: number) => GuestTimer): Promise<ClockEventBench> {
  const guest = await TestGuest.start(bits, {}, vcpus);
  const { bench } = guest;
  const domain = domains.get(bench.environment)!;
  const at = guest.scratch(0x200);
  const ports = domain.vcpus.map((vcpu) => {
    domain.bringUp(vcpu);
    domain.timers[vcpu.id]!.shutdown();
    guest.memory.writeU32(at, virqs.TIMER);
    guest.memory.writeU32(at + 4, vcpu.id);
    guest.call("event_channel_op", eventChannelCommands.bind_virq, at);
    return guest.memory.readU32(at + 8);
  });
  return {
    nowNs: () => bench.environment.clock.nowNs(),
    advance: (ns) => bench.advance(ns),
    timer: (vcpu) => timer(guest, vcpu),
    take: (vcpu) => {
      const waits = domain.events.delivery.isPending(ports[vcpu]!);
      if (waits) domain.events.delivery.clear(ports[vcpu]!);
      return waits;
    },
    steal: (vcpu, ns) => bench.steal(vcpu, ns),
    stolenNs: (vcpu) => {
      guest.callFrom(vcpu, "vcpu_op", vcpuCommands.get_runstate_info, vcpu, at);
      const { time } = vcpu_runstate_info[bits].fields;
      return Number(guest.memory.readU64(at + time.offset + 8 * runStates.runnable));
    },
  };
}

const every = [
  ["vcpu_op", true, byVcpuOp],
  ["set_timer_op", false, bySetTimerOp],
  ["the time group", true, byOperations],
] as const;
describe.each([64, 32] as const)("a %i-bit domain's timers", (bits) => {
  describe.each(every)("by %s", (_what, periodic, timer) => {
    const traits = { vcpus: 4, periodic, absolute: true, resolutionNs: 0 };
    for (const { name, run } of clockEventSuite(traits, () => start(bits, traits.vcpus, timer))) test(name, run);
  });
});

// The contract's suite of clock event devices over alarms, as calls program them and as the time group does.
import { type ClockEventBench, clockEventSuite, type GuestTimer, timerOf } from "@paravane/paravirt-ops/conformance";
import { describe, test } from "vitest";
import { TestGuest } from "../../test/guest.js";
import { alarmFlags } from "../abi/vmi.js";

/** Programs it by the backend's operations; a call has said where it is wired. */
const byOperations = ({ bench: { backend, environment } }: TestGuest, vcpu: number): GuestTimer =>
  timerOf(backend.ops.time, environment.vcpus[vcpu]!);

type Programmed = (guest: TestGuest, vcpu: number) => GuestTimer;

/** Alarms of all vCPUs with the wiring of `flags`. The rise of a line is an interrupt that waits. */
async function start(vcpus: number, flags: number, timer: Programmed): Promise<ClockEventBench> {
  const guest = await TestGuest.start({}, vcpus);
  const { bench } = guest;
  const { log } = bench.environment.board as unknown as { log: string[] };
  for (let vcpu = 0; vcpu < vcpus; vcpu++) {
    guest.alarm(vcpu, flags).setNextEvent(1e12);
    guest.alarm(vcpu, flags).shutdown();
  }
  return {
    nowNs: () => bench.environment.clock.nowNs(),
    advance: (ns) => bench.advance(ns),
    timer: (vcpu) => timer(guest, vcpu),
    take: (vcpu) => {
      const rise = flags === alarmFlags.lvtt ? `timer of ${vcpu} true` : "timer true";
      const waits = log.includes(rise);
      log.splice(0, log.length, ...log.filter((line) => line !== rise));
      return waits;
    },
    steal: (vcpu, ns) => bench.steal(vcpu, ns),
    stolenNs: (vcpu) => Number(guest.enter("GetCycleCounter", [2], vcpu) as bigint),
  };
}

const everyAlarm: readonly (readonly [what: string, vcpus: number, timer: () => Promise<ClockEventBench>])[] = [
  [
    "alarms of all vCPUs, wired to their local entries",
    4,
    () => start(4, alarmFlags.lvtt, (guest, vcpu) => guest.alarm(vcpu, alarmFlags.lvtt)),
  ],
  ["an alarm wired to IRQ 0", 1, () => start(1, 0, (guest, vcpu) => guest.alarm(vcpu, 0))],
  ["the time group, wired to local entries", 4, () => start(4, alarmFlags.lvtt, byOperations)],
  ["the time group, wired to IRQ 0", 1, () => start(1, 0, byOperations)],
];
describe.each(everyAlarm)("%s", (_what, vcpus, machine) => {
  for (const { name, run } of clockEventSuite({ vcpus, periodic: true, absolute: true, resolutionNs: 1_000 }, machine)) test(name, run);
});

/**
 * What every guest may expect of its timers, whatever they are made of: a chip's registers, a hypercall, a ROM call, or a backend's time group.
 * A vCPU that runs takes the interrupt that waits for it within a step; one that another took the turn from takes it when it is back.
 */
import type { Vcpu } from "../handles/vcpu.js";
import type { TimeOps } from "../ops/time.js";
import type { Ns } from "../units.js";
import { type ConformanceCase, check, same } from "./case.js";

/** A vCPU's timer as its guest programs it. */
export interface GuestTimer {
  /** Once at `deadlineNs` of guest time, at once when that is past. */
  setNextEvent(deadlineNs: Ns): void;
  /** Every `periodNs`, the first time one period from now; absent where there is no such mode. */
  setPeriodic?(periodNs: Ns): void;
  /** Not until it is programmed again. */
  shutdown(): void;
}

/** A vCPU's timer as the time group has it. */
export function timerOf(time: TimeOps, vcpu: Vcpu): GuestTimer {
  return {
    setNextEvent: (deadlineNs) => void time.setNextEvent.run(vcpu, deadlineNs),
    setPeriodic: (periodNs) => void time.setPeriodic.run(vcpu, periodNs),
    shutdown: () => void time.shutdownEvent.run(vcpu),
  };
}

/** A machine with such timers, whose time the suite moves. */
export interface ClockEventBench {
  /** Guest time. */
  nowNs(): Ns;
  /** Lets it pass. */
  advance(ns: Ns): void;
  /** The timer of one vCPU. */
  timer(vcpu: number): GuestTimer;
  /** The timer's interrupt is taken, and ended, by the vCPU for which it waits: false when none does. */
  take(vcpu: number): boolean;
  /** Books time in which `vcpu` was ready and another one ran. */
  steal(vcpu: number, ns: Ns): void;
  /** Stolen time as the guest reads it; undefined where its ABI does not tell. */
  stolenNs(vcpu: number): Ns | undefined;
  /** Lets go of it. */
  close?(): void;
}

/** What is known of the timers before there is a machine. */
export interface ClockEventTraits {
  /** How many vCPUs have one: 1 for a timer that all share. */
  readonly vcpus: number;
  /** It has a periodic mode. */
  readonly periodic: boolean;
  /** It can be set to an expiry that is past; false for a chip that counts down from where it is set. */
  readonly absolute: boolean;
  /** How late it may be by its own ticks. */
  readonly resolutionNs: Ns;
}

const STEP_NS = 10_000;
const MS = 1_000_000;

/** A tick: which vCPU took it, and when. */
interface Tick {
  readonly vcpu: number;
  readonly at: Ns;
}

/** The vCPUs of a bench at work. */
class Running {
  readonly ticks: Tick[] = [];
  /** What a vCPU does in its handler. */
  handler: (vcpu: number) => void = () => {};
  /** The vCPU that is kept from running. */
  away: number | undefined;

  constructor(
    readonly bench: ClockEventBench,
    private readonly vcpus: number,
  ) {}

  run(ns: Ns): void {
    const until = this.bench.nowNs() + ns;
    this.#take();
    while (this.bench.nowNs() < until) {
      this.bench.advance(Math.min(STEP_NS, until - this.bench.nowNs()));
      this.#take();
    }
  }

  /** Another one runs in `vcpu`'s place. */
  deschedule(vcpu: number, ns: Ns): void {
    this.away = vcpu;
    this.bench.steal(vcpu, ns);
    this.run(ns);
    this.away = undefined;
    this.#take();
  }

  times(vcpu = 0): Ns[] {
    return this.ticks.filter((tick) => tick.vcpu === vcpu).map(({ at }) => at);
  }

  #take(): void {
    for (let vcpu = 0; vcpu < this.vcpus; vcpu++) {
      if (vcpu === this.away || !this.bench.take(vcpu)) continue;
      this.ticks.push({ vcpu, at: this.bench.nowNs() });
      this.handler(vcpu);
    }
  }
}

/** The suite of one kind of timer. `start` makes a machine whose guest has set it up, with interrupts enabled. */
export function clockEventSuite(
  { vcpus, periodic, absolute, resolutionNs }: ClockEventTraits,
  start: () => ClockEventBench | Promise<ClockEventBench>,
): ConformanceCase[] {
  const late = resolutionNs + STEP_NS;
  const onTime = (at: readonly Ns[], deadlines: readonly Ns[], what: string): void => {
    same(at.length, deadlines.length, `${what}: how often`);
    for (const [index, deadline] of deadlines.entries()) {
      const by = at[index]! - deadline;
      check(by >= -1 && by <= late, `${what}: ${by} ns after its time, number ${index + 1} of ${deadlines.length}`);
    }
  };
  const on = (name: string, body: (cpus: Running, timer: GuestTimer, bench: ClockEventBench) => void): ConformanceCase => ({
    name,
    run: async () => {
      const bench = await start();
      try {
        const cpus = new Running(bench, vcpus);
        cpus.run(STEP_NS);
        cpus.ticks.length = 0;
        body(cpus, bench.timer(0), bench);
      } finally {
        bench.close?.();
      }
    },
  });
  const every = Array.from({ length: vcpus }, (_, vcpu) => vcpu);

  return [
    on("one shot fires once, at its deadline and not before", (cpus, timer, bench) => {
      const deadline = bench.nowNs() + 2 * MS;
      timer.setNextEvent(deadline);
      cpus.run(10 * MS);
      onTime(cpus.times(), [deadline], "the tick");
    }),
    on("a deadline replaces the one before", (cpus, timer, bench) => {
      const now = bench.nowNs();
      timer.setNextEvent(now + MS);
      timer.setNextEvent(now + 3 * MS);
      cpus.run(2 * MS);
      timer.setNextEvent(now + 5 * MS);
      cpus.run(8 * MS);
      onTime(cpus.times(), [now + 5 * MS], "the tick");
    }),
    ...(absolute
      ? [
          on("a deadline that is past fires at once, and once", (cpus, timer, bench) => {
            cpus.run(5 * MS);
            timer.setNextEvent(MS);
            const now = bench.nowNs();
            cpus.run(5 * MS);
            onTime(cpus.times(), [now], "the tick");
          }),
        ]
      : []),
    on("cancelled it is silent, and can be programmed again", (cpus, timer, bench) => {
      timer.setNextEvent(bench.nowNs() + MS);
      timer.shutdown();
      cpus.run(5 * MS);
      same(cpus.times(), [], "ticks");
      timer.shutdown();
      const deadline = bench.nowNs() + MS;
      timer.setNextEvent(deadline);
      cpus.run(3 * MS);
      onTime(cpus.times(), [deadline], "the tick");
    }),
    on("re-armed in its handler it fires at each deadline", (cpus, timer, bench) => {
      const deadlines = Array.from({ length: 20 }, (_, index) => bench.nowNs() + (index + 1) * MS);
      let next = 1;
      cpus.handler = () => {
        const deadline = deadlines[next++];
        if (deadline !== undefined) timer.setNextEvent(deadline);
      };
      timer.setNextEvent(deadlines[0]!);
      cpus.run(30 * MS);
      onTime(cpus.times(), deadlines, "ticks");
    }),
    ...(periodic ? periodicCases(on, onTime) : []),
    ...(vcpus > 1
      ? [
          on(
            "timers of all vCPUs that expire in one instant are one tick each, and each is re-armed in its handler",
            (cpus, _timer, bench) => {
              const [first, second] = [bench.nowNs() + MS, bench.nowNs() + 2 * MS];
              const armed = new Set<number>();
              cpus.handler = (vcpu) => {
                if (armed.has(vcpu)) return;
                armed.add(vcpu);
                bench.timer(vcpu).setNextEvent(second);
              };
              for (const vcpu of every) bench.timer(vcpu).setNextEvent(first);
              cpus.run(5 * MS);
              for (const vcpu of every) onTime(cpus.times(vcpu), [first, second], `vCPU ${vcpu}`);
            },
          ),
          on("a vCPU's timer is its own: what others do with theirs changes nothing", (cpus, timer, bench) => {
            const deadline = bench.nowNs() + 2 * MS;
            timer.setNextEvent(deadline);
            for (const vcpu of every.slice(1)) {
              bench.timer(vcpu).setNextEvent(deadline - MS);
              bench.timer(vcpu).shutdown();
            }
            cpus.run(5 * MS);
            onTime(cpus.times(), [deadline], "vCPU 0");
            for (const vcpu of every.slice(1)) same(cpus.times(vcpu), [], `vCPU ${vcpu}`);
          }),
        ]
      : []),
    on("a deadline that passes while another one runs is a tick as soon as the vCPU is back", (cpus, timer, bench) => {
      const before = bench.stolenNs(0);
      timer.setNextEvent(bench.nowNs() + MS);
      cpus.deschedule(0, 5 * MS);
      onTime(cpus.times(), [bench.nowNs()], "the tick");
      if (before === undefined) return;
      same(bench.stolenNs(0), before + 5 * MS, "stolen time");
      for (const vcpu of every.slice(1)) same(bench.stolenNs(vcpu), 0, `stolen time of vCPU ${vcpu}`);
    }),
    on("time that was stolen before a deadline does not move it", (cpus, timer, bench) => {
      const deadline = bench.nowNs() + 5 * MS;
      timer.setNextEvent(deadline);
      cpus.deschedule(0, 3 * MS);
      same(cpus.times(), [], "ticks before it");
      cpus.run(5 * MS);
      onTime(cpus.times(), [deadline], "the tick");
    }),
  ];
}

type Case = (name: string, body: (cpus: Running, timer: GuestTimer, bench: ClockEventBench) => void) => ConformanceCase;
type OnTime = (at: readonly Ns[], deadlines: readonly Ns[], what: string) => void;

function periodicCases(on: Case, onTime: OnTime): ConformanceCase[] {
  const beats = (from: Ns, count: number): Ns[] => Array.from({ length: count }, (_, index) => from + (index + 1) * MS);
  return [
    on("periodic it fires every period, and does not drift", (cpus, timer, bench) => {
      const from = bench.nowNs();
      timer.setPeriodic!(MS);
      cpus.run(20.5 * MS);
      onTime(cpus.times(), beats(from, 20), "ticks");
    }),
    on("periodic and cancelled it is silent", (cpus, timer, bench) => {
      const from = bench.nowNs();
      timer.setPeriodic!(MS);
      cpus.run(2.5 * MS);
      timer.shutdown();
      cpus.run(5 * MS);
      onTime(cpus.times(), beats(from, 2), "ticks");
    }),
    on("one shot ends the period, and a period the shot", (cpus, timer, bench) => {
      timer.setPeriodic!(MS);
      const deadline = bench.nowNs() + 3.5 * MS;
      timer.setNextEvent(deadline);
      cpus.run(8 * MS);
      onTime(cpus.times(), [deadline], "the shot");
      cpus.ticks.length = 0;
      timer.setNextEvent(bench.nowNs() + 0.5 * MS);
      const from = bench.nowNs();
      timer.setPeriodic!(MS);
      cpus.run(3.5 * MS);
      onTime(cpus.times(), beats(from, 3), "the periods");
    }),
    on("periods that passed while another one ran are a tick or more, and the next ones come in step", (cpus, timer, bench) => {
      const from = bench.nowNs();
      timer.setPeriodic!(MS);
      cpus.deschedule(0, 4.5 * MS);
      cpus.run(0);
      const missed = cpus.times().length;
      check(missed >= 1 && missed <= 4, `${missed} ticks for four periods`);
      cpus.ticks.length = 0;
      cpus.run(3 * MS);
      onTime(cpus.times(), beats(from + 4 * MS, 3), "ticks");
    }),
  ];
}

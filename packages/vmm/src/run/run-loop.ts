/**
 * Runs a machine's vCPUs on the host's thread: fires alarms, gives each vCPU its slice, sleeps while all of them do, and gives the
 * host its turn at least every 10 ms. The loop knows neither devices nor images; what ends it comes in through `end` and `interrupt`.
 */
import type { ExitReason, Vcpu } from "@paravane/paravirt-ops";
import type { MachineClock } from "../clock/machine-clock.js";
import type { EventLoop } from "../host/event-loop.js";
import type { Nap } from "../host/nap.js";
import type { InFlight } from "../host/tracked-store.js";
import { PauseLoops } from "./pause-loops.js";
import type { Processors } from "./processors.js";
import type { RunResult } from "./run-result.js";

/** Host milliseconds without giving up the thread: while requests are in flight, and otherwise. */
const YIELD_IN_FLIGHT_MS = 1;
const YIELD_MS = 4;
/** Shorter waits than this are spent in yields. A host timer takes 1 ms at least, which is the most that a sleeping guest's alarm is late. */
const SHORTEST_TIMER_MS = 0.02;

/** What the loop counted. Times are host milliseconds. */
export interface RunCounters {
  /** Spent inside vCPUs. */
  vcpuMs: number;
  /** Spent asleep because every vCPU was. */
  idleMs: number;
  /** Slices given to vCPUs. */
  slices: number;
  /** The same by what ended them. */
  readonly endings: Record<ExitReason, number>;
  /** Times the host's thread was given up. */
  yields: number;
  /** Times the host's thread slept for a moment because a vCPU spun. */
  naps: number;
  /** Spent asleep in them. */
  napMs: number;
}

/** The loop of one machine. */
export class RunLoop {
  readonly counters: RunCounters = {
    vcpuMs: 0,
    idleMs: 0,
    slices: 0,
    endings: { budget: 0, halted: 0, yield: 0, shutdown: 0, stopped: 0, unmodelled: 0 },
    yields: 0,
    naps: 0,
    napMs: 0,
  };
  readonly #pauseLoops: PauseLoops | undefined;
  /** How the guest ended, once it has. */
  #ended: RunResult | undefined;
  #interrupted: string | undefined;
  /** The machine sleeps (ACPI S3): time goes on and alarms fire, no vCPU runs. */
  #suspended = false;
  #yieldedAt = 0;
  /** When the last slice ended, as far as giving up the thread is concerned. */
  #hostMs = 0;

  constructor(
    private readonly clock: MachineClock,
    private readonly processors: Processors,
    private readonly host: EventLoop,
    private readonly inFlight: InFlight,
    nap: Nap | undefined,
  ) {
    this.#pauseLoops = PauseLoops.create(clock, nap);
  }

  /** Can it make use of vCPUs that say when they spin? */
  get pauseLoopExiting(): boolean {
    return this.#pauseLoops !== undefined;
  }

  get ended(): RunResult | undefined {
    return this.#ended;
  }

  /** The guest is over. The first end counts. */
  end(result: RunResult): void {
    this.#ended ??= result;
    this.attend();
  }

  /** Makes `run` return "stopped"; the machine can go on later. */
  interrupt(detail: string): void {
    this.#interrupted ??= detail;
    this.attend();
  }

  /** No vCPU runs until `resume`. */
  suspend(): void {
    this.#suspended = true;
    this.attend();
  }

  resume(): void {
    this.#suspended = false;
    this.attend();
  }

  /** Something happened that the loop must look at before it goes on: ends the slice or the sleep. */
  attend(): void {
    if (!this.processors.interruptSlice()) this.host.wake();
  }

  /** Runs until the guest ends or the loop is interrupted. */
  async run(): Promise<RunResult> {
    this.#interrupted = undefined;
    this.clock.start();
    this.#yieldedAt = performance.now();
    try {
      for (;;) {
        this.clock.poll();
        if (this.#ended !== undefined) return this.#ended;
        if (this.#interrupted !== undefined) return { kind: "stopped", detail: this.#interrupted };
        if (this.clock.kind === "icount" && this.inFlight.count > 0) {
          // The yield lets whoever asked for the request act on it before the guest goes on.
          await this.#sleep(Number.POSITIVE_INFINITY);
          await this.#yield();
          continue;
        }
        const vcpu = this.#suspended ? undefined : this.processors.next();
        let waits = false;
        if (vcpu === undefined) await this.#idle();
        else waits = this.#slice(vcpu) === "yield" && this.processors.alone(vcpu);
        const asked = this.inFlight.count > 0;
        if (waits && !asked) this.#spun(vcpu!);
        // A guest that gives up its turn in a loop while requests are in flight waits for one of them: the host has its turn at once.
        if ((waits && asked) || this.#hostMs - this.#yieldedAt >= (asked ? YIELD_IN_FLIGHT_MS : YIELD_MS)) await this.#yield();
      }
    } finally {
      this.clock.stop();
    }
  }

  #slice(vcpu: Vcpu): ExitReason {
    const { clock, processors, counters } = this;
    const started = performance.now();
    const shared = processors.count > 1;
    const startedNs = shared ? clock.nowNs() : 0;
    const reason = processors.run(vcpu, clock.budget(processors.limitNs));
    if (shared) processors.accountSlice(vcpu, clock.nowNs() - startedNs);
    this.#hostMs = performance.now();
    counters.vcpuMs += this.#hostMs - started;
    counters.slices++;
    counters.endings[reason]++;
    if (reason === "shutdown") this.end({ kind: "shutdown", vcpu: vcpu.id, detail: vcpu.fault ?? "triple fault" });
    else if (reason === "unmodelled")
      this.end({ kind: "unmodelled", vcpu: vcpu.id, detail: vcpu.fault ?? "something that is not modelled" });
    return reason;
  }

  /** `vcpu` gave up its turn to nobody. */
  #spun(vcpu: Vcpu): void {
    const ms = this.#pauseLoops?.yielded(vcpu.id) ?? 0;
    if (ms === 0) return;
    this.#hostMs = performance.now();
    this.counters.naps++;
    this.counters.napMs += ms;
  }

  async #idle(): Promise<void> {
    this.host.clearWake();
    const ms = this.clock.idleMs();
    this.#hostMs = performance.now();
    if (ms === 0) return;
    if (ms < SHORTEST_TIMER_MS) await this.#yield();
    else await this.#sleep(ms);
  }

  async #sleep(ms: number): Promise<void> {
    const started = performance.now();
    await this.host.sleep(Math.max(1, Math.ceil(ms)));
    this.#yieldedAt = performance.now();
    this.counters.idleMs += this.#yieldedAt - started;
    this.clock.woke();
  }

  async #yield(): Promise<void> {
    this.counters.yields++;
    await this.host.yield();
    this.#yieldedAt = performance.now();
  }
}

// Samples a machine's vCPUs by ending their runs early, after numbers of instructions that are chosen to take about a millisecond and vary,
// so that no loop stays in step with them. By wrapping the core: a machine without a profile carries none of this.
import type { Core, CoreDefinition, Vcpu } from "@paravane/paravirt-ops";
import { forward } from "../forward.js";
import { Samples, type Where } from "./samples.js";

const FIRST_INSTRUCTIONS = 1000;
const LEAST_INSTRUCTIONS = 500;
const MOST_INSTRUCTIONS = 20_000_000;
/** A longer pause between two slices is idle time, not overhead. */
const IDLE_MS = 0.2;
/** A sample that took so many times what it was to take was interrupted: the host did other work, not ours. */
const INTERRUPTED = 4;
/** Samples until the interval fits the machine's speed. */
const SETTLED_SAMPLES = 10;
const CR0_PE = 1n;
const RFLAGS_VM = 1n << 17n;
const ACCESS_LONG = 1 << 13;
const ACCESS_BIG = 1 << 14;

/** Host milliseconds from any beginning. */
export type HostMs = () => number;

/** Takes the samples of one machine. */
export class Sampler {
  samples = new Samples();
  /** How often `run` returned, by its reason. */
  readonly exits = new Map<string, number>();
  /** Milliseconds that are taken for other work of the host and are in no sample. */
  lostMs = 0;
  #interval = FIRST_INSTRUCTIONS;
  #left = FIRST_INSTRUCTIONS;
  #instructions = 0;
  #ms = 0;
  #stoppedAt: number | undefined;

  /** @param everyMs - host time from one sample to the next, on average */
  constructor(
    private everyMs = 1,
    private readonly now: HostMs = () => performance.now(),
    private readonly random: () => number = Math.random,
  ) {}

  /** Forgets what was sampled so far. */
  restart(): void {
    this.samples = new Samples();
    this.exits.clear();
    this.lostMs = 0;
    this.#stoppedAt = undefined;
  }

  /** The same core, with vCPUs that are sampled. */
  wrap(definition: CoreDefinition): CoreDefinition {
    return {
      ...definition,
      create: async (environment) => {
        const core = await definition.create(environment);
        const vcpus = core.vcpus.map((vcpu) => {
          const run: Vcpu["run"] = (budget) => this.#run(vcpu, budget);
          return new Proxy(vcpu, { get: (target, property) => (property === "run" ? run : forward(target, property)) });
        });
        return new Proxy<Core>(core, { get: (target, property) => (property === "vcpus" ? vcpus : forward(target, property)) });
      },
    };
  }

  #run(vcpu: Vcpu, budget: number): ReturnType<Vcpu["run"]> {
    const started = this.now();
    if (this.#stoppedAt !== undefined && started - this.#stoppedAt >= IDLE_MS) this.samples.addIdle(started - this.#stoppedAt);
    let before = started;
    let left = budget;
    for (;;) {
      const step = Math.min(left, this.#left);
      const retired = vcpu.retired;
      const reason = vcpu.run(step);
      const ran = vcpu.retired - retired;
      const after = this.now();
      this.#instructions += ran;
      this.#ms += after - before;
      before = after;
      left -= ran;
      this.#left -= ran;
      if (this.#left <= 0) this.#take(vcpu);
      if (left > 0 && reason === "budget" && ran === step) continue;
      this.#stoppedAt = after;
      this.exits.set(reason, (this.exits.get(reason) ?? 0) + 1);
      return reason;
    }
  }

  #take(vcpu: Vcpu): void {
    const most = this.samples.total < SETTLED_SAMPLES ? this.#ms : this.everyMs * INTERRUPTED;
    const ms = Math.min(this.#ms, most);
    this.lostMs += this.#ms - ms;
    if (this.samples.add(whereIs(vcpu), ms, this.#instructions)) this.everyMs *= 2;
    const wanted = this.#interval * Math.min(4, Math.max(0.25, this.everyMs / Math.max(ms, 1e-3)));
    this.#interval = Math.min(MOST_INSTRUCTIONS, Math.max(LEAST_INSTRUCTIONS, (this.#interval + wanted) / 2));
    this.#left = Math.ceil(this.#interval * (0.5 + this.random()));
    this.#ms = 0;
    this.#instructions = 0;
  }
}

/** Where a vCPU stands. */
export function whereIs({ registers }: Vcpu): Where {
  const { base, access, selector } = registers.segment("cs");
  const rip = registers.get("rip");
  const root = registers.get("cr3");
  if ((registers.get("cr0") & CR0_PE) === 0n) return { address: base + (rip & 0xffffn), level: 0, mode: "real mode", root };
  if ((registers.get("rflags") & RFLAGS_VM) !== 0n) return { address: base + (rip & 0xffffn), level: 3, mode: "virtual 8086", root };
  const level = selector & 3;
  if ((access & ACCESS_LONG) !== 0) return { address: rip, level, mode: "64-bit", root };
  const wide = (access & ACCESS_BIG) !== 0;
  return { address: (base + (rip & (wide ? 0xffffffffn : 0xffffn))) & 0xffffffffn, level, mode: wide ? "32-bit" : "16-bit", root };
}

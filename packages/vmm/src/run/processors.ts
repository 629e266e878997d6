/**
 * The vCPUs of a machine on one host thread: whose turn it is, which one is running, and how much they have run together.
 *
 * They take turns in a ring. A vCPU that another one signals (an interprocessor interrupt, or a device that the other one's access made
 * interrupt) goes next, since the sender mostly waits for it; the sender first gets a moment to put down its locks. Going ahead of the
 * ring is bounded, so that two vCPUs which wake one another without end do not starve a third. Nothing here depends on the host's time,
 * so under a deterministic clock the turns are the same in every run.
 */
import type { ExitReason, Vcpu } from "@paravane/paravirt-ops";

/** Guest ns of a turn. */
export const TURN_NS = 1_000_000;
/** Guest ns that signalled vCPUs may run while the ring waits. */
const AHEAD_NS = TURN_NS;
/** Guest ns of it at a time for a vCPU that was awake: it takes the interrupt, and then the sender should see what came of it. */
const AHEAD_AWAKE_NS = 20_000;
/** Guest ns that the sender of a signal may go on for: enough to leave the kernel's wake-up path. */
const GRACE_NS = 10_000;

/** What one vCPU did so far. */
export interface VcpuStats {
  readonly id: number;
  /** Retired since reset. */
  readonly instructions: number;
  /** Turns that it had. */
  readonly slices: number;
  /** Turns that it gave away by PAUSE. */
  readonly pauses: number;
  /** Guest ns that it was ready to run while another one did. Counted on machines with several vCPUs. */
  readonly stolenNs: number;
  /** Asleep in HLT, or not started yet. */
  readonly halted: boolean;
}

class Turns {
  slices = 0;
  pauses = 0;
  stolenNs = 0;
  /** Goes ahead of the ring. */
  signalled = false;

  constructor(readonly vcpu: Vcpu) {}

  get runnable(): boolean {
    return !this.vcpu.halted || this.vcpu.hasWork;
  }
}

/** vCPUs that take turns. */
export class Processors {
  #turns: readonly Turns[] = [];
  /** Index of the vCPU whose turn it is in the ring, and what is left of its turn. */
  #ring = 0;
  #leftNs = 0;
  /** Guest ns that others ran ahead of the ring and that it has not had back yet. */
  #aheadNs = 0;
  #wentAhead = false;
  #anySignalled = false;
  /** Stopped because it signalled another one; gets its moment before anybody else. */
  #sender: Turns | undefined;
  #inGrace = false;
  #limitNs = TURN_NS;
  #current: Vcpu | undefined;
  #before = 0;
  #currentStart = 0;

  /** The core exists after the clock that counts its instructions, so vCPUs arrive here. */
  connect(vcpus: readonly Vcpu[]): void {
    this.#turns = vcpus.map((vcpu) => new Turns(vcpu));
  }

  get count(): number {
    return this.#turns.length;
  }

  get stats(): readonly VcpuStats[] {
    return this.#turns.map(({ vcpu, slices, pauses, stolenNs }) => ({
      id: vcpu.id,
      instructions: vcpu.retired,
      slices,
      pauses,
      stolenNs,
      halted: vcpu.halted,
    }));
  }

  /** Guest ns that a vCPU was ready to run while another one had its turn. */
  stolenNs(vcpu: number): number {
    return this.#turns[vcpu]?.stolenNs ?? 0;
  }

  /** Books a slice: to the turn that it was part of, and to those who waited. */
  accountSlice(ran: Vcpu, sliceNs: number): void {
    if (ran.id === this.#ring) this.#leftNs -= sliceNs;
    this.#aheadNs = this.#wentAhead ? this.#aheadNs + sliceNs : Math.max(0, this.#aheadNs - sliceNs);
    for (const turns of this.#turns) if (turns.vcpu !== ran && turns.runnable) turns.stolenNs += sliceNs;
  }

  /** Instructions retired by all vCPUs, exact at any moment. */
  get retired(): number {
    const current = this.#current;
    return current === undefined ? this.#before : this.#before + current.retired - this.#currentStart;
  }

  /** Has no vCPU but `vcpu` something to do? */
  alone(vcpu: Vcpu): boolean {
    return this.#turns.every((turns) => turns.vcpu === vcpu || !turns.runnable);
  }

  /** The vCPU that runs next, if any has something to do; `limitNs` is for how long. */
  next(): Vcpu | undefined {
    const sender = this.#sender;
    this.#sender = undefined;
    this.#inGrace = sender?.runnable === true;
    if (sender?.runnable) {
      this.#limitNs = GRACE_NS;
      return sender.vcpu;
    }
    const ahead = this.#ahead();
    this.#wentAhead = ahead !== undefined;
    return (ahead ?? this.#inRing())?.vcpu;
  }

  /** Guest ns that the vCPU which `next` named may run. */
  get limitNs(): number {
    return this.#limitNs;
  }

  #ahead(): Turns | undefined {
    if (!this.#anySignalled || this.#aheadNs > AHEAD_NS - GRACE_NS) return undefined;
    const count = this.#turns.length;
    for (let step = 0; step < count; step++) {
      const turns = this.#turns[(this.#ring + step) % count]!;
      if (!turns.signalled || !turns.runnable) continue;
      const leftNs = AHEAD_NS - this.#aheadNs;
      this.#limitNs = turns.vcpu.halted ? leftNs : Math.min(leftNs, AHEAD_AWAKE_NS);
      return turns;
    }
    this.#anySignalled = false;
    return undefined;
  }

  #inRing(): Turns | undefined {
    const count = this.#turns.length;
    for (let step = this.#leftNs >= GRACE_NS ? 0 : 1; step <= count; step++) {
      const index = (this.#ring + step) % count;
      const turns = this.#turns[index]!;
      if (!turns.runnable) continue;
      if (step > 0) this.#leftNs = TURN_NS;
      this.#ring = index;
      this.#limitNs = this.#leftNs;
      return turns;
    }
    this.#aheadNs = 0;
    return undefined;
  }

  /** Gives `vcpu` its turn, of at most `budget` instructions. */
  run(vcpu: Vcpu, budget: number): ExitReason {
    const turns = this.#turns[vcpu.id]!;
    turns.signalled = false;
    turns.slices++;
    this.#currentStart = vcpu.retired;
    this.#current = vcpu;
    try {
      const reason = vcpu.run(budget);
      if (reason === "yield") turns.pauses++;
      if (reason === "yield" || reason === "halted") this.#endTurn(turns);
      return reason;
    } finally {
      this.#before += vcpu.retired - this.#currentStart;
      this.#current = undefined;
    }
  }

  /** It gave the rest away. */
  #endTurn(turns: Turns): void {
    this.#sender = undefined;
    if (turns.vcpu.id === this.#ring) this.#leftNs = 0;
  }

  /** The vCPU whose `run` is in progress; 0 between slices. */
  get currentId(): number {
    return this.#current?.id ?? 0;
  }

  /** Something was signalled to a vCPU. True when no slice runs, so that a sleeping host must be woken. */
  signalled(vcpu: Vcpu): boolean {
    const current = this.#current;
    if (current === undefined) return true;
    if (current.id === vcpu.id) return false;
    this.#turns[vcpu.id]!.signalled = this.#anySignalled = true;
    if (!this.#inGrace && this.#sender === undefined) {
      this.#sender = this.#turns[current.id]!;
      current.requestStop();
    }
    return false;
  }

  /** Ends the running slice after the present instruction; false when none is running. */
  interruptSlice(): boolean {
    this.#current?.requestStop();
    return this.#current !== undefined;
  }
}

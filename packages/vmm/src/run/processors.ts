/** The vCPUs of a machine on one host thread: whose turn it is, which one is running, and how much they have run together. */
import type { ExitReason, Vcpu } from "@paravane/paravirt-ops";

/** vCPUs that take turns. */
export class Processors {
  #vcpus: readonly Vcpu[] = [];
  #turn = 0;
  /** Guest ns that each vCPU was ready to run while another one did. */
  readonly #stolenNs: number[] = [];
  #current: Vcpu | undefined;
  #before = 0;
  #currentStart = 0;

  /** The core exists after the clock that counts its instructions, so vCPUs arrive here. */
  connect(vcpus: readonly Vcpu[]): void {
    this.#vcpus = vcpus;
    this.#stolenNs.splice(0, Infinity, ...vcpus.map(() => 0));
  }

  get count(): number {
    return this.#vcpus.length;
  }

  /** Guest ns that a vCPU was ready to run while another one had its turn. */
  stolenNs(vcpu: number): number {
    return this.#stolenNs[vcpu] ?? 0;
  }

  /** Books a slice of `ran` to those who waited. */
  accountWaiting(ran: Vcpu, sliceNs: number): void {
    for (const vcpu of this.#vcpus) if (vcpu !== ran && isRunnable(vcpu)) this.#stolenNs[vcpu.id]! += sliceNs;
  }

  /** Instructions retired by all vCPUs, exact at any moment. */
  get retired(): number {
    const current = this.#current;
    return current === undefined ? this.#before : this.#before + current.retired - this.#currentStart;
  }

  /** The next vCPU that has something to do, in turn. */
  next(): Vcpu | undefined {
    const count = this.#vcpus.length;
    for (let step = 0; step < count; step++) {
      const index = (this.#turn + step) % count;
      const vcpu = this.#vcpus[index]!;
      if (!isRunnable(vcpu)) continue;
      this.#turn = (index + 1) % count;
      return vcpu;
    }
    return undefined;
  }

  run(vcpu: Vcpu, budget: number): ExitReason {
    this.#currentStart = vcpu.retired;
    this.#current = vcpu;
    try {
      return vcpu.run(budget);
    } finally {
      this.#before += vcpu.retired - this.#currentStart;
      this.#current = undefined;
    }
  }

  /** The vCPU whose `run` is in progress; 0 between slices. */
  get currentId(): number {
    return this.#current?.id ?? 0;
  }

  /**
   * Something was signalled to a vCPU. True when no slice runs, so that a sleeping host must be woken.
   * A sleeper that is woken by another vCPU gets its turn at once: the other one often waits for it.
   */
  signalled(vcpu: Vcpu): boolean {
    if (this.#current === undefined) return true;
    if (this.#current.id !== vcpu.id && vcpu.halted) this.#current.requestStop();
    return false;
  }

  /** Ends the running slice after the present instruction; false when none is running. */
  interruptSlice(): boolean {
    this.#current?.requestStop();
    return this.#current !== undefined;
  }
}

function isRunnable(vcpu: Vcpu): boolean {
  return !vcpu.halted || vcpu.hasWork;
}

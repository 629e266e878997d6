/**
 * A vCPU handle that tells the run loop when something was signalled to it, so that a sleeping machine wakes at once.
 * The board gets these; the loop keeps the core's own.
 */
import type { ExitReason, Vcpu, VcpuRegisters } from "@paravane/paravirt-ops";

/** Passes everything through; signals also call `signalled`. */
export class WakingVcpu implements Vcpu {
  readonly id: number;
  readonly registers: VcpuRegisters;

  constructor(
    private readonly vcpu: Vcpu,
    private readonly signalled: (vcpu: Vcpu) => void,
    /** Starts a vCPU that waits for STARTUP in its own way; false when it has none. */
    private readonly start: (vcpu: Vcpu, vector: number) => boolean = () => false,
  ) {
    this.id = vcpu.id;
    this.registers = vcpu.registers;
  }

  get retired(): number {
    return this.vcpu.retired;
  }

  get fault(): string | undefined {
    return this.vcpu.fault;
  }

  get halted(): boolean {
    return this.vcpu.halted;
  }

  get hasWork(): boolean {
    return this.vcpu.hasWork;
  }

  run(budget: number): ExitReason {
    return this.vcpu.run(budget);
  }

  setInterruptRequest(level: boolean): void {
    this.vcpu.setInterruptRequest(level);
    if (level) this.signalled(this.vcpu);
  }

  raiseNmi(): void {
    this.vcpu.raiseNmi();
    this.signalled(this.vcpu);
  }

  init(): void {
    this.vcpu.init();
    this.signalled(this.vcpu);
  }

  startup(vector: number): void {
    if (!this.vcpu.halted || !this.start(this.vcpu, vector)) this.vcpu.startup(vector);
    this.signalled(this.vcpu);
  }

  reset(): void {
    this.vcpu.reset();
    this.signalled(this.vcpu);
  }

  requestStop(): void {
    this.vcpu.requestStop();
  }
}

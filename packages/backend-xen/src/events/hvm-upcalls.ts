/**
 * How a guest with local APICs is told of its events: by a vector of its choice for each vCPU, which its interrupt controller takes like any
 * other (HVMOP_set_evtchn_upcall_vector), or by one vector for all that nobody has to end (HVM_PARAM_CALLBACK_IRQ of type 2).
 * public/hvm/hvm_op.h, public/hvm/params.h. Left out: callbacks by a wire of the board, which a PVH guest has none of.
 */
import type { Domain } from "../domain/domain.js";
import { runStates, type VirtualCpu } from "../vcpu/virtual-cpu.js";

const MSI_ADDRESS = 0xfee0_0000;
const APIC_EOI = 0xfee0_00b0;
const X2APIC_EOI = 0x80b;
/** Of the callback's parameter: the type in the upper byte, the vector in the lower one. */
const CALLBACK_TYPE_VECTOR = 2n;

/** The upcalls of one domain. */
export class HvmUpcalls {
  /** By vCPU; 0 for none. */
  readonly #own: number[] = [];
  #common = 0;
  readonly #asleep = new Set<number>();

  constructor(private readonly domain: Domain) {}

  /** HVMOP_set_evtchn_upcall_vector. What is pending already is told. */
  setVector(vcpu: VirtualCpu, vector: number): void {
    this.#own[vcpu.id] = vector;
    this.recheck(vcpu);
  }

  /** HVM_PARAM_CALLBACK_IRQ. True when the vector needs no end of interrupt, so that interrupts are to be seen as they are delivered. */
  setCallback(value: bigint): boolean {
    this.#common = value >> 56n === CALLBACK_TYPE_VECTOR ? Number(value & 0xffn) : 0;
    for (const vcpu of this.domain.vcpus) this.recheck(vcpu);
    return this.#common !== 0;
  }

  /** It waits for an interrupt in HLT: its time is idle time until something comes, or until it is seen to run. */
  sleeps({ id }: VirtualCpu): void {
    this.#asleep.add(id);
    this.domain.runstates[id]!.enter(runStates.blocked);
  }

  /** It runs. */
  runs({ id }: VirtualCpu): void {
    if (this.#asleep.delete(id)) this.domain.runstates[id]!.enter(runStates.running);
  }

  /** Something is pending for the vCPU. */
  raise(vcpu: VirtualCpu): void {
    const { id } = vcpu;
    this.runs(vcpu);
    const vector = this.#own[id] || this.#common;
    if (vector !== 0) this.domain.environment.board.msi.send(MSI_ADDRESS + id * 0x1000, vector);
  }

  /** A vCPU that comes by and has not seen its events is told once more: its controller may have been off when they came. */
  recheck(vcpu: VirtualCpu): void {
    if (vcpu.info.pending) this.raise(vcpu);
  }

  /** An interrupt enters the guest: one that nobody will end is over at once. */
  delivered({ id }: VirtualCpu, vector: number): void {
    if (vector !== this.#common || this.#own[id]) return;
    const { board, mmio } = this.domain.environment;
    if (!board.msrs.msrWrite(id, X2APIC_EOI, 0n)) mmio.write(APIC_EOI, 4, 0);
  }
}

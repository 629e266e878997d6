/**
 * Where the guest's kernel runs, as far as calls depend on it: at CPL 0 the processor's own registers are the guest's; at CPL 1 shadows stand
 * between them (deprivileged.ts).
 */
import type {
  DeliveryAnswer,
  DeliveryEvent,
  GuestFault,
  InterceptAnswer,
  InterceptedInstruction,
  ParavirtOps,
  TableOperand,
  Vcpu,
} from "@paravane/paravirt-ops";
import type { StartImage } from "../calls/processors.js";
import type { CallAnswer, CallHandlers } from "../calls/rom-call.js";

/** An operation's answer without a result. */
export type Done = ReturnType<ParavirtOps["cpu"]["clts"]["run"]>;

/** A kernel at its level. */
export interface Kernel {
  /** Calls that are code in the ROM where that is possible, for where it is not. */
  readonly calls: CallHandlers;
  /** VMI_Init, or the first call of a vCPU that was started in real-address mode: from now on the kernel runs at its level. */
  enter(vcpu: Vcpu): CallAnswer;
  /** A vCPU that waits for STARTUP gets its registers. */
  start(vcpu: Vcpu, image: StartImage): Done;
  writeMsr(vcpu: Vcpu, index: number, value: bigint): Done;
  loadGdt(vcpu: Vcpu, table: TableOperand): Done;
  storeGdt(vcpu: Vcpu): TableOperand | GuestFault;
  loadIdt(vcpu: Vcpu, table: TableOperand): Done;
  storeIdt(vcpu: Vcpu): TableOperand | GuestFault;
  loadLdt(vcpu: Vcpu, selector: number): Done;
  loadTr(vcpu: Vcpu, selector: number): Done;
  writeGdtEntry(vcpu: Vcpu, table: bigint, index: number, descriptor: bigint): Done;
  writeLdtEntry(vcpu: Vcpu, table: bigint, index: number, descriptor: bigint): Done;
  loadStack(vcpu: Vcpu, selector: number, pointer: number): Done;
  /** `iopl` is 0 to 3. */
  setIopl(vcpu: Vcpu, iopl: number): Done;
  /** An instruction of the kernel's or of user code that is not a ROM call. */
  intercept(vcpu: Vcpu, intercepted: InterceptedInstruction): InterceptAnswer;
  /** An exception or interrupt that comes to the backend. */
  deliver(vcpu: Vcpu, event: DeliveryEvent): DeliveryAnswer;
}

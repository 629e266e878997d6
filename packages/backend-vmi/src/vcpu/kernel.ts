/**
 * Where the guest's kernel runs, as far as calls depend on it: at CPL 0 the processor's own registers are the guest's; at CPL 1 shadows stand
 * between them (deprivileged.ts).
 */
import type {
  BackendEnvironment,
  DeliveryAnswer,
  DeliveryEvent,
  GuestFault,
  HypervisorHandle,
  InterceptAnswer,
  InterceptedInstruction,
  ParavirtOps,
  ProtectedStore,
  StoreAnswer,
  TableOperand,
  Vcpu,
} from "@paravane/paravirt-ops";
import type { StartImage } from "../calls/processors.js";
import type { CallAnswer, CallHandlers } from "../calls/rom-call.js";

/** An operation's answer without a result. */
export type Done = ReturnType<ParavirtOps["cpu"]["clts"]["run"]>;

/** What a kernel at any level is made of. */
export interface KernelParts {
  readonly environment: BackendEnvironment;
  readonly hypervisor: HypervisorHandle;
  readonly under: ParavirtOps;
  /** How far the instruction at RIP is from the end of a return in the ROM. */
  readonly returningAt: (vcpu: Vcpu) => "restore" | "drop" | "iret" | undefined;
  /** The guest was told to call IRET, so that the place of the call is known. */
  readonly returnIsCalled: boolean;
}

/** A kernel at its level. */
export interface Kernel {
  /** Calls that are code in the ROM where that is possible, for where it is not. */
  readonly calls: CallHandlers;
  /** VMI_Init, or the first call of a vCPU that was started in real-address mode: from now on the kernel runs at its level. */
  enter(vcpu: Vcpu): CallAnswer;
  /** INIT has put the vCPU back to CPL 0 and real-address mode. */
  leave(vcpu: Vcpu): void;
  /** A vCPU that waits for STARTUP gets its registers. */
  start(vcpu: Vcpu, image: StartImage): Done;
  writeMsr(vcpu: Vcpu, index: number, value: bigint): Done;
  loadGdt(vcpu: Vcpu, table: TableOperand): Done;
  storeGdt(vcpu: Vcpu): TableOperand | GuestFault;
  loadIdt(vcpu: Vcpu, table: TableOperand): Done;
  storeIdt(vcpu: Vcpu): TableOperand | GuestFault;
  loadLdt(vcpu: Vcpu, selector: number): Done;
  loadTr(vcpu: Vcpu, selector: number): Done;
  loadStack(vcpu: Vcpu, selector: number, pointer: number): Done;
  /** `iopl` is 0 to 3. */
  setIopl(vcpu: Vcpu, iopl: number): Done;
  /** An instruction of the kernel's or of user code that is not a ROM call. */
  intercept(vcpu: Vcpu, intercepted: InterceptedInstruction): InterceptAnswer;
  /** A store to memory in which descriptor tables lie. */
  store(store: ProtectedStore): StoreAnswer;
  /** A call has stored to guest memory: descriptor tables may lie there. */
  stored(physical: number, bytes: number): void;
  /** An exception or interrupt that comes to the backend. */
  deliver(vcpu: Vcpu, event: DeliveryEvent): DeliveryAnswer;
}

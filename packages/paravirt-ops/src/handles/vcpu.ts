/** The handle on one virtual CPU that a core lends to the machine monitor, to devices with local interrupts, and to backends. */

/** Why `run` returned. */
export type ExitReason =
  | "budget" // the instruction budget is used up
  | "halted" // HLT with nothing pending: sleep until an interrupt
  | "yield" // PAUSE, or another reason to let a sibling vCPU run
  | "shutdown" // triple fault
  | "stopped" // requestStop() was called from within (a device, a tap)
  | "unmodelled"; // something this core does not implement; `fault` names it

/** General registers in encoding order (SDM Vol. 2A Table 2-2). */
export type GeneralRegister =
  | "rax"
  | "rcx"
  | "rdx"
  | "rbx"
  | "rsp"
  | "rbp"
  | "rsi"
  | "rdi"
  | "r8"
  | "r9"
  | "r10"
  | "r11"
  | "r12"
  | "r13"
  | "r14"
  | "r15";
export type SegmentName = "es" | "cs" | "ss" | "ds" | "fs" | "gs" | "ldtr" | "tr";
export type ControlRegister = "cr0" | "cr2" | "cr3" | "cr4" | "cr8" | "efer" | "xcr0";

/** A segment register with its hidden part. `access` is bytes 5 and 6 of the descriptor: type, S, DPL, P in bits 0-7; AVL, L, D/B, G in bits 12-15. */
export interface SegmentCache {
  selector: number;
  base: bigint;
  /** Last valid offset, byte granular. */
  limit: number;
  access: number;
}
/** GDTR or IDTR. */
export interface TableRegister {
  base: bigint;
  limit: number;
}

/** Cold access to architectural state, exact at every return of `run`. 64-bit values are bigints. */
export interface VcpuRegisters {
  get(name: GeneralRegister | "rip" | "rflags" | ControlRegister): bigint;
  set(name: GeneralRegister | "rip" | "rflags" | ControlRegister, value: bigint): void;
  segment(name: SegmentName): SegmentCache;
  setSegment(name: SegmentName, value: SegmentCache): void;
  table(name: "gdtr" | "idtr"): TableRegister;
  setTable(name: "gdtr" | "idtr", value: TableRegister): void;
  msr(index: number): bigint | undefined;
  setMsr(index: number, value: bigint): boolean;
}

export interface Vcpu {
  readonly id: number;
  readonly registers: VcpuRegisters;
  /** Instructions retired since reset. */
  readonly retired: number;
  /** Runs at most `budget` instructions (exactly that many unless another reason comes first). */
  run(budget: number): ExitReason;
  /** What "unmodelled" or "shutdown" was about, in words. */
  readonly fault: string | undefined;
  /** True between HLT (or INIT on a secondary vCPU) and the event that wakes it. */
  readonly halted: boolean;
  /** True when an interrupt, NMI, INIT or SIPI would be taken now. */
  readonly hasWork: boolean;
  /** Level of the INTR pin: the local interrupt controller has something to deliver. */
  setInterruptRequest(level: boolean): void;
  /** Latches an NMI. */
  raiseNmi(): void;
  /** INIT IPI: reset state, then wait for startup (SDM Vol. 3A §9.4). */
  init(): void;
  /** STARTUP IPI: starts a waiting vCPU at vector << 12 in real mode. */
  startup(vector: number): void;
  /** Power-on state; the boot processor then starts at the reset vector, others wait for startup. */
  reset(): void;
  /** Ends `run` after the present instruction. */
  requestStop(): void;
}

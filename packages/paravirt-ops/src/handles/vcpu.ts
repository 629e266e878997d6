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
export const generalRegisters = [
  "rax",
  "rcx",
  "rdx",
  "rbx",
  "rsp",
  "rbp",
  "rsi",
  "rdi",
  "r8",
  "r9",
  "r10",
  "r11",
  "r12",
  "r13",
  "r14",
  "r15",
] as const;
/** A general register by its name in 64-bit code. */
export type GeneralRegister = (typeof generalRegisters)[number];
/** Segment registers, LDTR and TR included. */
export type SegmentName = "es" | "cs" | "ss" | "ds" | "fs" | "gs" | "ldtr" | "tr";
/** Control registers, with EFER and XCR0 beside them. */
export type ControlRegister = "cr0" | "cr2" | "cr3" | "cr4" | "cr8" | "efer" | "xcr0";

/** Debug registers; DR4 and DR5 are names of DR6 and DR7. */
export type DebugRegister = "dr0" | "dr1" | "dr2" | "dr3" | "dr6" | "dr7";

/** A segment register with its hidden part. `access` is bytes 5 and 6 of the descriptor: type, S, DPL, P in bits 0-7; AVL, L, D/B, G in bits 12-15. */
export interface SegmentCache {
  /** The visible part. */
  selector: number;
  /** Linear address of offset 0. */
  base: bigint;
  /** Last valid offset, byte granular. */
  limit: number;
  /** Descriptor bytes 5 and 6. */
  access: number;
}
/** GDTR or IDTR. */
export interface TableRegister {
  /** Linear address. */
  base: bigint;
  /** Last valid offset. */
  limit: number;
}

/** Cold access to architectural state, exact at every return of `run`. 64-bit values are bigints. */
export interface VcpuRegisters {
  /**
   * Live: the general registers in encoding order, for whoever answers calls by the hundred thousand. In halves, low one first, they are
   * `new Uint32Array(general.buffer, general.byteOffset, 32)`.
   */
  readonly general: BigUint64Array;
  /** Unsigned 64 bits. */
  get(name: GeneralRegister | "rip" | "rflags" | ControlRegister | DebugRegister): bigint;
  /** Stores what fits; mode changes take effect at the next `run`. */
  set(name: GeneralRegister | "rip" | "rflags" | ControlRegister | DebugRegister, value: bigint): void;
  /** RFLAGS, whose upper half is zero, as a number. */
  flags(): number;
  /** Loads RFLAGS as `set` does. */
  setFlags(value: number): void;
  /** A copy. */
  segment(name: SegmentName): SegmentCache;
  /** The visible part alone. */
  selector(name: SegmentName): number;
  /** Loads all parts as given, without checks. */
  setSegment(name: SegmentName, value: SegmentCache): void;
  /** A copy. */
  table(name: "gdtr" | "idtr"): TableRegister;
  /** Loads the register. */
  setTable(name: "gdtr" | "idtr", value: TableRegister): void;
  /** x87, MMX and SSE state: a copy, 512 bytes as FXSAVE64 lays them out (SDM Vol. 1 §10.5.1). Bytes 416 to 511 are zero. */
  fxState(): Uint8Array;
  /** Loads such an image without checks; reserved bits of MXCSR are dropped. */
  setFxState(image: Uint8Array): void;
  /** Undefined for a register that does not exist. */
  msr(index: number): bigint | undefined;
  /** False for a register or a value that does not exist. */
  setMsr(index: number, value: bigint): boolean;
}

/** One virtual CPU. */
export interface Vcpu {
  /** Number from 0; also its local APIC's identifier. */
  readonly id: number;
  /** Architectural state. */
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

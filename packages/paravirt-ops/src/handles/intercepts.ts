/**
 * Which instructions and events of a guest come to its backend instead of having their architectural effect. The set in force is part of
 * the key under which a core caches code, so one that nobody uses costs nothing.
 */
import type { GuestFault } from "../ops/operation.js";
import type { AccessSize, Port, Vector } from "../units.js";
import type { ControlRegister } from "./vcpu.js";

/**
 * Instructions that can be intercepted: the privileged ones, those that depend on IOPL, and the sensitive ones that do not trap by
 * themselves (SDM Vol. 3A §5.9, §18.5; Popek and Goldberg's condition fails for PUSHF to LSL).
 */
export type InterceptableInstruction =
  | "mov-from-cr"
  | "mov-to-cr"
  | "clts"
  | "lmsw"
  | "mov-from-dr"
  | "mov-to-dr"
  | "lgdt"
  | "lidt"
  | "lldt"
  | "ltr"
  | "sgdt"
  | "sidt"
  | "sldt"
  | "str"
  | "smsw"
  | "lar"
  | "lsl"
  | "verr"
  | "verw"
  | "pushf"
  | "popf"
  | "cli"
  | "sti"
  | "iret"
  | "hlt"
  | "pause"
  | "monitor"
  | "mwait"
  | "invlpg"
  | "invpcid"
  | "invd"
  | "wbinvd"
  | "rdmsr"
  | "wrmsr"
  | "rdtsc"
  | "rdtscp"
  | "rdpmc"
  | "cpuid"
  | "xsetbv"
  | "swapgs"
  | "in"
  | "out"
  | "ins"
  | "outs"
  | "syscall"
  | "sysret"
  | "sysenter"
  | "sysexit"
  | "int"
  | "int3"
  | "into"
  | "vmcall"
  | "vmmcall"
  | "ud2";

/** 0 to 3. For a guest whose privilege is virtual (Xen PV64: kernel and user both at CPL 3) it is the backend's level, not the CPL. */
export type PrivilegeLevel = 0 | 1 | 2 | 3;

/** What comes to the backend at one privilege level. */
export interface InterceptSet {
  /** Instructions that come to the intercept handler. */
  readonly instructions: readonly InterceptableInstruction[];
  /** Exceptions and software interrupts (INT n) that come to `delivery`, by vector; all others are delivered architecturally. */
  readonly exceptions: readonly Vector[];
  /** True: external interrupts and NMIs come to `delivery`. */
  readonly interrupts: boolean;
}

/** Nothing intercepted: the bare machine. */
export const noIntercepts: InterceptSet = Object.freeze({ instructions: [], exceptions: [], interrupts: false });

/** An intercepted instruction, decoded. RIP is still at its first byte; nothing has been changed. */
export interface InterceptedInstruction {
  /** Which one. */
  readonly instruction: InterceptableInstruction;
  /** Bytes. */
  readonly length: number;
  /** Operand size in bits: 16, 32 or 64. */
  readonly bits: 16 | 32 | 64;
  /** Where it was executed. */
  readonly level: PrivilegeLevel;
  /** mov-from-cr, mov-to-cr. */
  readonly control?: ControlRegister;
  /** Number of a debug register, an MSR, a counter or an extended control register, or the vector of INT n. */
  readonly index?: number;
  /**
   * The source operand: a register's or immediate's value, EDX:EAX of wrmsr and xsetbv, the selector or word in memory, or the linear address of
   * invlpg, of table loads and stores, and of where sldt, str and smsw store when there is no `destination`.
   */
  readonly operand?: bigint;
  /** General register that takes the result, in encoding order. */
  readonly destination?: number;
  /** IN, OUT, INS, OUTS. */
  readonly port?: Port;
  /** Bytes of the port access. */
  readonly size?: AccessSize;
}

/**
 * What becomes of an intercepted instruction: its architectural effect; nothing more, go on after it; nothing more, go on at RIP as the
 * backend set it; or a fault, with RIP at the instruction unless the backend moved it.
 */
export type InterceptAnswer = "architectural" | "next" | "resume" | GuestFault;

/** Answers intercepted instructions. Never throws because of what a guest did. */
export type InterceptHandler = (vcpu: number, intercepted: InterceptedInstruction) => InterceptAnswer;

/**
 * The words that the common cases of system instructions are written with, beyond those of Sem. What is not common (other stacks, virtual-8086
 * mode, traps, missing privilege) is the engine function's that the instruction names; both tiers turn to it wherever a text says `rare`.
 */
import type { FlagEffect, Sem } from "./sem.js";

/** EFLAGS without the six status flags, the CPL, selectors, and two bases. */
export type SystemField = "EFLAGS" | "CPL" | "ES" | "CS" | "SS" | "DS" | "FS" | "GS" | "GS_BASE" | "KERNEL_GS_BASE";

export interface SystemSem<V> extends Sem<V> {
  /** A field of the vCPU, zero-extended. */
  state(field: SystemField): V;
  setState(field: "EFLAGS" | "GS_BASE" | "KERNEL_GS_BASE", value: V): void;
  /** Leaves the whole instruction to the engine's function when `condition` is not zero; nothing may have been written before. */
  rare(condition: V): void;
  /** 1 when the next instruction may not run before the run loop has looked at something: an interrupt, a request, the budget's end. */
  waiting(): V;
  /** What lies on top of the stack, as wide as the stack. */
  top(): V;
  /** Takes it off. */
  drop(): void;
  push(value: V): void;
}

/** The common case of an outlined instruction. */
export interface CommonCase {
  /** It is about a flat stack outside virtual-8086 mode, with operands as wide as that. */
  readonly stack: boolean;
  readonly meaning: <V>(b: SystemSem<V>) => FlagEffect<V> | undefined;
}

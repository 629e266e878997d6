/**
 * How an instruction is written down: its encodings in the SDM's notation, and either its meaning in the Sem vocabulary (`family`) or in that
 * of vectors (`vector`), or the name of the engine function that carries it out (`outlined`), or the kind of near branch it is (`branch`).
 */
import type { Effect, Sem, Width } from "./sem.js";
import type { CommonCase } from "./system-sem.js";
import type { VectorEffect, VectorSem } from "./vector-sem.js";

/** Pattern ("NP 0F 58 /r") and operands in Appendix A codes ("Vx,Wx"). */
export type EncodingSpec = readonly [pattern: string, operands?: string];

/**
 * How an outlined function is called. "sys": fn(cpu, u), all state in memory, may change anything, ends its block ("sysMem": with a memory
 * operand). "stay": likewise, but the block goes on behind it: it does not branch, and where mode, mapping or code may have changed, or
 * the run loop has something to do, it sets RESTART. The others get pointers to their operands.
 */
export type OutlinedKind = "sys" | "sysMem" | "stay" | "vec" | "vecStore" | "fpu" | "fpuLoad" | "fpuStore" | "modify";
export type BranchKind = "jmp" | "jcc" | "call" | "jmpIndirect" | "callIndirect" | "ret" | "retImm" | "loop" | "loope" | "loopne" | "jcxz";

export interface EntryOptions {
  /** CPUID feature without which the encoding is #UD. */
  feature?: string;
  /** An outlined function reads or writes the status flags. */
  flags?: boolean;
  /** General registers that an outlined function (but "sys") reads or writes though they are no operands. */
  general?: readonly number[];
  /** A "stay" function may change which translations are in force (EFLAGS.AC) without RESTART. */
  translations?: boolean;
  /** What a "stay" function mostly does, in words: both tiers do that themselves, and call the function for the rest. */
  common?: CommonCase;
  /** A "stay" function loads this segment register from the stack, or the one of ModRM.reg from its operand: translations try `loadPlainly`. */
  loads?: number | "reg";
  /** LOCK is allowed with a memory destination. */
  lock?: boolean;
  /** An x87 control instruction: no check for pending exceptions. */
  control?: boolean;
  /** Memory operands must be aligned to their size (#GP otherwise). Implied by Wx. */
  aligned?: boolean;
  /** The unit whose availability (CR0.EM, CR0.TS, CR4.OSFXSR) gates it, where the operands do not tell. */
  unit?: "sse" | "mmx";
}

interface EntryBase {
  readonly mnemonic: string;
  readonly encodings: readonly EncodingSpec[];
  readonly options: EntryOptions;
}
/** Role of an operand: read, written, both, or only its address is used. */
export type Role = "r" | "w" | "rw" | "a";
export interface FamilyEntry extends EntryBase {
  readonly type: "family";
  readonly roles: readonly Role[];
  /** `ops[i]` is operand i's value (its address for role "a"; undefined for role "w"); `bits` the width of operand 0. */
  readonly meaning: <V>(b: Sem<V>, ops: V[], bits: Width, widths: readonly Width[]) => Effect<V>;
}
/** An instruction on XMM registers; operands of file "xmm" are vectors (memory narrower than 16 bytes: zeroes above), others integers. */
export interface VectorEntry extends EntryBase {
  readonly type: "vector";
  /** Entries of the same name mean the same; handlers are shared by it. */
  readonly name: string;
  readonly roles: readonly Role[];
  /** `ops[i]` is operand i's value, an immediate zero-extended; undefined for role "w". */
  readonly meaning: <V>(b: VectorSem<V>, ops: V[]) => VectorEffect<V>;
  /** The engine function (of kind "vec") for what the meaning does not cover. */
  readonly exact: string | undefined;
}
export interface OutlinedEntry extends EntryBase {
  readonly type: "outlined";
  readonly kind: OutlinedKind;
  readonly fn: string;
}
export interface BranchEntry extends EntryBase {
  readonly type: "branch";
  readonly kind: BranchKind;
  readonly condition: number;
}
/** Pushes and pops of one operand on a flat 32- or 64-bit stack; other stacks take the `slow` engine function. */
export interface StackEntry extends EntryBase {
  readonly type: "stack";
  readonly kind: "push" | "pop" | "leave";
  readonly slow: string;
}
export type Entry = FamilyEntry | VectorEntry | OutlinedEntry | BranchEntry | StackEntry;

export function family(
  mnemonic: string,
  definition: { encodings: readonly EncodingSpec[]; roles: string; meaning: FamilyEntry["meaning"] } & EntryOptions,
): FamilyEntry {
  const { encodings, roles, meaning, ...options } = definition;
  return { type: "family", mnemonic, encodings, roles: roles === "" ? [] : (roles.split(",") as Role[]), meaning, options };
}

export function vector(
  mnemonic: string,
  name: string,
  encodings: readonly EncodingSpec[],
  roles: string,
  meaning: VectorEntry["meaning"],
  { exact, ...options }: EntryOptions & { exact?: string } = {},
): VectorEntry {
  return { type: "vector", mnemonic, name, encodings, roles: roles.split(",") as Role[], meaning, exact, options };
}

export function outlined(
  mnemonic: string,
  kind: OutlinedKind,
  fn: string,
  encodings: readonly EncodingSpec[],
  options: EntryOptions = {},
): OutlinedEntry {
  return { type: "outlined", mnemonic, kind, fn, encodings, options };
}

export function branch(mnemonic: string, kind: BranchKind, encodings: readonly EncodingSpec[], condition = 0): BranchEntry {
  return { type: "branch", mnemonic, kind, condition, encodings, options: {} };
}

export function stack(mnemonic: string, kind: StackEntry["kind"], slow: string, encodings: readonly EncodingSpec[]): StackEntry {
  return { type: "stack", mnemonic, kind, slow, encodings, options: {} };
}

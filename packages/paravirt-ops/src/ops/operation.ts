/**
 * What an operation is: a verb that a guest kernel would know, a function that answers it, and an inline form, which lets a core leave the
 * function out. Inline forms are data from a closed list, so that no code and no core vocabulary crosses a package.
 */
import type { Vcpu } from "../handles/vcpu.js";
import type { Vector } from "../units.js";

/** The answer "this raises an exception in the guest". `address` goes to CR2 for #PF. */
export interface GuestFault {
  /** Vector, 0 to 31. */
  readonly fault: Vector;
  /** For the vectors that push one. */
  readonly errorCode?: number;
  /** For #PF: what CR2 gets. */
  readonly address?: bigint;
}

/** #UD: the operation does not exist in this guest ABI. */
export const undefinedOpcode: GuestFault = Object.freeze({ fault: 6 });
/** #NM: the FPU is switched away. */
export const deviceNotAvailable: GuestFault = Object.freeze({ fault: 7 });
/** #GP(0): the guest may not do this. */
export const generalProtection: GuestFault = Object.freeze({ fault: 13, errorCode: 0 });

/** True when an operation's answer is a fault for the guest. */
export function isGuestFault(answer: unknown): answer is GuestFault {
  return typeof answer === "object" && answer !== null && "fault" in answer;
}

/** A field of a record that backend and guest share: a per-vCPU page, or a machine-wide one. `offset` in bytes. */
export interface FieldReference {
  /** Name under which the backend registered the record (`HypervisorFrames.record`). */
  readonly record: string;
  /** Bytes from the record's start. */
  readonly offset: number;
  /** Width of the field. */
  readonly bits: 8 | 16 | 32 | 64;
}

/** How a field's value is read: as it is, as EFLAGS.IF (bit 9) when non-zero, or as EFLAGS.IF when zero. */
export type FieldMeaning = "value" | "interrupt-flag" | "interrupt-mask";

/** What a core may do instead of calling an operation's function. */
export type InlineForm =
  /** The core's own semantics: exactly what the instruction does on the bare machine. */
  | { readonly kind: "architectural" }
  /** Leave the compiled code and call `run`. */
  | { readonly kind: "exit" }
  /** Nothing. */
  | { readonly kind: "nop" }
  /** Raise a fault. */
  | { readonly kind: "fault"; readonly fault: GuestFault }
  /** The result is a field. */
  | { readonly kind: "load-field"; readonly field: FieldReference; readonly meaning: FieldMeaning }
  /**
   * Store a constant, as it is, or the operand, as `meaning` says, to a field; then, when `unlessZero` is not zero, also call `run`.
   */
  | {
      readonly kind: "store-field";
      readonly field: FieldReference;
      readonly value: number | "operand";
      readonly meaning: FieldMeaning;
      readonly unlessZero?: FieldReference;
    };

/** One filled slot of the table of operations. */
export interface Operation<Args extends readonly unknown[] = readonly never[], Result = unknown> {
  /** What a core may do instead. */
  readonly inline: InlineForm;
  /** Answers the guest's request. Never throws because of what a guest asked. */
  run(vcpu: Vcpu, ...args: Args): Result | GuestFault;
}

/** Key under which a row carries its signature for the compiler. */
declare const signature: unique symbol;

/** One row of the contract: where an operation comes from and what it promises. The type parameters are its signature. */
export interface OperationSpec<Args extends readonly unknown[] = readonly unknown[], Result = unknown> {
  /** Its name in Linux's tables, with the versions where it is not in both 2.6.32 and 6.1. */
  readonly origin: string;
  /** What holds when it has returned without a fault. */
  readonly holds: string;
  /** What it is in a backend that does not name it, for operations that came with a minor version; the others every backend must name. */
  readonly unanswered?: Operation;
  /** Carries the types; never there. */
  readonly [signature]?: (...args: Args) => Result;
}

/** The record of filled slots that a table of specifications asks for. Every slot must be named. */
export type SlotsOf<Specs> = {
  readonly [Name in keyof Specs]: Specs[Name] extends OperationSpec<infer Args, infer Result> ? Operation<Args, Result> : never;
};

/** Writes a row of the contract; `unanswered` for one that comes with a minor version. */
export function operation<Args extends readonly unknown[] = [], Result = void>(
  origin: string,
  holds: string,
  unanswered?: Operation,
): OperationSpec<Args, Result> {
  return { origin, holds, ...(unanswered === undefined ? {} : { unanswered }) };
}

/** A slot that the core answers by itself; `run` does the same through the core's handles, for layers above. */
export function architectural<Args extends readonly unknown[], Result>(
  run: (vcpu: Vcpu, ...args: Args) => Result | GuestFault,
): Operation<Args, Result> {
  return { inline: { kind: "architectural" }, run };
}

/** A slot whose function is called. */
export function exit<Args extends readonly unknown[], Result>(
  run: (vcpu: Vcpu, ...args: Args) => Result | GuestFault,
): Operation<Args, Result> {
  return { inline: { kind: "exit" }, run };
}

/** A slot at which this backend has nothing to do. */
export const nop: Operation<readonly unknown[], void> = Object.freeze({ inline: { kind: "nop" } as const, run: () => {} });

/** A slot that raises a fault: the operation is not in this backend's ABI. */
export function faulting<Result>(fault: GuestFault): Operation<readonly unknown[], Result> {
  return { inline: { kind: "fault", fault }, run: () => fault };
}

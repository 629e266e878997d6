/** Carries out one `family` instruction on given operand values: the oracle that tests hold the generated interpreter against. */
import type { FamilyEntry } from "../isa/define.js";
import type { Flag, Width } from "../isa/sem.js";
import { BigintSem, Raised, type State } from "./bigint-sem.js";
import { applyFlags } from "./flags.js";

export interface Evaluation {
  /** Values for the written operands, at their widths; no entry where nothing is written. */
  readonly out: ReadonlyMap<number, bigint>;
  /** A register destination stays as it was, upper half included; memory is written in any case. */
  readonly keepsRegister: boolean;
  /** Registers (without the operands' own writes) and flags afterwards. */
  readonly state: State;
  /** Flags that the outcome depends on. */
  readonly flagsRead: ReadonlySet<Flag>;
  /** The exception that happened instead; nothing is written then. */
  readonly vector: number | undefined;
}

/**
 * @param values - by operand; what stands where an operand is only written does not matter
 * @param widths - bits of each operand; the first one's is the operation's
 */
export function evaluate(entry: FamilyEntry, values: readonly bigint[], widths: readonly Width[], before: State): Evaluation {
  const state: State = { gpr: [...before.gpr], flags: before.flags };
  const sem = new BigintSem(state);
  const bits = widths[0] ?? 64;
  try {
    const effect = entry.meaning(sem, [...values], bits, widths);
    const out = new Map<number, bigint>();
    for (const [operand, value] of Object.entries(effect.out ?? {}))
      if (value !== undefined) out.set(Number(operand), BigInt.asUintN(widths[Number(operand)]!, value));
    if (effect.flags !== undefined && effect.flagsIf !== 0n) state.flags = applyFlags(before.flags, effect.flags, bits);
    return { out, keepsRegister: effect.writeIf === 0n, state, flagsRead: sem.flagsRead, vector: undefined };
  } catch (error) {
    if (!(error instanceof Raised)) throw error;
    return {
      out: new Map(),
      keepsRegister: true,
      state: { gpr: [...before.gpr], flags: before.flags },
      flagsRead: sem.flagsRead,
      vector: error.vector,
    };
  }
}

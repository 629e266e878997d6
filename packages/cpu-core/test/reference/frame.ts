/** What surrounds an instruction's meaning, for the evaluator: where operands come from and go to, by the manual's rules on registers. */
import type { TableRow } from "../../src/interp/handlers.js";
import { widthOf } from "../../src/interp/handlers.js";
import type { FamilyEntry } from "../../src/isa/define.js";
import type { Width } from "../../src/isa/sem.js";
import { merge, type State } from "../../src/reference/bigint-sem.js";
import { type Evaluation, evaluate } from "../../src/reference/evaluator.js";
import type { Form } from "./assemble.js";

/** A place that an operand names. */
export type Location =
  | { kind: "gpr"; register: number; high: boolean }
  | { kind: "memory" }
  | { kind: "address" }
  | { kind: "constant"; value: bigint };

export interface Placed {
  readonly location: Location;
  readonly width: Width;
}

/** Operands of a row under a form, in order. */
export function place(row: TableRow, form: Form): Placed[] {
  let nth = 0;
  const first = row.operands[0];
  return row.operands.map((operand, index): Placed => {
    const width = widthOf(operand, form.opsize) as Width;
    const gpr = (register: number): Placed => {
      const high = width === 8 && operand.place !== "fixed" && !form.rex && form.opsize !== 64 && register >= 4 && register < 8;
      return { width, location: { kind: "gpr", register: high ? register - 4 : register, high } };
    };
    switch (operand.place) {
      case "rm":
        if (form.memory === undefined) return gpr(form.rm);
        return { width, location: { kind: operand.width === "a" ? "address" : "memory" } };
      case "offset":
        return { width, location: { kind: "memory" } };
      case "reg":
        return gpr(form.reg);
      case "opcode":
        return gpr(form.rm);
      case "vex":
        return gpr(form.vvvv);
      case "fixed":
        return gpr(operand.register);
      case "one":
        return { width, location: { kind: "constant", value: 1n } };
      case "imm": {
        const given = form.immediates[nth++] ?? 0n;
        // A sign-extended immediate (Ibs; Iz of at most 32 bits) is as wide as the first operand.
        const encoded = (operand.width === "z" ? Math.min(form.opsize, 32) : width) as Width;
        const wide = operand.signed && first !== undefined && index > 0 ? (widthOf(first, form.opsize) as Width) : width;
        const value = operand.signed ? BigInt.asUintN(wide, BigInt.asIntN(encoded, given)) : BigInt.asUintN(encoded, given);
        return { width, location: { kind: "constant", value } };
      }
      default:
        throw new Error(`operand at "${operand.place}"`);
    }
  });
}

export interface Machine {
  readonly state: State;
  memory: bigint;
}

/** The machine after the instruction. `memory` is the operand's bytes as a number of its width. */
export function execute(
  entry: FamilyEntry,
  placed: readonly Placed[],
  before: Machine,
  form: Form,
): { after: Machine; evaluation: Evaluation } {
  const values = placed.map(({ location, width }): bigint => {
    if (location.kind === "gpr") return BigInt.asUintN(width, before.state.gpr[location.register]! >> (location.high ? 8n : 0n));
    if (location.kind === "memory") return BigInt.asUintN(width, before.memory);
    return location.kind === "address" ? BigInt(form.memory!) : location.value;
  });
  const widths = placed.map(({ width }) => width);
  const evaluation = evaluate(entry, values, widths, before.state);
  const after: Machine = { state: evaluation.state, memory: before.memory };
  // Last operand first: the destination wins where both are one register.
  for (const [operand, value] of [...evaluation.out].sort(([a], [b]) => b - a)) {
    const { location, width } = placed[operand]!;
    if (location.kind === "memory") after.memory = merge64(before.memory, width, value);
    else if (location.kind === "gpr" && !evaluation.keepsRegister) {
      const old = after.state.gpr[location.register]!;
      after.state.gpr[location.register] = location.high ? (old & ~0xff00n) | (value << 8n) : merge(old, width, value);
    }
  }
  return { after, evaluation };
}

/** Memory outside the operand stays. */
const merge64 = (old: bigint, width: Width, value: bigint): bigint => ((old >> BigInt(width)) << BigInt(width)) | value;

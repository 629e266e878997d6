/**
 * The interpreter's handlers: one for each meaning and operand shape that the decode table can produce. Enumerated in the table's order, so
 * that the generator (build time) and the decoder (run time) number them alike.
 */
import * as L from "../layout.js";
import type { BranchEntry, EncodingSpec, Entry } from "../isa/define.js";
import type { Width } from "../isa/sem.js";
import { classOf, type HandlerClass } from "./tuning.js";
import { type Operand, type Pattern, parseEncoding } from "../decode/pattern.js";

export type OperandSize = 16 | 32 | 64;
/** The stack as the mode key has it: flat 64-bit, flat 32-bit, or anything else (16-bit, segmented), which takes slow functions. */
export type StackKind = "s64" | "s32" | "slow";
export const OPERAND_SIZES: readonly OperandSize[] = [16, 32, 64];
export const STACK_KINDS: readonly StackKind[] = ["s64", "s32", "slow"];

/** An operand as a handler sees it: register slot 0-2, memory, immediate, or nothing to fetch. */
export interface Shape {
  readonly kind: "r" | "m" | "i" | "n";
  readonly bits: number;
  /** Register shapes: U_DST, U_SRC or the low half of U_AUX. */
  readonly slot: number;
  readonly operand: Operand;
}

export interface Handler {
  readonly id: number;
  readonly class: HandlerClass;
  readonly key: string;
  readonly entry: Entry;
  readonly shapes: readonly Shape[];
  /** The operands' widths. */
  readonly widths: readonly Width[];
  /** An operand lies in memory, and more than its address is wanted. */
  readonly accessesMemory: boolean;
  readonly opsize: OperandSize;
  readonly stack: StackKind;
}

/** What the decoder asks of a row's operands. */
export interface OperandPlaces {
  /** Takes bytes of code behind the address. */
  readonly bytes: boolean;
  readonly offset: boolean;
  readonly relative: boolean;
  readonly vex: boolean;
  readonly one: boolean;
  readonly immediate: boolean;
  readonly twoImmediates: boolean;
}

export interface TableRow {
  readonly entry: Entry;
  readonly pattern: Pattern;
  readonly operands: readonly Operand[];
  readonly has: OperandPlaces;
  readonly spec: EncodingSpec;
  /** Handler numbers by handlerIndex(); -1 where the combination does not exist. */
  readonly handlers: Int16Array;
}

/** Handlers without a table entry, in the order of their numbers. */
export const SPECIAL_HANDLERS = ["next", "invalid", "noDevice", "tooLong", "intercept", "inlineForm"] as const;

export function handlerIndex(opsize: OperandSize, memory: boolean, stack: StackKind): number {
  // The places in OPERAND_SIZES and STACK_KINDS.
  return ((opsize >>> 5) * 2 + (memory ? 1 : 0)) * 3 + (stack === "s64" ? 0 : stack === "s32" ? 1 : 2);
}

function placesOf(operands: readonly Operand[]): OperandPlaces {
  const has = (place: Operand["place"]): boolean => operands.some((operand) => operand.place === place);
  const twoImmediates = operands.filter(({ place }) => place === "imm").length > 1;
  const [offset, relative, immediate] = [has("offset"), has("relative"), has("imm")];
  const bytes = offset || relative || immediate || has("far");
  return { bytes, offset, relative, vex: has("vex"), one: has("one"), immediate, twoImmediates };
}

/** Bits of an operand under an operand size. */
export function widthOf(operand: Operand, opsize: OperandSize): number {
  switch (operand.width) {
    case "v":
      return opsize;
    case "z":
      return operand.place === "imm" ? opsize : Math.min(opsize, 32);
    case "y":
      return opsize === 64 ? 64 : 32;
    case "a":
      return 64;
    default:
      return operand.width;
  }
}

export function shapesOf(operands: readonly Operand[], opsize: OperandSize, memory: boolean): Shape[] {
  let slot = 0;
  return operands.map((operand): Shape => {
    const bits = widthOf(operand, opsize);
    switch (operand.place) {
      case "imm":
      case "one":
        return { kind: "i", bits, slot: -1, operand };
      case "offset":
        return { kind: "m", bits, slot: -1, operand };
      case "relative":
      case "far":
      case "sti":
      case "number":
        return { kind: "n", bits, slot: -1, operand };
      case "rm":
        if (memory) return { kind: "m", bits, slot: -1, operand };
    }
    return { kind: "r", bits, slot: slot++, operand };
  });
}

/** Immediates are kept sign-extended to 64 bits; an operation sees them at the width of its first operand. */
export function immediateWidth(handler: Handler, shape: Shape): Width {
  const first = handler.shapes[0];
  return (shape.operand.signed && first !== undefined && first !== shape ? first.bits : Math.max(shape.bits, 8)) as Width;
}

/** Does its handler depend on what kind of stack there is? */
export const isStackUser = (entry: Entry): boolean =>
  entry.type === "stack" || (entry.type === "branch" && ["call", "callIndirect", "ret", "retImm"].includes(entry.kind));
const dependsOnSize = (entry: Entry, operands: readonly Operand[]): boolean =>
  entry.type === "branch" || entry.type === "stack" || operands.some((o) => o.width === "v" || o.width === "y" || o.width === "z");

/** Engine function of a near branch on a stack that is not flat. */
export const slowBranch = (entry: BranchEntry): string => `${entry.kind}Slow`;

function keyOf(entry: Entry, shapes: readonly Shape[], opsize: OperandSize, stack: StackKind): string {
  const shape = shapes
    .map((s) =>
      s.kind === "n"
        ? ""
        : `.${s.kind === "i" ? "i" : s.kind + s.bits}${s.operand.bitString ? "b" : ""}${s.operand.file === "mmx" ? "x" : ""}${s.operand.aligned && s.kind === "m" ? "a" : ""}`,
    )
    .join("");
  switch (entry.type) {
    case "family":
      return `${entry.mnemonic}${shape}`;
    case "vector": {
      const files = shapes.map(({ operand }) => operand.file[0]).join("");
      return `vector:${entry.name}.${files}${shape}${entry.options.aligned ? "!" : ""}`;
    }
    case "outlined":
      return entry.kind === "sys" || entry.kind === "sysMem" || entry.kind === "stay"
        ? `sys:${entry.fn}`
        : `${entry.kind}:${entry.fn}${shape}${entry.options.aligned ? "!" : ""}`;
    case "branch":
      return stack === "slow" && isStackUser(entry)
        ? `sys:${slowBranch(entry)}`
        : `${entry.kind}${entry.kind === "jcc" ? entry.condition : ""}.${opsize}.${stack}${shape}`;
    case "stack":
      return stack === "slow" ? `sys:${entry.slow}` : `${entry.kind}.${opsize}.${stack}${shape}`;
  }
}

const accessesMemory = (entry: Entry, shapes: readonly Shape[]): boolean =>
  shapes.some(({ kind }, i) => kind === "m" && (entry.type !== "family" || (entry.roles[i] !== undefined && entry.roles[i] !== "a")));

/** Parses all entries and numbers their handlers: inline ones first, then cold ones, stay, sys. */
export function buildTable(entries: readonly Entry[]): { rows: TableRow[]; handlers: Handler[] } {
  const byKey = new Map<string, number>();
  const found: Omit<Handler, "id">[] = [];
  const rows: TableRow[] = [];
  for (const entry of entries) {
    for (const spec of entry.encodings) {
      const { pattern, operands } = parseEncoding(spec);
      // Until all are known, handlers are numbered in the order in which they were found.
      const row: TableRow = { entry, pattern, operands, has: placesOf(operands), spec, handlers: new Int16Array(18).fill(-1) };
      const sizes = dependsOnSize(entry, operands) ? OPERAND_SIZES : ([32] as const);
      const hasRm = operands.some((o) => o.place === "rm");
      const forms = !hasRm ? [false] : pattern.mod === "mem" ? [true] : pattern.mod === "reg" ? [false] : [false, true];
      const stacks = isStackUser(entry) ? STACK_KINDS : (["s64"] as const);
      for (const opsize of sizes)
        for (const memory of forms) {
          const shapes = shapesOf(operands, opsize, memory);
          for (const stack of stacks) {
            const key = keyOf(entry, shapes, opsize, stack);
            let number = byKey.get(key);
            if (number === undefined) {
              number = found.length;
              byKey.set(key, number);
              found.push({
                class: classOf(entry, stack === "slow", shapes[0]?.bits ?? 0),
                key,
                entry,
                shapes,
                widths: shapes.map(({ bits }) => bits as Width),
                accessesMemory: accessesMemory(entry, shapes),
                opsize,
                stack,
              });
            }
            for (const s of sizes.length === 1 ? OPERAND_SIZES : [opsize])
              for (const m of hasRm ? [memory] : [false, true])
                for (const k of stacks.length === 1 ? STACK_KINDS : [stack]) row.handlers[handlerIndex(s, m, k)] = number;
          }
        }
      rows.push(row);
    }
  }
  const order: HandlerClass[] = ["inline", "cold", "stay", "sys"];
  const places = order.flatMap((c) => found.flatMap((handler, place) => (handler.class === c ? [place] : [])));
  const ids = new Int16Array(found.length);
  const handlers = places.map((place, i): Handler => {
    ids[place] = SPECIAL_HANDLERS.length + i;
    return { ...found[place]!, id: ids[place]! };
  });
  for (const row of rows) row.handlers.set(row.handlers.map((place) => (place < 0 ? place : ids[place]!)));
  return { rows, handlers };
}

/** A number that changes whenever handlers are renumbered or the layout moves (FNV-1a): engine and decoder must agree on both. */
export function fingerprint(handlers: readonly Handler[]): number {
  let hash = 0x811c9dc5;
  const add = (text: string): void => {
    for (let i = 0; i <= text.length; i++) hash = Math.imul(hash ^ (text.charCodeAt(i) || 0), 0x01000193);
  };
  for (const { key } of handlers) add(key);
  // Sorted, since bundlers order a namespace as they like.
  for (const text of Object.entries(L)
    .map(([name, value]) => `${name}=${value}`)
    .sort())
    add(text);
  return hash >>> 0;
}

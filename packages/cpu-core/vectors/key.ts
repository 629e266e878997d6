/** What a vector case exercises: the row of the decode table that its first instruction takes, and the key by which cases are chosen. */
import { createInstruction, decodeInstruction, type Instruction, OpcodeIndex } from "../src/decode/instruction.js";
import { buildTable, type TableRow } from "../src/interp/handlers.js";
import { instructions } from "../src/isa/index.js";
import type { VectorCase } from "./format.js";

export const rows: readonly TableRow[] = buildTable(instructions).rows;
const index = new OpcodeIndex(rows);
const INT3 = 0xcc;

/** Decodes the first instruction of a case (one object, reused); bytes after the code are INT3, as in the page around it. */
export function decodeCase(test: Pick<VectorCase, "code">, mode: 32 | 64, out: Instruction = createInstruction()): Instruction {
  return decodeInstruction(index, (position) => test.code[position] ?? INT3, mode, out);
}

/** A row by its text: "ADD 00 /r Eb,Gb". */
export function rowName(row: TableRow): string {
  return [row.entry.mnemonic, ...row.spec].join(" ").trimEnd();
}

/** Class, encoding, mode, register or memory form, sizes, repetition and how the case ends. */
export function keyOf(test: VectorCase, mode: 32 | 64, out: Instruction): string {
  const i = decodeCase(test, mode, out);
  const form = i.hasModrm && i.mod !== 3 ? "mem" : "reg";
  const opcode = i.row === undefined ? "invalid" : `${rowName(i.row)}+${i.row.pattern.plusRegister ? i.opcode & 7 : 0}`;
  const prefix = `${i.rep ? "rep" : i.repne ? "repne" : ""}${i.lock ? "lock" : ""}`;
  return [test.className, opcode, mode, form, i.opsize, i.addressSize, prefix, test.exception?.vector ?? "none"].join("|");
}

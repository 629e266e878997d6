/** Bytes of an instruction from a row of the decode table: the table read backwards. */
import type { OperandSize, TableRow } from "../../src/interp/handlers.js";
import { widthOf } from "../../src/interp/handlers.js";
import { MAP_0F, MAP_0F38, MAP_0F3A, MAP_VEX } from "../../src/decode/pattern.js";

export interface Form {
  readonly bits: 32 | 64;
  readonly opsize: OperandSize;
  /** Register numbers of the operands by their place. */
  readonly reg: number;
  readonly rm: number;
  readonly vvvv: number;
  /** Address of the memory operand, which is absolute; undefined for the register form. */
  readonly memory: number | undefined;
  /** An empty REX prefix, so that byte registers 4 to 7 are SPL BPL SIL DIL. */
  readonly rex: boolean;
  readonly immediates: readonly bigint[];
}

const PREFIX = { NP: [], "66": [0x66], F3: [0xf3], F2: [0xf2] } as const;
const littleEndian = (value: bigint, bytes: number): number[] =>
  Array.from({ length: bytes }, (_, i) => Number((value >> BigInt(8 * i)) & 0xffn));

/** Is there an encoding of this row with this operand size and mode? */
export function encodable(row: TableRow, { bits, opsize }: Pick<Form, "bits" | "opsize">): boolean {
  const { prefix, rexW, invalidIn64, only64, map } = row.pattern;
  if (bits === 64 ? invalidIn64 : only64) return false;
  if (opsize === 64 && bits === 32) return false;
  if (rexW !== undefined && rexW !== (opsize === 64)) return false;
  // A VEX encoding has no 66 prefix; an encoding that demands 66 or its absence fixes the size, unless REX.W overrides it.
  if (map >= MAP_VEX || prefix === "NP") return opsize !== 16;
  return prefix !== "66" || opsize !== 32;
}

export function assemble(row: TableRow, form: Form): number[] {
  const { pattern, operands } = row;
  const plus = pattern.plusRegister ? form.rm : 0;
  const tail = [...modrm(row, form), ...immediates(row, form)];
  const rexBits =
    (form.opsize === 64 ? 8 : 0) | (pattern.modrm ? (form.reg & 8) >> 1 : 0) | ((form.memory === undefined || plus ? form.rm : 0) >> 3);
  if (pattern.map >= MAP_VEX) {
    const pp = ["NP", "66", "F3", "F2"].indexOf(pattern.prefix ?? "NP");
    const first = ((~rexBits & 5) << 5) | 0x40 | (pattern.map - MAP_VEX);
    const usesVvvv = operands.some((operand) => operand.place === "vex");
    const second = ((rexBits & 8) << 4) | ((usesVvvv ? ~form.vvvv & 15 : 15) << 3) | pp;
    return [0xc4, first, second, pattern.opcode, ...tail];
  }
  const map = { [MAP_0F]: [0x0f], [MAP_0F38]: [0x0f, 0x38], [MAP_0F3A]: [0x0f, 0x3a] }[pattern.map] ?? [];
  const size = form.opsize === 16 && pattern.prefix !== "66" ? [0x66] : [];
  const rex = form.bits === 64 && (rexBits !== 0 || form.rex) ? [0x40 | rexBits] : [];
  return [...size, ...(pattern.prefix ? PREFIX[pattern.prefix] : []), ...rex, ...map, pattern.opcode | (plus & 7), ...tail];
}

/** ModRM and what follows it; memory is [disp32] with an SIB byte, which means the same in 32- and 64-bit code. */
function modrm({ pattern }: TableRow, form: Form): number[] {
  if (!pattern.modrm) return [];
  const reg = (pattern.group >= 0 ? pattern.group : form.reg & 7) << 3;
  if (form.memory === undefined) return [0xc0 | reg | (form.rm & 7)];
  return [reg | 4, 0x25, ...littleEndian(BigInt(form.memory), 4)];
}

function immediates({ operands }: TableRow, form: Form): number[] {
  let nth = 0;
  return operands.flatMap((operand) => {
    if (operand.place === "offset") return littleEndian(BigInt(form.memory ?? 0), form.bits / 8);
    if (operand.place !== "imm") return [];
    const width = operand.width === "z" ? Math.min(form.opsize, 32) : widthOf(operand, form.opsize);
    return littleEndian(form.immediates[nth++] ?? 0n, width / 8);
  });
}

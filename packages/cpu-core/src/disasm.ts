/**
 * Instructions as text, from the decode table: for tools that show where a processor is. Intel's operand order, the mnemonics of the table;
 * relative targets are absolute. Left out: sizes of memory operands where a register tells them, and aliases (SETZ, JE …).
 */
import { createInstruction, decodeInstruction, type Instruction, OpcodeIndex } from "./decode/instruction.js";
import type { Operand } from "./decode/pattern.js";
import { buildTable, widthOf } from "./interp/handlers.js";
import { instructions } from "./isa/index.js";

/** One instruction, described. */
export interface Disassembled {
  /** Bytes; at least 1. */
  readonly length: number;
  /** Upper case, as the manual names it; "(bad)" for an encoding that does not exist. */
  readonly mnemonic: string;
  /** Prefixes, mnemonic and operands. */
  readonly text: string;
  /** A repeat prefix is there: the instruction may stop between iterations. */
  readonly repeated: boolean;
  /** Bits of the first operand; of the operand size where none tells. */
  readonly bits: number;
  /** The immediate, or undefined when there is none. */
  readonly immediate: number | undefined;
  /** The memory operand's address by its parts, or undefined without one in ModRM. */
  readonly memory: MemoryOperand | undefined;
}

/** base + (index << scale) + displacement in a segment; registers by their numbers. */
export interface MemoryOperand {
  /** 0 to 5 as ES CS SS DS FS GS: the prefix's, or the default that goes with the base. */
  readonly segment: number;
  /** General register, or undefined. RIP-relative operands have none, and the next instruction's address in the displacement. */
  readonly base: number | undefined;
  readonly index: number | undefined;
  readonly scale: number;
  /** To be added and cut to `bits`. */
  readonly displacement: bigint;
  /** Address size. */
  readonly bits: 16 | 32 | 64;
}

const WIDE = ["rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi"];
const NARROW = ["ax", "cx", "dx", "bx", "sp", "bp", "si", "di"];
const BYTES = ["al", "cl", "dl", "bl", "ah", "ch", "dh", "bh"];
const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs", "?", "?"];
const SIZES: Readonly<Record<number, string>> = { 8: "byte", 16: "word", 32: "dword", 64: "qword", 80: "tbyte", 128: "xmmword" };
/** Registers that are neither general nor vectors, by the letter of the operand's code in the manual's Appendix A. */
const FILES: Readonly<Record<string, (number: number) => string>> = {
  S: (number) => SEGMENTS[number & 7]!,
  C: (number) => `cr${number}`,
  D: (number) => `dr${number}`,
};

let index: OpcodeIndex | undefined;

const hex = (value: number | bigint): string => (value < 0 ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`);

/**
 * Describes the instruction at the start of `bytes`, as code of `bits` width at `address` (for targets) would have it.
 * Missing bytes read as zero, so give 15 where there are 15.
 */
export function disassemble(bytes: Uint8Array, bits: 16 | 32 | 64, address = 0n): Disassembled {
  index ??= new OpcodeIndex(buildTable(instructions).rows);
  const out = decodeInstruction(index, (at) => bytes[at] ?? 0, bits, createInstruction());
  const { row } = out;
  if (row === undefined)
    return { length: out.length, mnemonic: "(bad)", text: "(bad)", repeated: false, bits, immediate: undefined, memory: undefined };
  const codes = row.spec[1]?.split(",") ?? [];
  let immediates = 0;
  const operands = row.operands.map((operand, at) => operandText(out, operand, codes[at] ?? "", bits, address, () => immediates++));
  const { mnemonic } = row.entry;
  // MOV to a control or debug register: the table names the general register first in both directions.
  if (mnemonic === "MOV" && row.pattern.map === 1 && (out.opcode & 0xfe) === 0x22) operands.reverse();
  const repeated = (out.rep || out.repne) && row.pattern.prefix === undefined;
  const prefixes = `${out.lock ? "lock " : ""}${repeated ? (out.rep ? "rep " : "repne ") : ""}`;
  const first = row.operands[0];
  const size = first === undefined ? out.opsize : widthOf(first, out.opsize);
  const hasImmediate = row.operands.some(({ place }) => place === "imm" || place === "one");
  return {
    length: out.length,
    mnemonic,
    text: `${prefixes}${mnemonic.toLowerCase()}${operands.length > 0 ? ` ${operands.join(", ")}` : ""}`,
    repeated,
    bits: size,
    immediate: hasImmediate ? (row.operands.some(({ place }) => place === "one") ? 1 : out.immediate) : undefined,
    memory: out.hasModrm && out.mod !== 3 ? memoryOperand(out, address) : undefined,
  };
}

function memoryOperand(out: Instruction, address: bigint): MemoryOperand {
  const relative = out.base === -2;
  const stack = out.base === 4 || out.base === 5;
  return {
    segment: out.segment >= 0 ? out.segment : stack ? 2 : 3,
    base: out.base >= 0 ? out.base : undefined,
    index: out.index >= 0 ? out.index : undefined,
    scale: out.scale,
    displacement: BigInt(out.displacement) + (relative ? address + BigInt(out.length) : 0n),
    bits: out.addressSize,
  };
}

function register(number: number, width: number, rex: number): string {
  if (width === 8) {
    if (number >= 8) return `r${number}b`;
    return rex !== 0 && number >= 4 ? `${NARROW[number]}l` : BYTES[number]!;
  }
  if (number >= 8) return `r${number}${width === 64 ? "" : width === 32 ? "d" : "w"}`;
  return width === 64 ? WIDE[number]! : width === 32 ? `e${NARROW[number]}` : NARROW[number]!;
}

function fileRegister(operand: Operand, number: number, width: number, rex: number): string {
  if (operand.file === "xmm") return `xmm${number}`;
  if (operand.file === "mmx") return `mm${number & 7}`;
  return register(number, width, rex);
}

function operandText(out: Instruction, operand: Operand, code: string, bits: number, address: bigint, nth: () => number): string {
  const width = widthOf(operand, out.opsize);
  switch (operand.place) {
    case "rm":
      if (out.mod === 3) return fileRegister(operand, out.rm, width, out.rex);
      return `${operand.width === "a" ? "" : `${SIZES[width] ?? ""} `}${memoryText(out, bits, address)}`.trim();
    case "reg":
      return fileRegister(operand, out.reg, width, out.rex);
    case "opcode":
      return register((out.opcode & 7) | ((out.rex & 1) << 3), width, out.rex);
    case "vex":
      return fileRegister(operand, out.vvvv, width, out.rex);
    case "fixed":
      return register(operand.register, width, 0);
    case "imm":
      return immediateText(out, width, nth());
    case "one":
      return "1";
    case "offset":
      return `[${segmentText(out)}${hex(BigInt.asUintN(64, (BigInt(out.displacementHigh) << 32n) | BigInt(out.displacement >>> 0)))}]`;
    case "relative":
      return hex(BigInt.asUintN(bits, address + BigInt(out.length + out.immediate)));
    case "far":
      return `${hex(out.immediateHigh)}:${hex(out.immediate >>> 0)}`;
    case "sti":
      return `st(${out.rm & 7})`;
    case "number":
      return FILES[code[0] ?? ""]?.(out.reg) ?? `r${out.reg}`;
  }
}

function immediateText(out: Instruction, width: number, nth: number): string {
  if (nth > 0) return hex(out.immediate2);
  if (width === 64 && out.immediateHigh !== out.immediate >> 31)
    return hex(BigInt.asUintN(64, (BigInt(out.immediateHigh) << 32n) | BigInt(out.immediate >>> 0)));
  return hex(out.immediate);
}

const segmentText = (out: Instruction): string => (out.segment < 0 ? "" : `${SEGMENTS[out.segment]}:`);

function memoryText(out: Instruction, bits: number, address: bigint): string {
  const at = segmentText(out);
  if (out.base === -2) return `[${at}${hex(BigInt.asUintN(bits, address + BigInt(out.length + out.displacement)))}]`;
  const parts: string[] = [];
  if (out.base >= 0) parts.push(register(out.base, out.addressSize, 0));
  if (out.index >= 0) parts.push(register(out.index, out.addressSize, 0) + ["", "*2", "*4", "*8"][out.scale]!);
  if (parts.length === 0) return `[${at}${hex(out.displacement >>> 0)}]`;
  const { displacement } = out;
  if (displacement === 0) return `[${at}${parts.join("+")}]`;
  return `[${at}${parts.join("+")}${displacement < 0 ? "-" : "+"}${hex(Math.abs(displacement))}]`;
}

/**
 * Far calls and jumps, as their bytes have them: what names the selector, and how long they are. SDM Vol. 2A "CALL", "JMP", §2.1.5 "Addressing-
 * mode encoding". Only outside of 64-bit code.
 */
import { generalRegisters, type GeneralRegister, type SegmentName } from "@paravane/paravirt-ops";

/** The longest instruction. */
export const MAX_INSTRUCTION = 15;
const OPERAND_SIZE = 0x66;
const ADDRESS_SIZE = 0x67;
const REPEATS: readonly number[] = [0xf2, 0xf3];
const OVERRIDES: Readonly<Record<number, SegmentName>> = { 38: "es", 46: "cs", 54: "ss", 62: "ds", 100: "fs", 101: "gs" };
const CALL_IMMEDIATE = 0x9a;
const JUMP_IMMEDIATE = 0xea;
const GROUP_5 = 0xff;
/** Registers of 16-bit addressing by R/M. SDM Vol. 2A table 2-1. */
const PAIRS: readonly (readonly GeneralRegister[])[] = [
  ["rbx", "rsi"],
  ["rbx", "rdi"],
  ["rbp", "rsi"],
  ["rbp", "rdi"],
  ["rsi"],
  ["rdi"],
  ["rbp"],
  ["rbx"],
];

/** A far call or jump. */
export interface FarTransfer {
  readonly jump: boolean;
  /** Bytes. */
  readonly length: number;
  /** The selector, or where in memory it is. */
  readonly selector: number | { readonly segment: SegmentName; readonly offset: number };
}

/** Reads bytes one after the other; all of them are zero behind the end, and `at` tells whether it came there. */
class Reader {
  at = 0;

  constructor(
    private readonly bytes: Uint8Array,
    private readonly register: (name: GeneralRegister) => number,
  ) {}

  next(): number {
    return this.bytes[this.at++] ?? 0;
  }

  word(): number {
    return this.next() | (this.next() << 8);
  }

  double(): number {
    return (this.word() | (this.word() << 16)) >>> 0;
  }

  signed(): number {
    return (this.next() << 24) >> 24;
  }

  /** Effective address of ModRM `mod` and `rm`, and the segment that it is in unless a prefix says otherwise. */
  address(mod: number, rm: number, wide: boolean): { readonly offset: number; readonly segment: SegmentName } {
    return wide ? this.#address32(mod, rm) : this.#address16(mod, rm);
  }

  #address32(mod: number, rm: number): { readonly offset: number; readonly segment: SegmentName } {
    const sib = rm === 4 ? this.next() : undefined;
    const base = sib === undefined ? rm : sib & 7;
    const none = base === 5 && mod === 0;
    let sum = none ? 0 : this.register(generalRegisters[base]!);
    if (sib !== undefined && ((sib >>> 3) & 7) !== 4) sum += this.register(generalRegisters[(sib >>> 3) & 7]!) * 2 ** (sib >>> 6);
    sum += none || mod === 2 ? this.double() : mod === 1 ? this.signed() : 0;
    return { offset: sum >>> 0, segment: !none && (base === 4 || base === 5) ? "ss" : "ds" };
  }

  #address16(mod: number, rm: number): { readonly offset: number; readonly segment: SegmentName } {
    if (mod === 0 && rm === 6) return { offset: this.word(), segment: "ds" };
    const names = PAIRS[rm]!;
    const displacement = mod === 2 ? this.word() : mod === 1 ? this.signed() : 0;
    const sum = names.reduce((total, name) => total + this.register(name), displacement);
    return { offset: sum & 0xffff, segment: names.includes("rbp") ? "ss" : "ds" };
  }
}

/** The far call or jump that the bytes begin with; undefined for anything else. `wide`: in a 32-bit segment. */
export function farTransfer(bytes: Uint8Array, wide: boolean, register: (name: GeneralRegister) => number): FarTransfer | undefined {
  const reader = new Reader(bytes.subarray(0, MAX_INSTRUCTION), register);
  let wideOperand = wide;
  let wideAddress = wide;
  let override: SegmentName | undefined;
  let opcode = reader.next();
  for (; reader.at <= MAX_INSTRUCTION; opcode = reader.next()) {
    if (opcode === OPERAND_SIZE) wideOperand = !wide;
    else if (opcode === ADDRESS_SIZE) wideAddress = !wide;
    else if (opcode in OVERRIDES) override = OVERRIDES[opcode];
    else if (!REPEATS.includes(opcode)) break;
  }
  const found = operandOf(reader, opcode, wideOperand, wideAddress, override);
  return found === undefined || reader.at > Math.min(bytes.length, MAX_INSTRUCTION) ? undefined : { ...found, length: reader.at };
}

function operandOf(
  reader: Reader,
  opcode: number,
  wideOperand: boolean,
  wideAddress: boolean,
  override: SegmentName | undefined,
): Omit<FarTransfer, "length"> | undefined {
  if (opcode === CALL_IMMEDIATE || opcode === JUMP_IMMEDIATE) {
    if (wideOperand) reader.double();
    else reader.word();
    return { jump: opcode === JUMP_IMMEDIATE, selector: reader.word() };
  }
  if (opcode !== GROUP_5) return undefined;
  const modrm = reader.next();
  const operation = (modrm >>> 3) & 7;
  if (modrm >= 0xc0 || (operation !== 3 && operation !== 5)) return undefined;
  const { offset, segment } = reader.address(modrm >>> 6, modrm & 7, wideAddress);
  return { jump: operation === 5, selector: { segment: override ?? segment, offset: (offset + (wideOperand ? 4 : 2)) >>> 0 } };
}

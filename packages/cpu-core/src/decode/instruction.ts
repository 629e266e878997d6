/** Decodes one instruction: prefixes, opcode, ModRM, SIB, displacement, immediates. SDM Vol. 2A §2. Knows the table, not the machine. */
import { MAP_0F, MAP_0F38, MAP_0F3A, MAP_ONE, MAP_VEX, MAPS, type Operand, type Pattern } from "./pattern.js";
import { type OperandSize, type TableRow, widthOf } from "../interp/handlers.js";

/** Reads a code byte; `position` counts from the instruction's start. Throws OutOfBytes past what may be fetched. */
export type ByteReader = (position: number) => number;

/** Thrown by a reader when the next byte's page cannot be fetched; a fault is pending then. */
export class OutOfBytes extends Error {}

export interface CodeMode {
  readonly bits: 16 | 32 | 64;
}

/** A decoded instruction; one object is reused for all. */
export interface Instruction {
  row: TableRow | undefined;
  length: number;
  /** More than 15 bytes: #GP(0) instead of #UD. */
  tooLong: boolean;
  opsize: OperandSize;
  addressSize: 16 | 32 | 64;
  /** Segment override (0-5) or -1. */
  segment: number;
  rep: boolean;
  repne: boolean;
  lock: boolean;
  rex: number;
  vvvv: number;
  opcode: number;
  hasModrm: boolean;
  mod: number;
  reg: number;
  rm: number;
  /** Memory operand: registers, or -1; -2 is rip. */
  base: number;
  index: number;
  scale: number;
  displacement: number;
  /** Absolute offsets of 8 bytes have their upper half here. */
  displacementHigh: number;
  /** Immediates in order, signed 32-bit halves. */
  immediate: number;
  immediateHigh: number;
  immediate2: number;
}

export function createInstruction(): Instruction {
  return {
    row: undefined,
    length: 0,
    tooLong: false,
    opsize: 32,
    addressSize: 32,
    segment: -1,
    rep: false,
    repne: false,
    lock: false,
    rex: 0,
    vvvv: 0,
    opcode: 0,
    hasModrm: false,
    mod: 0,
    reg: 0,
    rm: 0,
    base: -1,
    index: -1,
    scale: 0,
    displacement: 0,
    displacementHigh: 0,
    immediate: 0,
    immediateHigh: 0,
    immediate2: 0,
  };
}

/** Rows by map and opcode, in the table's order. */
export class OpcodeIndex {
  readonly #rows: (TableRow[] | undefined)[] = new Array(MAPS * 256);
  constructor(rows: readonly TableRow[]) {
    for (const row of rows) {
      const { map, opcode, plusRegister } = row.pattern;
      for (let i = 0; i < (plusRegister ? 8 : 1); i++) {
        const at = map * 256 + opcode + i;
        const list = this.#rows[at] ?? [];
        list.push(row);
        this.#rows[at] = list;
      }
    }
    // An encoding that names a mandatory prefix is more particular than one that does not.
    for (const list of this.#rows) list?.sort((a, b) => rank(b.pattern) - rank(a.pattern));
  }
  at(map: number, opcode: number): readonly TableRow[] | undefined {
    return this.#rows[map * 256 + opcode];
  }
}
const rank = (p: Pattern): number =>
  (p.exactModrm >= 0 ? 4 : 0) + (p.prefix !== undefined && p.prefix !== "NP" ? 2 : 0) + (p.rexW !== undefined || p.noRexB ? 1 : 0);

const LONGEST = 15;

/**
 * Decodes at the reader's start into `out`; `out.row` is undefined for an encoding that does not exist (#UD).
 * `vex`: protected mode, where C4 and C5 may begin VEX; in real-address and virtual-8086 mode they are always LES and LDS.
 */
export function decodeInstruction(
  index: OpcodeIndex,
  read: ByteReader,
  bits: 16 | 32 | 64,
  out: Instruction,
  vex = bits !== 16,
): Instruction {
  let at = 0;
  let prefix66 = false,
    prefix67 = false,
    lastRep = 0;
  out.row = undefined;
  out.tooLong = false;
  out.segment = -1;
  out.lock = false;
  out.rex = 0;
  out.vvvv = 0;
  out.hasModrm = false;
  out.base = -1;
  out.index = -1;
  out.displacement = 0;
  out.displacementHigh = 0;
  out.immediate = 0;
  out.immediateHigh = 0;
  out.immediate2 = 0;
  let byte = read(at++);
  for (;;) {
    if (byte === 0x66) prefix66 = true;
    else if (byte === 0x67) prefix67 = true;
    else if (byte === 0xf2 || byte === 0xf3) lastRep = byte;
    else if (byte === 0xf0) out.lock = true;
    else if ((byte & 0xe7) === 0x26) {
      if (bits !== 64) out.segment = (byte >> 3) & 3;
    } else if (byte === 0x64 || byte === 0x65) out.segment = byte - 0x60;
    else if (bits === 64 && (byte & 0xf0) === 0x40) {
      out.rex = byte;
      byte = read(at++);
      // A REX prefix counts only directly before the opcode.
      if (isPrefix(byte, bits)) {
        out.rex = 0;
        continue;
      }
      break;
    } else break;
    if (at >= LONGEST) return tooLong(out);
    byte = read(at++);
  }
  out.rep = lastRep === 0xf3;
  out.repne = lastRep === 0xf2;
  let map = MAP_ONE;
  let vexPrefix = -1;
  if (byte === 0x0f) {
    byte = read(at++);
    map = MAP_0F;
    if (byte === 0x38 || byte === 0x3a) {
      map = byte === 0x38 ? MAP_0F38 : MAP_0F3A;
      byte = read(at++);
    }
  } else if ((byte === 0xc4 || byte === 0xc5) && (bits === 64 || (vex && (read(at) & 0xc0) === 0xc0))) {
    // VEX: any 66, F2, F3, LOCK or REX before it is #UD (SDM Vol. 2A §2.3.2).
    const bad = prefix66 || lastRep !== 0 || out.lock || out.rex !== 0;
    let second = read(at++);
    let rex = 0x40 | ((second & 0x80) === 0 ? 4 : 0);
    map = MAP_VEX + MAP_0F;
    if (byte === 0xc4) {
      if ((second & 0x40) === 0) rex |= 2;
      if ((second & 0x20) === 0) rex |= 1;
      map = MAP_VEX + (second & 0x1f);
      second = read(at++);
      if ((second & 0x80) !== 0) rex |= 8;
    }
    out.rex = bits === 64 ? rex : 0x40 | (rex & 8);
    out.vvvv = (~second >> 3) & (bits === 64 ? 15 : 7);
    vexPrefix = second & 3;
    byte = read(at++);
    if (bad || map <= MAP_VEX || map > MAP_VEX + MAP_0F3A || (second & 4) !== 0) return fail(out, at);
  }
  out.opcode = byte;
  const rows = index.at(map, byte);
  if (rows === undefined) return fail(out, at);
  const rexW = (out.rex & 8) !== 0;
  let modrm = -1;
  let row: TableRow | undefined;
  for (let n = 0; n < rows.length; n++) {
    const candidate = rows[n]!;
    const p = candidate.pattern;
    if (bits === 64 ? p.invalidIn64 : p.only64) continue;
    if (p.prefix !== undefined && !prefixMatches(p.prefix, prefix66, lastRep, vexPrefix)) continue;
    if (p.rexW !== undefined && p.rexW !== (rexW && bits === 64) && !(vexPrefix >= 0 && p.rexW === rexW)) continue;
    if (p.noRexB && (out.rex & 1) !== 0) continue;
    if (p.modrm) {
      if (modrm < 0) modrm = read(at) | (map === MAP_0F && (byte & 0xfc) === 0x20 ? 0xc0 : 0); // MOV CRn and DRn ignore mod
      if (p.group >= 0 && ((modrm >> 3) & 7) !== p.group) continue;
      if (p.exactModrm >= 0 && modrm !== p.exactModrm) continue;
      if (p.mod !== undefined && modrm >= 0xc0 !== (p.mod === "reg")) continue;
    }
    row = candidate;
    break;
  }
  if (row === undefined) return fail(out, at);
  const { pattern, operands } = row;
  // VEX.vvvv that names no operand must be all ones (SDM Vol. 2A §2.3.5.6).
  if (vexPrefix >= 0 && out.vvvv !== 0 && !row.has.vex) return fail(out, at);
  // Operand size: REX.W, then the defaults of 64-bit mode, then 66. A 66 that selects the instruction is not a size prefix for vectors,
  // but for general registers it still is (MOVBE, CRC32).
  if (bits === 64) out.opsize = rexW || pattern.size64 === "f64" ? 64 : prefix66 ? 16 : pattern.size64 === "d64" ? 64 : 32;
  else out.opsize = prefix66 === (bits === 32) ? 16 : 32;
  // VEX.W sets no operand size outside 64-bit mode.
  out.addressSize = bits === 64 ? (prefix67 ? 32 : 64) : prefix67 === (bits === 32) ? 16 : 32;
  if (pattern.modrm) {
    at++;
    out.hasModrm = true;
    out.mod = modrm >> 6;
    out.reg = ((modrm >> 3) & 7) | ((out.rex & 4) << 1);
    out.rm = modrm & 7;
    if (out.mod !== 3) at = decodeAddress(read, at, out, bits);
    else out.rm |= (out.rex & 1) << 3;
  } else out.mod = 3;
  if (row.has.bytes) {
    let immediates = 0;
    for (let n = 0; n < operands.length; n++) {
      const operand = operands[n]!;
      const size = immediateBytes(operand, out);
      if (size === 0) continue;
      at = readImmediate(read, at, size, operand, out, immediates++);
    }
  }
  out.length = at;
  if (at > LONGEST) return tooLong(out);
  out.row = row;
  return out;
}

function isPrefix(byte: number, bits: number): boolean {
  return (
    byte === 0x66 ||
    byte === 0x67 ||
    byte === 0xf0 ||
    byte === 0xf2 ||
    byte === 0xf3 ||
    (byte & 0xe7) === 0x26 ||
    byte === 0x64 ||
    byte === 0x65 ||
    (bits === 64 && (byte & 0xf0) === 0x40)
  );
}

function prefixMatches(wanted: string, prefix66: boolean, rep: number, vexPrefix: number): boolean {
  if (vexPrefix >= 0) return wanted === ["NP", "66", "F3", "F2"][vexPrefix];
  switch (wanted) {
    case "F3":
      return rep === 0xf3;
    case "F2":
      return rep === 0xf2;
    case "66":
      return prefix66 && rep === 0;
    default:
      return !prefix66 && rep === 0;
  }
}

function fail(out: Instruction, at: number): Instruction {
  out.length = at;
  return out;
}
function tooLong(out: Instruction): Instruction {
  out.row = undefined;
  out.tooLong = true;
  out.length = LONGEST;
  return out;
}

function signed32(read: ByteReader, at: number): number {
  return read(at) | (read(at + 1) << 8) | (read(at + 2) << 16) | (read(at + 3) << 24);
}
const signed8 = (byte: number): number => (byte << 24) >> 24;

const BASE16 = [3, 3, 5, 5, 6, 7, 5, 3];
const INDEX16 = [6, 7, 6, 7, -1, -1, -1, -1];

function decodeAddress(read: ByteReader, start: number, out: Instruction, bits: number): number {
  let at = start;
  out.scale = 0;
  if (out.addressSize === 16) {
    out.base = BASE16[out.rm]!;
    out.index = INDEX16[out.rm]!;
    if (out.mod === 0 && out.rm === 6) out.base = -1;
    if (out.mod === 1) out.displacement = signed8(read(at++));
    else if (out.mod === 2 || (out.mod === 0 && out.rm === 6)) {
      out.displacement = ((read(at) | (read(at + 1) << 8)) << 16) >> 16;
      at += 2;
    }
    return at;
  }
  let base = out.rm;
  if (base === 4) {
    const sib = read(at++);
    out.scale = sib >> 6;
    const index = ((sib >> 3) & 7) | ((out.rex & 2) << 2);
    out.index = index === 4 ? -1 : index;
    base = sib & 7;
    if (base === 5 && out.mod === 0) {
      out.displacement = signed32(read, at);
      out.base = -1;
      return at + 4;
    }
  } else if (base === 5 && out.mod === 0) {
    out.displacement = signed32(read, at);
    out.base = bits === 64 ? -2 : -1;
    return at + 4;
  }
  out.base = base | ((out.rex & 1) << 3);
  if (out.mod === 1) out.displacement = signed8(read(at++));
  else if (out.mod === 2) {
    out.displacement = signed32(read, at);
    at += 4;
  }
  return at;
}

/** Bytes of code that an operand takes. */
function immediateBytes(operand: Operand, out: Instruction): number {
  switch (operand.place) {
    case "imm":
      return operand.width === "z" ? Math.min(out.opsize, 32) / 8 : widthOf(operand, out.opsize) / 8;
    case "relative":
      return operand.width === 8 ? 1 : out.opsize === 16 ? 2 : 4;
    case "far":
      return (out.opsize === 16 ? 2 : 4) + 2;
    case "offset":
      return out.addressSize / 8;
    default:
      return 0;
  }
}

function readImmediate(read: ByteReader, at: number, size: number, operand: Operand, out: Instruction, nth: number): number {
  if (operand.place === "offset") {
    out.displacement = size === 2 ? read(at) | (read(at + 1) << 8) : signed32(read, at);
    out.displacementHigh = size === 8 ? signed32(read, at + 4) : 0;
    return at + size;
  }
  if (operand.place === "far") {
    out.immediate = size === 4 ? read(at) | (read(at + 1) << 8) : signed32(read, at);
    out.immediateHigh = read(at + size - 2) | (read(at + size - 1) << 8);
    return at + size;
  }
  let low: number;
  if (size === 1) low = operand.signed || operand.place === "relative" ? signed8(read(at)) : read(at);
  else if (size === 2) {
    low = read(at) | (read(at + 1) << 8);
    if (operand.signed || operand.place === "relative") low = (low << 16) >> 16;
  } else low = signed32(read, at);
  if (nth > 0) {
    out.immediate2 = low;
    return at + size;
  }
  out.immediate = low;
  out.immediateHigh = size === 8 ? signed32(read, at + 4) : low >> 31;
  return at + size;
}

/** Parses encodings in the SDM's notation ("66 0F 38 DC /r mem", "VEX.L0.F2.0F38 F7 /r") and operand codes (SDM Vol. 2D Appendix A.2). */
import type { EncodingSpec } from "../isa/define.js";

/** Opcode maps: one byte, 0F, 0F 38, 0F 3A, and their VEX twins. */
export const MAP_ONE = 0,
  MAP_0F = 1,
  MAP_0F38 = 2,
  MAP_0F3A = 3,
  MAP_VEX = 4;
export const MAPS = 8;

export type MandatoryPrefix = "NP" | "66" | "F3" | "F2";

export interface Pattern {
  readonly map: number;
  readonly opcode: number;
  /** The low three bits of the opcode are a register. */
  readonly plusRegister: boolean;
  readonly prefix: MandatoryPrefix | undefined;
  readonly rexW: boolean | undefined;
  readonly modrm: boolean;
  /** ModRM.reg must be this, or -1. */
  readonly group: number;
  /** The whole ModRM byte must be this, or -1. */
  readonly exactModrm: number;
  readonly mod: "mem" | "reg" | undefined;
  readonly invalidIn64: boolean;
  readonly only64: boolean;
  /** Operand size in 64-bit mode: "d64" 64 unless 66, "f64" always 64. */
  readonly size64: "d64" | "f64" | undefined;
  /** REX.B must be clear (NOP against XCHG r8). */
  readonly noRexB: boolean;
}

const HEX = /^[0-9A-F]{2}$/;

export function parsePattern(text: string): Pattern {
  const p = {
    map: MAP_ONE,
    opcode: -1,
    plusRegister: false,
    prefix: undefined as MandatoryPrefix | undefined,
    rexW: undefined as boolean | undefined,
    modrm: false,
    group: -1,
    exactModrm: -1,
    mod: undefined as "mem" | "reg" | undefined,
    invalidIn64: false,
    only64: false,
    size64: undefined as "d64" | "f64" | undefined,
    noRexB: false,
  };
  const tokens = text.trim().split(/\s+/);
  for (const [i, token] of tokens.entries()) {
    const next = tokens[i + 1] ?? "";
    if (token.startsWith("VEX.")) parseVex(token, p);
    else if (
      i === 0 &&
      (token === "NP" ||
        ((token === "66" || token === "F3" || token === "F2") && (HEX.test(next) || next === "REX.W" || /^[0-9A-F]{2}\+r$/.test(next))))
    )
      p.prefix = token as MandatoryPrefix;
    else if (token === "REX.W" || token === "W1") p.rexW = true;
    else if (token === "W0") p.rexW = false;
    else if (/^[0-9A-F]{2}\+r$/.test(token)) {
      p.opcode = Number.parseInt(token, 16);
      p.plusRegister = true;
    } else if (HEX.test(token)) parseByte(Number.parseInt(token, 16), next, p);
    else if (token === "/r") p.modrm = true;
    else if (/^\/[0-7]$/.test(token)) {
      p.modrm = true;
      p.group = Number(token[1]);
    } else if (token === "mem" || token === "reg") p.mod = token;
    else if (token === "i64") p.invalidIn64 = true;
    else if (token === "o64") p.only64 = true;
    else if (token === "d64" || token === "f64") p.size64 = token;
    else if (token === "nob") p.noRexB = true;
    else if (!/^i[bwdqzv]$/.test(token)) throw new Error(`decode table: "${token}" in "${text}"`);
  }
  if (p.opcode < 0) throw new Error(`decode table: no opcode in "${text}"`);
  return p;
}

function parseVex(token: string, p: { map: number; prefix: MandatoryPrefix | undefined; rexW: boolean | undefined }): void {
  for (const part of token.split(".").slice(1)) {
    if (part === "0F") p.map = MAP_VEX + MAP_0F;
    else if (part === "0F38") p.map = MAP_VEX + MAP_0F38;
    else if (part === "0F3A") p.map = MAP_VEX + MAP_0F3A;
    else if (part === "W0" || part === "W1") p.rexW = part === "W1";
    else if (part === "NP" || part === "66" || part === "F3" || part === "F2") p.prefix = part;
    else if (part !== "L0" && part !== "LZ") throw new Error(`decode table: "${part}" in "${token}"`);
  }
}

function parseByte(byte: number, next: string, p: { map: number; opcode: number; modrm: boolean; exactModrm: number }): void {
  if (p.opcode >= 0) {
    p.modrm = true;
    p.exactModrm = byte;
  } else if (p.map === MAP_ONE && byte === 0x0f && (HEX.test(next) || next.endsWith("+r"))) p.map = MAP_0F;
  else if (p.map === MAP_0F && (byte === 0x38 || byte === 0x3a) && HEX.test(next)) p.map = byte === 0x38 ? MAP_0F38 : MAP_0F3A;
  else p.opcode = byte;
}

/** Where an operand comes from. */
export type OperandPlace =
  | "rm" // register or memory by ModRM.rm
  | "reg" // register by ModRM.reg
  | "opcode" // register by the opcode's low bits
  | "vex" // register by VEX.vvvv
  | "fixed" // a register by its name
  | "imm"
  | "one" // the constant 1
  | "offset" // memory at an absolute offset
  | "relative" // branch target
  | "far" // immediate far pointer
  | "sti" // x87 register by ModRM.rm
  | "number"; // a register file of its own (segments, control, debug): its number goes to U_AUX

/** Width of an operand: bits, or "v" operand size, "z" operand size but at most 32, "y" 32 or 64, "a" address only. */
export type OperandWidth = number | "v" | "z" | "y" | "a";
export type RegisterFile = "gpr" | "xmm" | "mmx" | "none";

export interface Operand {
  readonly place: OperandPlace;
  readonly file: RegisterFile;
  readonly width: OperandWidth;
  /** Fixed register number. */
  readonly register: number;
  readonly signed: boolean;
  /** Memory must be aligned to its size. */
  readonly aligned: boolean;
  /** The address is displaced by a bit offset (BT family with a register index). */
  readonly bitString: boolean;
  /** Register or memory only. */
  readonly only: "mem" | "reg" | undefined;
}

const WIDTHS: Record<string, OperandWidth> = { b: 8, w: 16, d: 32, q: 64, v: "v", z: "z", y: "y", t: 80, x: 128, u: 128, "": "a" };
const FIXED: Record<string, [register: number, width: OperandWidth]> = {
  AL: [0, 8],
  CL: [1, 8],
  DL: [2, 8],
  AX: [0, 16],
  DX: [2, 16],
  EAX: [0, 32],
  RAX: [0, 64],
  rAX: [0, "v"],
  rDX: [2, "v"],
  rCX: [1, "v"],
};

export function parseOperand(code: string): Operand {
  const base: Operand = {
    place: "imm",
    file: "none",
    width: 8,
    register: 0,
    signed: false,
    aligned: false,
    bitString: false,
    only: undefined,
  };
  const fixed = FIXED[code];
  if (fixed) return { ...base, place: "fixed", file: "gpr", register: fixed[0], width: fixed[1] };
  if (code === "1") return { ...base, place: "one" };
  if (code === "STi") return { ...base, place: "sti" };
  if (code === "Ibs") return { ...base, signed: true };
  const bitString = code.endsWith("~bit");
  const letter = code[0];
  const suffix = bitString ? code.slice(1, -4) : code.slice(1);
  const width = WIDTHS[suffix];
  if (letter === "A") return { ...base, place: "far", width: "z" };
  if (width === undefined) {
    if (letter === "M") return { ...base, place: "rm", width: "a", only: "mem" };
    throw new Error(`decode table: operand "${code}"`);
  }
  switch (letter) {
    case "E":
      return { ...base, place: "rm", file: "gpr", width, bitString };
    case "R":
      return { ...base, place: "rm", file: "gpr", width, only: "reg" };
    case "M":
      return { ...base, place: "rm", width, only: "mem" };
    case "G":
      return { ...base, place: "reg", file: "gpr", width };
    case "B":
      return { ...base, place: "vex", file: "gpr", width };
    case "Z":
      return { ...base, place: "opcode", file: "gpr", width };
    case "I":
      return { ...base, place: "imm", width, signed: suffix === "z" };
    case "J":
      return { ...base, place: "relative", width };
    case "O":
      return { ...base, place: "offset", width };
    case "V":
      return { ...base, place: "reg", file: "xmm", width };
    case "W":
      return { ...base, place: "rm", file: "xmm", width, aligned: suffix === "x" };
    case "U":
      return { ...base, place: "rm", file: "xmm", width, only: "reg" };
    case "P":
      return { ...base, place: "reg", file: "mmx", width };
    case "Q":
      return { ...base, place: "rm", file: "mmx", width };
    case "N":
      return { ...base, place: "rm", file: "mmx", width, only: "reg" };
    case "S":
    case "C":
    case "D":
      return { ...base, place: "number", width };
    default:
      throw new Error(`decode table: operand "${code}"`);
  }
}

export function parseEncoding([pattern, operands]: EncodingSpec): { pattern: Pattern; operands: Operand[] } {
  const list = operands === undefined || operands === "" ? [] : operands.split(",").map(parseOperand);
  const parsed = parsePattern(pattern);
  const usesModrm = list.some((o) => o.place === "rm" || o.place === "reg" || o.place === "sti");
  const only = list.find((o) => o.place === "rm" && o.only !== undefined)?.only;
  return { pattern: { ...parsed, modrm: parsed.modrm || usesModrm, mod: parsed.mod ?? only }, operands: list };
}

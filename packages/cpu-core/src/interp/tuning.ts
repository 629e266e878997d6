/** Which handlers live inside the interpreter's loop. The loop is one WebAssembly function: what is rare is kept out of it. */
import type { Entry } from "../isa/define.js";

const HOT = new Set([
  "MOV",
  "MOVZX",
  "MOVSX",
  "MOVSXD",
  "LEA",
  "ADD",
  "SUB",
  "CMP",
  "AND",
  "OR",
  "XOR",
  "TEST",
  "INC",
  "DEC",
  "NEG",
  "NOT",
  "ADC",
  "SBB",
  "SHL",
  "SHR",
  "SAR",
  "ROL",
  "ROR",
  "IMUL",
  "IMUL3",
  "MUL",
  "NOP",
  "XCHG",
  "CBW",
  "CWD",
  "BT",
  "BSWAP",
  "SHRD",
  "SHLD",
  "BTS",
  "BTR",
  "CMPXCHG",
  "XADD",
]);

/** Operations whose 16-bit forms are as common as their others. */
const HOT_AT_16 = new Set(["MOV", "MOVZX", "CMP", "TEST", "NOP"]);
/** Operations whose 8-bit forms are common. */
const HOT_AT_8 = new Set(["MOV", "CMP", "TEST", "ADD", "SUB", "AND", "OR", "XOR", "INC", "DEC"]);

function isHot(mnemonic: string, bits: number): boolean {
  if (mnemonic.startsWith("SET")) return true;
  if (bits === 16 && !HOT_AT_16.has(mnemonic)) return false;
  if (bits === 8 && !HOT_AT_8.has(mnemonic)) return false;
  return HOT.has(mnemonic) || mnemonic.startsWith("CMOV");
}

/** inline: a case of the loop; cold: a function that the loop calls and goes on; stay: likewise, unless RESTART is set; sys: the loop returns. */
export type HandlerClass = "inline" | "cold" | "stay" | "sys";

/** @param bits - width of the first operand, 0 without operands */
export function classOf(entry: Entry, slowStack: boolean, bits: number): HandlerClass {
  switch (entry.type) {
    case "family":
      return isHot(entry.mnemonic, bits) ? "inline" : "cold";
    case "vector":
      return "cold";
    case "outlined":
      return entry.kind === "stay" ? "stay" : entry.kind === "sys" || entry.kind === "sysMem" ? "sys" : "cold";
    case "branch":
      return slowStack ? "sys" : "inline";
    case "stack":
      return slowStack ? "stay" : "inline";
  }
}

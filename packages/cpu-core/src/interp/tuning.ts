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

/** inline: a case of the loop; cold: a function that the loop calls and goes on; sys: the loop returns afterwards. */
export type HandlerClass = "inline" | "cold" | "sys";

export function classOf(entry: Entry, slowStack: boolean): HandlerClass {
  switch (entry.type) {
    case "family":
      return HOT.has(entry.mnemonic) || /^(CMOV|SET)/.test(entry.mnemonic) ? "inline" : "cold";
    case "outlined":
      return entry.kind === "sys" || entry.kind === "sysMem" ? "sys" : "cold";
    case "branch":
      return slowStack ? "sys" : "inline";
    case "stack":
      return slowStack ? "sys" : "inline";
  }
}

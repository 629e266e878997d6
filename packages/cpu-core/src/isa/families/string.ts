/** MOVS STOS LODS SCAS CMPS, single and repeated: assembly/string. INS and OUTS are in io.ts. SDM Vol. 2. */
import { type Entry, outlined } from "../define.js";
import { RAX, RCX, RSI, RDI } from "../sem.js";

export const string: Entry[] = [
  outlined("MOVSB", "stay", "movsByte", [["A4"]], { general: [RCX, RSI, RDI] }),
  outlined("MOVS", "stay", "movsWide", [["A5"]], { general: [RCX, RSI, RDI] }),
  outlined("CMPSB", "stay", "cmpsByte", [["A6"]], { flags: true, general: [RCX, RSI, RDI] }),
  outlined("CMPS", "stay", "cmpsWide", [["A7"]], { flags: true, general: [RCX, RSI, RDI] }),
  outlined("STOSB", "stay", "stosByte", [["AA"]], { general: [RAX, RCX, RDI] }),
  outlined("STOS", "stay", "stosWide", [["AB"]], { general: [RAX, RCX, RDI] }),
  outlined("LODSB", "stay", "lodsByte", [["AC"]], { general: [RAX, RCX, RSI] }),
  outlined("LODS", "stay", "lodsWide", [["AD"]], { general: [RAX, RCX, RSI] }),
  outlined("SCASB", "stay", "scasByte", [["AE"]], { flags: true, general: [RAX, RCX, RDI] }),
  outlined("SCAS", "stay", "scasWide", [["AF"]], { flags: true, general: [RAX, RCX, RDI] }),
];

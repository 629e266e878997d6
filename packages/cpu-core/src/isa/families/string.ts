/** MOVS STOS LODS SCAS CMPS, single and repeated: assembly/string. INS and OUTS are in io.ts. SDM Vol. 2. */
import { type Entry, outlined } from "../define.js";

export const string: Entry[] = [
  outlined("MOVSB", "sys", "movsByte", [["A4"]]),
  outlined("MOVS", "sys", "movsWide", [["A5"]]),
  outlined("CMPSB", "sys", "cmpsByte", [["A6"]], { flags: true }),
  outlined("CMPS", "sys", "cmpsWide", [["A7"]], { flags: true }),
  outlined("STOSB", "sys", "stosByte", [["AA"]]),
  outlined("STOS", "sys", "stosWide", [["AB"]]),
  outlined("LODSB", "sys", "lodsByte", [["AC"]]),
  outlined("LODS", "sys", "lodsWide", [["AD"]]),
  outlined("SCASB", "sys", "scasByte", [["AE"]], { flags: true }),
  outlined("SCAS", "sys", "scasWide", [["AF"]], { flags: true }),
];

/** MOVS STOS LODS SCAS CMPS, single and repeated: assembly/string. INS and OUTS are in io.ts. SDM Vol. 2. */
import { type Entry, outlined } from "../define.js";

export const string: Entry[] = [
  outlined("MOVSB", "stay", "movsByte", [["A4"]]),
  outlined("MOVS", "stay", "movsWide", [["A5"]]),
  outlined("CMPSB", "stay", "cmpsByte", [["A6"]], { flags: true }),
  outlined("CMPS", "stay", "cmpsWide", [["A7"]], { flags: true }),
  outlined("STOSB", "stay", "stosByte", [["AA"]]),
  outlined("STOS", "stay", "stosWide", [["AB"]]),
  outlined("LODSB", "stay", "lodsByte", [["AC"]]),
  outlined("LODS", "stay", "lodsWide", [["AD"]]),
  outlined("SCASB", "stay", "scasByte", [["AE"]], { flags: true }),
  outlined("SCAS", "stay", "scasWide", [["AF"]], { flags: true }),
];

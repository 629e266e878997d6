/** Port input and output: assembly/system/io. SDM Vol. 2 "IN", "OUT", "INS", "OUTS". */
import { type Entry, outlined } from "../define.js";

export const io: Entry[] = [
  outlined("IN", "stay", "inByteImm", [["E4", "Ib"]]),
  outlined("IN", "stay", "inWideImm", [["E5", "Ib"]]),
  outlined("IN", "stay", "inByteDx", [["EC"]]),
  outlined("IN", "stay", "inWideDx", [["ED"]]),
  outlined("OUT", "stay", "outByteImm", [["E6", "Ib"]]),
  outlined("OUT", "stay", "outWideImm", [["E7", "Ib"]]),
  outlined("OUT", "stay", "outByteDx", [["EE"]]),
  outlined("OUT", "stay", "outWideDx", [["EF"]]),
  outlined("INSB", "stay", "insByte", [["6C"]]),
  outlined("INS", "stay", "insWide", [["6D"]]),
  outlined("OUTSB", "stay", "outsByte", [["6E"]]),
  outlined("OUTS", "stay", "outsWide", [["6F"]]),
];

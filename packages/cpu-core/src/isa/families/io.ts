/** Port input and output: assembly/system/io. SDM Vol. 2 "IN", "OUT", "INS", "OUTS". */
import { type Entry, outlined } from "../define.js";

export const io: Entry[] = [
  outlined("IN", "sys", "inByteImm", [["E4", "Ib"]]),
  outlined("IN", "sys", "inWideImm", [["E5", "Ib"]]),
  outlined("IN", "sys", "inByteDx", [["EC"]]),
  outlined("IN", "sys", "inWideDx", [["ED"]]),
  outlined("OUT", "sys", "outByteImm", [["E6", "Ib"]]),
  outlined("OUT", "sys", "outWideImm", [["E7", "Ib"]]),
  outlined("OUT", "sys", "outByteDx", [["EE"]]),
  outlined("OUT", "sys", "outWideDx", [["EF"]]),
  outlined("INSB", "sys", "insByte", [["6C"]]),
  outlined("INS", "sys", "insWide", [["6D"]]),
  outlined("OUTSB", "sys", "outsByte", [["6E"]]),
  outlined("OUTS", "sys", "outsWide", [["6F"]]),
];

/** Port input and output: assembly/system/io. SDM Vol. 2 "IN", "OUT", "INS", "OUTS". */
import { type Entry, outlined } from "../define.js";
import { RAX, RCX, RDX, RSI, RDI } from "../sem.js";

export const io: Entry[] = [
  outlined("IN", "stay", "inByteImm", [["E4", "Ib"]], { general: [RAX, RDX] }),
  outlined("IN", "stay", "inWideImm", [["E5", "Ib"]], { general: [RAX, RDX] }),
  outlined("IN", "stay", "inByteDx", [["EC"]], { general: [RAX, RDX] }),
  outlined("IN", "stay", "inWideDx", [["ED"]], { general: [RAX, RDX] }),
  outlined("OUT", "stay", "outByteImm", [["E6", "Ib"]], { general: [RAX, RDX] }),
  outlined("OUT", "stay", "outWideImm", [["E7", "Ib"]], { general: [RAX, RDX] }),
  outlined("OUT", "stay", "outByteDx", [["EE"]], { general: [RAX, RDX] }),
  outlined("OUT", "stay", "outWideDx", [["EF"]], { general: [RAX, RDX] }),
  outlined("INSB", "stay", "insByte", [["6C"]], { general: [RCX, RDX, RDI] }),
  outlined("INS", "stay", "insWide", [["6D"]], { general: [RCX, RDX, RDI] }),
  outlined("OUTSB", "stay", "outsByte", [["6E"]], { general: [RCX, RDX, RSI] }),
  outlined("OUTS", "stay", "outsWide", [["6F"]], { general: [RCX, RDX, RSI] }),
];

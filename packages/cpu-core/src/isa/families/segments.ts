/** Segment registers, descriptors and descriptor-table registers. SDM Vol. 2. */
import { DS, ES, FS, GS } from "../../layout.js";
import { type Entry, outlined } from "../define.js";
import { RSP } from "../sem.js";
import { pushSegmentCommon } from "./system-flags.js";

export const segments: readonly Entry[] = [
  outlined("MOV", "stay", "movToSegment", [["8E /r", "Sw,Ew"]], { loads: "reg" }),
  outlined("MOV", "stay", "movFromSegment", [["8C /r", "Ev,Sw"]]),
  outlined("PUSH", "stay", "pushEs", [["06 i64"]], { general: [RSP], common: pushSegmentCommon("ES") }),
  outlined("PUSH", "stay", "pushCs", [["0E i64"]], { general: [RSP], common: pushSegmentCommon("CS") }),
  outlined("PUSH", "stay", "pushSs", [["16 i64"]], { general: [RSP], common: pushSegmentCommon("SS") }),
  outlined("PUSH", "stay", "pushDs", [["1E i64"]], { general: [RSP], common: pushSegmentCommon("DS") }),
  outlined("PUSH", "stay", "pushFs", [["0F A0 d64"]], { general: [RSP], common: pushSegmentCommon("FS") }),
  outlined("PUSH", "stay", "pushGs", [["0F A8 d64"]], { general: [RSP], common: pushSegmentCommon("GS") }),
  outlined("POP", "stay", "popEs", [["07 i64"]], { general: [RSP], loads: ES }),
  outlined("POP", "stay", "popSs", [["17 i64"]], { general: [RSP] }),
  outlined("POP", "stay", "popDs", [["1F i64"]], { general: [RSP], loads: DS }),
  outlined("POP", "stay", "popFs", [["0F A1 d64"]], { general: [RSP], loads: FS }),
  outlined("POP", "stay", "popGs", [["0F A9 d64"]], { general: [RSP], loads: GS }),
  outlined("LES", "stay", "les", [["C4 /r i64 mem", "Gv,M"]]),
  outlined("LDS", "stay", "lds", [["C5 /r i64 mem", "Gv,M"]]),
  outlined("LSS", "stay", "lss", [["0F B2 /r mem", "Gv,M"]]),
  outlined("LFS", "stay", "lfs", [["0F B4 /r mem", "Gv,M"]]),
  outlined("LGS", "stay", "lgs", [["0F B5 /r mem", "Gv,M"]]),
  outlined("LAR", "stay", "lar", [["0F 02 /r", "Gv,Ew"]], { flags: true }),
  outlined("LSL", "stay", "lsl", [["0F 03 /r", "Gv,Ew"]], { flags: true }),
  outlined("VERR", "stay", "verr", [["0F 00 /4", "Ew"]], { flags: true }),
  outlined("VERW", "stay", "verw", [["0F 00 /5", "Ew"]], { flags: true }),
  outlined("ARPL", "stay", "arpl", [["63 /r i64", "Ew,Gw"]], { flags: true }),
  outlined("SLDT", "stay", "sldt", [["0F 00 /0", "Ev"]]),
  outlined("STR", "stay", "str", [["0F 00 /1", "Ev"]]),
  outlined("LLDT", "stay", "lldt", [["0F 00 /2", "Ew"]]),
  outlined("LTR", "stay", "ltr", [["0F 00 /3", "Ew"]]),
  outlined("SGDT", "stay", "sgdt", [["0F 01 /0 mem", "M"]]),
  outlined("SIDT", "stay", "sidt", [["0F 01 /1 mem", "M"]]),
  outlined("LGDT", "stay", "lgdt", [["0F 01 /2 mem", "M"]]),
  outlined("LIDT", "stay", "lidt", [["0F 01 /3 mem", "M"]]),
];

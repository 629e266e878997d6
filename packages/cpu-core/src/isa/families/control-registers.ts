/** Control, debug and extended control registers, TLB invalidation: assembly/system/{control,debug-registers,misc}. SDM Vol. 2. */
import { type Entry, outlined } from "../define.js";
import { RAX, RCX, RDX } from "../sem.js";

export const controlRegisters: Entry[] = [
  outlined("MOV", "stay", "movFromCr", [["0F 20 /r f64", "Ry,Cd"]]),
  outlined("MOV", "stay", "movFromDr", [["0F 21 /r f64", "Ry,Dd"]]),
  outlined("MOV", "sys", "movToCr", [["0F 22 /r f64", "Ry,Cd"]]),
  outlined("MOV", "sys", "movToDr", [["0F 23 /r f64", "Ry,Dd"]]),
  outlined("SMSW", "stay", "smswMemory", [["0F 01 /4 mem", "Mw"]]),
  outlined("SMSW", "stay", "smswRegister", [["0F 01 /4 reg", "Rv"]]),
  outlined("LMSW", "sysMem", "lmswMemory", [["0F 01 /6 mem", "Mw"]]),
  outlined("LMSW", "sys", "lmswRegister", [["0F 01 /6 reg", "Rw"]]),
  outlined("CLTS", "stay", "clts", [["0F 06"]]),
  outlined("XGETBV", "stay", "xgetbv", [["NP 0F 01 D0"]], { feature: "xsave", general: [RAX, RCX, RDX] }),
  outlined("XSETBV", "stay", "xsetbv", [["NP 0F 01 D1"]], { feature: "xsave", general: [RAX, RCX, RDX] }),
  outlined("INVLPG", "sysMem", "invlpg", [["0F 01 /7 mem", "M"]]),
  outlined("INVPCID", "sysMem", "invpcid", [["66 0F 38 82 /r mem", "Gy,M"]], { feature: "invpcid" }),
];

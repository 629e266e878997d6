/** PUSHF, POPF, PUSHA, POPA, ENTER. SDM Vol. 2. PUSH, POP and LEAVE are in branches.ts. */
import { type Entry, outlined } from "../define.js";
import { RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP } from "../sem.js";
import { popFlagsCommon, pushFlagsCommon } from "./system-flags.js";

/** All that PUSHA and POPA know. */
const EIGHT = [RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI];

export const stackSystem: readonly Entry[] = [
  outlined("PUSHF", "stay", "pushFlags", [["9C d64"]], { flags: true, general: [RSP], common: pushFlagsCommon }),
  outlined("POPF", "stay", "popFlags", [["9D d64"]], { flags: true, general: [RSP], translations: true, common: popFlagsCommon }),
  outlined("PUSHA", "stay", "pushAll", [["60 i64"]], { general: EIGHT }),
  outlined("POPA", "stay", "popAll", [["61 i64"]], { general: EIGHT }),
  outlined("ENTER", "stay", "enterFrame", [["C8 d64", "Iw,Ib"]], { general: [RSP, RBP] }),
];

/** PUSHF, POPF, PUSHA, POPA, ENTER. SDM Vol. 2. PUSH, POP and LEAVE are in branches.ts. */
import { type Entry, outlined } from "../define.js";

export const stackSystem: readonly Entry[] = [
  outlined("PUSHF", "sys", "pushFlags", [["9C d64"]], { flags: true }),
  outlined("POPF", "sys", "popFlags", [["9D d64"]], { flags: true }),
  outlined("PUSHA", "sys", "pushAll", [["60 i64"]]),
  outlined("POPA", "sys", "popAll", [["61 i64"]]),
  outlined("ENTER", "sys", "enterFrame", [["C8 d64", "Iw,Ib"]]),
];

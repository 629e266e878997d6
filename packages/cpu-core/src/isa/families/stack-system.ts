/** PUSHF, POPF, PUSHA, POPA, ENTER. SDM Vol. 2. PUSH, POP and LEAVE are in branches.ts. */
import { type Entry, outlined } from "../define.js";

export const stackSystem: readonly Entry[] = [
  outlined("PUSHF", "stay", "pushFlags", [["9C d64"]], { flags: true }),
  outlined("POPF", "stay", "popFlags", [["9D d64"]], { flags: true }),
  outlined("PUSHA", "stay", "pushAll", [["60 i64"]]),
  outlined("POPA", "stay", "popAll", [["61 i64"]]),
  outlined("ENTER", "stay", "enterFrame", [["C8 d64", "Iw,Ib"]]),
];

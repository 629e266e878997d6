/** Far jumps, calls and returns, software interrupts, IRET, BOUND. SDM Vol. 2. Near branches are in branches.ts. */
import { type Entry, outlined } from "../define.js";

export const controlTransfer: readonly Entry[] = [
  outlined("JMP far", "sys", "jmpFar", [["EA i64", "Ap"]]),
  outlined("JMP far", "sys", "jmpFarIndirect", [["FF /5 mem", "M"]]),
  outlined("CALL far", "sys", "callFar", [["9A i64", "Ap"]]),
  outlined("CALL far", "sys", "callFarIndirect", [["FF /3 mem", "M"]]),
  outlined("RET far", "sys", "retFar", [["CB"], ["CA", "Iw"]]),
  outlined("IRET", "sys", "iret", [["CF"]], { flags: true }),
  outlined("INT", "sys", "intImmediate", [["CD", "Ib"]]),
  outlined("INT3", "sys", "int3", [["CC"]]),
  outlined("INTO", "sys", "into", [["CE i64"]], { flags: true }),
  outlined("INT1", "sys", "int1", [["F1"]]),
  outlined("BOUND", "stay", "bound", [["62 /r i64 mem", "Gv,M"]]),
];

/** Near jumps, calls, returns and loops; pushes and pops on flat stacks. SDM Vol. 2. Far transfers are in control-transfer.ts. */
import { CONDITION_NAMES } from "../conditions.js";
import { branch, type Entry, stack } from "../define.js";

const hex = (n: number): string => n.toString(16).toUpperCase();

export const branches: Entry[] = [
  branch("JMP", "jmp", [
    ["EB f64", "Jb"],
    ["E9 f64", "Jz"],
  ]),
  ...CONDITION_NAMES.map((name, cc) =>
    branch(
      `J${name}`,
      "jcc",
      [
        [`7${hex(cc)} f64`, "Jb"],
        [`0F 8${hex(cc)} f64`, "Jz"],
      ],
      cc,
    ),
  ),
  branch("CALL", "call", [["E8 f64", "Jz"]]),
  branch("JMP", "jmpIndirect", [["FF /4 f64", "Ev"]]),
  branch("CALL", "callIndirect", [["FF /2 f64", "Ev"]]),
  branch("RET", "ret", [["C3 f64"]]),
  branch("RET", "retImm", [["C2 f64", "Iw"]]),
  branch("LOOPNE", "loopne", [["E0 f64", "Jb"]]),
  branch("LOOPE", "loope", [["E1 f64", "Jb"]]),
  branch("LOOP", "loop", [["E2 f64", "Jb"]]),
  branch("JCXZ", "jcxz", [["E3 f64", "Jb"]]),
  stack("PUSH", "push", "pushOperand", [
    ["50+r d64", "Zv"],
    ["FF /6 d64", "Ev"],
    ["68 d64", "Iz"],
    ["6A d64", "Ibs"],
  ]),
  stack("POP", "pop", "popOperand", [
    ["58+r d64", "Zv"],
    ["8F /0 d64", "Ev"],
  ]),
  stack("LEAVE", "leave", "leaveSlow", [["C9 d64"]]),
];

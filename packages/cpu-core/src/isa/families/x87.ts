/**
 * x87 FPU: SDM Vol. 2 Appendix A.5, escape opcodes D8 to DF, with the aliases that processors accept though no manual lists them.
 * All work is done by the engine's functions in assembly/x87; conditional moves and FCOMI touch EFLAGS.
 */
import { type Entry, type OutlinedKind, outlined } from "../define.js";
import { RAX } from "../sem.js";

/** FADD and its five relatives: `digit` of the plain and of the reversed-destination (DC, DE) encodings. */
function arithmetic(name: string, fn: string, digit: number, digitTo: number): Entry[] {
  const integer = `FI${name.slice(1)}`;
  return [
    outlined(name, "fpuLoad", `${fn}M32`, [[`D8 /${digit} mem`, "Md"]]),
    outlined(name, "fpuLoad", `${fn}M64`, [[`DC /${digit} mem`, "Mq"]]),
    outlined(integer, "fpuLoad", `${fn}I32`, [[`DA /${digit} mem`, "Md"]]),
    outlined(integer, "fpuLoad", `${fn}I16`, [[`DE /${digit} mem`, "Mw"]]),
    outlined(name, "fpu", fn, [[`D8 /${digit} reg`, "STi"]]),
    outlined(name, "fpu", `${fn}To`, [[`DC /${digitTo} reg`, "STi"]]),
    outlined(`${name}P`, "fpu", `${fn}P`, [[`DE /${digitTo} reg`, "STi"]]),
  ];
}

/** FCOM and FCOMP with memory. */
function comparison(name: string, fn: string, digit: number): Entry[] {
  const integer = `FI${name.slice(1)}`;
  return [
    outlined(name, "fpuLoad", `${fn}M32`, [[`D8 /${digit} mem`, "Md"]]),
    outlined(name, "fpuLoad", `${fn}M64`, [[`DC /${digit} mem`, "Mq"]]),
    outlined(integer, "fpuLoad", `${fn}I32`, [[`DA /${digit} mem`, "Md"]]),
    outlined(integer, "fpuLoad", `${fn}I16`, [[`DE /${digit} mem`, "Mw"]]),
  ];
}

/** An instruction without operands, all of it in the opcode. */
const plain = (name: string, fn: string, ...opcodes: string[]): Entry =>
  outlined(
    name,
    "fpu",
    fn,
    opcodes.map((opcode) => [opcode] as const),
  );

/** The same that does not wait for pending exceptions. */
const silent = (name: string, fn: string, kind: OutlinedKind, ...encodings: (readonly [string, string?])[]): Entry =>
  outlined(name, kind, fn, encodings, { control: true });

const arithmeticEntries: Entry[] = [
  ...arithmetic("FADD", "x87Fadd", 0, 0),
  ...arithmetic("FMUL", "x87Fmul", 1, 1),
  ...arithmetic("FSUB", "x87Fsub", 4, 5),
  ...arithmetic("FSUBR", "x87Fsubr", 5, 4),
  ...arithmetic("FDIV", "x87Fdiv", 6, 7),
  ...arithmetic("FDIVR", "x87Fdivr", 7, 6),
  plain("FCHS", "x87Fchs", "D9 E0"),
  plain("FABS", "x87Fabs", "D9 E1"),
  plain("FSQRT", "x87Fsqrt", "D9 FA"),
  plain("FRNDINT", "x87Frndint", "D9 FC"),
  plain("FSCALE", "x87Fscale", "D9 FD"),
  plain("FXTRACT", "x87Fxtract", "D9 F4"),
  plain("FPREM1", "x87Fprem1", "D9 F5"),
  plain("FPREM", "x87Fprem", "D9 F8"),
];

const comparisonEntries: Entry[] = [
  ...comparison("FCOM", "x87Fcom", 2),
  ...comparison("FCOMP", "x87Fcomp", 3),
  outlined("FCOM", "fpu", "x87Fcom", [
    ["D8 /2 reg", "STi"],
    ["DC /2 reg", "STi"],
  ]),
  outlined("FCOMP", "fpu", "x87Fcomp", [
    ["D8 /3 reg", "STi"],
    ["DC /3 reg", "STi"],
    ["DE /2 reg", "STi"],
  ]),
  plain("FCOMPP", "x87Fcompp", "DE D9"),
  outlined("FUCOM", "fpu", "x87Fucom", [["DD /4 reg", "STi"]]),
  outlined("FUCOMP", "fpu", "x87Fucomp", [["DD /5 reg", "STi"]]),
  plain("FUCOMPP", "x87Fucompp", "DA E9"),
  outlined("FUCOMI", "fpu", "x87Fucomi", [["DB /5 reg", "STi"]], { flags: true }),
  outlined("FCOMI", "fpu", "x87Fcomi", [["DB /6 reg", "STi"]], { flags: true }),
  outlined("FUCOMIP", "fpu", "x87Fucomip", [["DF /5 reg", "STi"]], { flags: true }),
  outlined("FCOMIP", "fpu", "x87Fcomip", [["DF /6 reg", "STi"]], { flags: true }),
  plain("FTST", "x87Ftst", "D9 E4"),
  plain("FXAM", "x87Fxam", "D9 E5"),
];

const moveEntries: Entry[] = [
  outlined("FLD", "fpuLoad", "x87FldM32", [["D9 /0 mem", "Md"]]),
  outlined("FLD", "fpuLoad", "x87FldM64", [["DD /0 mem", "Mq"]]),
  outlined("FLD", "fpuLoad", "x87FldM80", [["DB /5 mem", "Mt"]]),
  outlined("FLD", "fpu", "x87FldSti", [["D9 /0 reg", "STi"]]),
  outlined("FILD", "fpuLoad", "x87FildM16", [["DF /0 mem", "Mw"]]),
  outlined("FILD", "fpuLoad", "x87FildM32", [["DB /0 mem", "Md"]]),
  outlined("FILD", "fpuLoad", "x87FildM64", [["DF /5 mem", "Mq"]]),
  outlined("FBLD", "fpuLoad", "x87Fbld", [["DF /4 mem", "Mt"]]),
  outlined("FST", "fpuStore", "x87FstM32", [["D9 /2 mem", "Md"]]),
  outlined("FST", "fpuStore", "x87FstM64", [["DD /2 mem", "Mq"]]),
  outlined("FST", "fpu", "x87FstSti", [["DD /2 reg", "STi"]]),
  outlined("FSTP", "fpuStore", "x87FstpM32", [["D9 /3 mem", "Md"]]),
  outlined("FSTP", "fpuStore", "x87FstpM64", [["DD /3 mem", "Mq"]]),
  outlined("FSTP", "fpuStore", "x87FstpM80", [["DB /7 mem", "Mt"]]),
  outlined("FSTP", "fpu", "x87FstpSti", [
    ["DD /3 reg", "STi"],
    ["D9 /3 reg", "STi"],
    ["DF /2 reg", "STi"],
    ["DF /3 reg", "STi"],
  ]),
  outlined("FIST", "fpuStore", "x87FistM16", [["DF /2 mem", "Mw"]]),
  outlined("FIST", "fpuStore", "x87FistM32", [["DB /2 mem", "Md"]]),
  outlined("FISTP", "fpuStore", "x87FistpM16", [["DF /3 mem", "Mw"]]),
  outlined("FISTP", "fpuStore", "x87FistpM32", [["DB /3 mem", "Md"]]),
  outlined("FISTP", "fpuStore", "x87FistpM64", [["DF /7 mem", "Mq"]]),
  outlined("FISTTP", "fpuStore", "x87FisttpM16", [["DF /1 mem", "Mw"]]),
  outlined("FISTTP", "fpuStore", "x87FisttpM32", [["DB /1 mem", "Md"]]),
  outlined("FISTTP", "fpuStore", "x87FisttpM64", [["DD /1 mem", "Mq"]]),
  outlined("FBSTP", "fpuStore", "x87Fbstp", [["DF /6 mem", "Mt"]]),
  outlined("FXCH", "fpu", "x87Fxch", [
    ["D9 /1 reg", "STi"],
    ["DD /1 reg", "STi"],
    ["DF /1 reg", "STi"],
  ]),
  outlined("FCMOVB", "fpu", "x87Fcmovb", [["DA /0 reg", "STi"]], { flags: true }),
  outlined("FCMOVE", "fpu", "x87Fcmove", [["DA /1 reg", "STi"]], { flags: true }),
  outlined("FCMOVBE", "fpu", "x87Fcmovbe", [["DA /2 reg", "STi"]], { flags: true }),
  outlined("FCMOVU", "fpu", "x87Fcmovu", [["DA /3 reg", "STi"]], { flags: true }),
  outlined("FCMOVNB", "fpu", "x87Fcmovnb", [["DB /0 reg", "STi"]], { flags: true }),
  outlined("FCMOVNE", "fpu", "x87Fcmovne", [["DB /1 reg", "STi"]], { flags: true }),
  outlined("FCMOVNBE", "fpu", "x87Fcmovnbe", [["DB /2 reg", "STi"]], { flags: true }),
  outlined("FCMOVNU", "fpu", "x87Fcmovnu", [["DB /3 reg", "STi"]], { flags: true }),
  plain("FLD1", "x87Fld1", "D9 E8"),
  plain("FLDL2T", "x87Fldl2t", "D9 E9"),
  plain("FLDL2E", "x87Fldl2e", "D9 EA"),
  plain("FLDPI", "x87Fldpi", "D9 EB"),
  plain("FLDLG2", "x87Fldlg2", "D9 EC"),
  plain("FLDLN2", "x87Fldln2", "D9 ED"),
  plain("FLDZ", "x87Fldz", "D9 EE"),
];

const transcendentalEntries: Entry[] = [
  plain("F2XM1", "x87F2xm1", "D9 F0"),
  plain("FYL2X", "x87Fyl2x", "D9 F1"),
  plain("FPTAN", "x87Fptan", "D9 F2"),
  plain("FPATAN", "x87Fpatan", "D9 F3"),
  plain("FYL2XP1", "x87Fyl2xp1", "D9 F9"),
  plain("FSINCOS", "x87Fsincos", "D9 FB"),
  plain("FSIN", "x87Fsin", "D9 FE"),
  plain("FCOS", "x87Fcos", "D9 FF"),
];

const controlEntries: Entry[] = [
  plain("FNOP", "x87Fnop", "D9 D0"),
  plain("FDECSTP", "x87Fdecstp", "D9 F6"),
  plain("FINCSTP", "x87Fincstp", "D9 F7"),
  outlined("FFREE", "fpu", "x87Ffree", [["DD /0 reg", "STi"]]),
  outlined("FFREEP", "fpu", "x87Ffreep", [["DF /0 reg", "STi"]]),
  outlined("FLDCW", "fpuLoad", "x87Fldcw", [["D9 /5 mem", "Mw"]]),
  silent("FNSTCW", "x87Fnstcw", "fpuStore", ["D9 /7 mem", "Mw"]),
  silent("FNSTSW", "x87Fnstsw", "fpuStore", ["DD /7 mem", "Mw"]),
  outlined("FNSTSW", "fpu", "x87FnstswAx", [["DF E0"]], { control: true, general: [RAX] }),
  silent("FNCLEX", "x87Fnclex", "fpu", ["DB E2"]),
  silent("FNINIT", "x87Fninit", "fpu", ["DB E3"]),
  silent("FNENI", "x87Fnop", "fpu", ["DB E0"]),
  silent("FNDISI", "x87Fnop", "fpu", ["DB E1"]),
  silent("FNSETPM", "x87Fnop", "fpu", ["DB E4"]),
  outlined("FLDENV", "sysMem", "x87Fldenv", [["D9 /4 mem", "M"]]),
  outlined("FNSTENV", "sysMem", "x87Fnstenv", [["D9 /6 mem", "M"]]),
  outlined("FRSTOR", "sysMem", "x87Frstor", [["DD /4 mem", "M"]]),
  outlined("FNSAVE", "sysMem", "x87Fnsave", [["DD /6 mem", "M"]]),
  outlined("FWAIT", "sys", "x87Fwait", [["9B"]]),
  outlined("EMMS", "sys", "x87Emms", [["NP 0F 77"]]),
];

/** Everything the escape opcodes mean, FWAIT and EMMS. */
export const x87: readonly Entry[] = [
  ...moveEntries,
  ...arithmeticEntries,
  ...comparisonEntries,
  ...transcendentalEntries,
  ...controlEntries,
];

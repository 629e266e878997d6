/** Floating-point arithmetic, logic and comparison of SSE, SSE2 and SSE3. SDM Vol. 2; functions in assembly/sse/{arith,compare,approximate}.ts. */
import { type Entry, type OutlinedEntry, outlined } from "../define.js";

const sse = { feature: "sse" };
const sse2 = { feature: "sse2" };
const sse3 = { feature: "sse3" };

/** The four forms of an operation: packed and scalar, single and double. */
const four = (stem: string, opcode: string, immediate = ""): OutlinedEntry[] => {
  const fn = stem.toLowerCase();
  return [
    outlined(`${stem}PS`, "vec", `${fn}ps`, [[`NP 0F ${opcode} /r`, `Vx,Wx${immediate}`]], sse),
    outlined(`${stem}PD`, "vec", `${fn}pd`, [[`66 0F ${opcode} /r`, `Vx,Wx${immediate}`]], sse2),
    outlined(`${stem}SS`, "vec", `${fn}ss`, [[`F3 0F ${opcode} /r`, `Vx,Wd${immediate}`]], sse),
    outlined(`${stem}SD`, "vec", `${fn}sd`, [[`F2 0F ${opcode} /r`, `Vx,Wq${immediate}`]], sse2),
  ];
};
/** Bitwise operations do not care what the bits mean. */
const logic = (stem: string, opcode: string, fn: string): OutlinedEntry[] => [
  outlined(`${stem}PS`, "vec", fn, [[`NP 0F ${opcode} /r`, "Vx,Wx"]], sse),
  outlined(`${stem}PD`, "vec", fn, [[`66 0F ${opcode} /r`, "Vx,Wx"]], sse2),
];
/** The SSE3 pairs: double by 66, single by F2. */
const pair = (stem: string, opcode: string): OutlinedEntry[] => [
  outlined(`${stem}PD`, "vec", `${stem.toLowerCase()}pd`, [[`66 0F ${opcode} /r`, "Vx,Wx"]], sse3),
  outlined(`${stem}PS`, "vec", `${stem.toLowerCase()}ps`, [[`F2 0F ${opcode} /r`, "Vx,Wx"]], sse3),
];

export const sseFloat: readonly Entry[] = [
  ...four("SQRT", "51"),
  ...four("ADD", "58"),
  ...four("MUL", "59"),
  ...four("SUB", "5C"),
  ...four("MIN", "5D"),
  ...four("DIV", "5E"),
  ...four("MAX", "5F"),
  ...four("CMP", "C2", ",Ib"),
  ...logic("AND", "54", "pand"),
  ...logic("ANDN", "55", "pandn"),
  ...logic("OR", "56", "por"),
  ...logic("XOR", "57", "pxor"),
  outlined("RSQRTPS", "vec", "rsqrtps", [["NP 0F 52 /r", "Vx,Wx"]], sse),
  outlined("RSQRTSS", "vec", "rsqrtss", [["F3 0F 52 /r", "Vx,Wd"]], sse),
  outlined("RCPPS", "vec", "rcpps", [["NP 0F 53 /r", "Vx,Wx"]], sse),
  outlined("RCPSS", "vec", "rcpss", [["F3 0F 53 /r", "Vx,Wd"]], sse),
  outlined("UCOMISS", "vec", "ucomiss", [["NP 0F 2E /r", "Vx,Wd"]], { feature: "sse", flags: true }),
  outlined("UCOMISD", "vec", "ucomisd", [["66 0F 2E /r", "Vx,Wq"]], { feature: "sse2", flags: true }),
  outlined("COMISS", "vec", "comiss", [["NP 0F 2F /r", "Vx,Wd"]], { feature: "sse", flags: true }),
  outlined("COMISD", "vec", "comisd", [["66 0F 2F /r", "Vx,Wq"]], { feature: "sse2", flags: true }),
  ...pair("HADD", "7C"),
  ...pair("HSUB", "7D"),
  ...pair("ADDSUB", "D0"),
];

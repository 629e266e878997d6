/** Moves, shuffles and unpacks of XMM registers up to SSE3. SDM Vol. 2; functions in assembly/sse/moves.ts and integer.ts. */
import { type Entry, type EncodingSpec, family, type OutlinedEntry, outlined } from "../define.js";
import { RDI } from "../sem.js";

const sse = { feature: "sse" };
const sse2 = { feature: "sse2" };
const sse3 = { feature: "sse3" };

/** A load in both forms and the store: opcodes after the prefix; `w` is Wx (aligned) or Wu. */
const copies = (
  mnemonic: string,
  prefix: string,
  loadOpcode: string,
  storeOpcode: string,
  w: string,
  options: { feature: string },
): OutlinedEntry[] => [
  outlined(mnemonic, "vec", "copy128", [[`${prefix} 0F ${loadOpcode} /r`, `Vx,${w}`]], options),
  outlined(mnemonic, "vecStore", "copy128", [[`${prefix} 0F ${storeOpcode} /r`, `${w},Vx`]], options),
];
const one = (mnemonic: string, kind: "vec" | "vecStore", fn: string, encoding: EncodingSpec, options: { feature: string }): OutlinedEntry =>
  outlined(mnemonic, kind, fn, [encoding], options);

export const sseMove: readonly Entry[] = [
  ...copies("MOVUPS", "NP", "10", "11", "Wu", sse),
  ...copies("MOVAPS", "NP", "28", "29", "Wx", sse),
  ...copies("MOVUPD", "66", "10", "11", "Wu", sse2),
  ...copies("MOVAPD", "66", "28", "29", "Wx", sse2),
  ...copies("MOVDQA", "66", "6F", "7F", "Wx", sse2),
  ...copies("MOVDQU", "F3", "6F", "7F", "Wu", sse2),
  one("LDDQU", "vec", "copy128", ["F2 0F F0 /r mem", "Vx,Mx"], sse3),
  outlined("MOVNTPS", "vecStore", "copy128", [["NP 0F 2B /r mem", "Mx,Vx"]], { feature: "sse", aligned: true }),
  outlined("MOVNTPD", "vecStore", "copy128", [["66 0F 2B /r mem", "Mx,Vx"]], { feature: "sse2", aligned: true }),
  outlined("MOVNTDQ", "vecStore", "copy128", [["66 0F E7 /r mem", "Mx,Vx"]], { feature: "sse2", aligned: true }),
  family("MOVNTI", {
    encodings: [["NP 0F C3 /r mem", "My,Gy"]],
    roles: "w,r",
    feature: "sse2",
    meaning: (_, [, source]) => ({ out: { 0: source! } }),
  }),
  outlined("MASKMOVDQU", "stay", "maskmovdqu", [["66 0F F7 /r reg", "Vx,Ux"]], { ...sse2, general: [RDI] }),

  // Scalars: loads clear the rest of the register, moves between registers keep it.
  one("MOVSS", "vec", "load32", ["F3 0F 10 /r mem", "Vx,Md"], sse),
  one("MOVSS", "vec", "copy32", ["F3 0F 10 /r reg", "Vx,Ux"], sse),
  one("MOVSS", "vecStore", "copy32", ["F3 0F 11 /r", "Wd,Vx"], sse),
  one("MOVSD", "vec", "load64", ["F2 0F 10 /r mem", "Vx,Mq"], sse2),
  one("MOVSD", "vec", "copy64", ["F2 0F 10 /r reg", "Vx,Ux"], sse2),
  one("MOVSD", "vecStore", "copy64", ["F2 0F 11 /r", "Wq,Vx"], sse2),
  one("MOVD", "vec", "load32", ["66 0F 6E /r W0", "Vx,Ed"], sse2),
  one("MOVQ", "vec", "load64", ["66 REX.W 0F 6E /r", "Vx,Eq"], sse2),
  one("MOVD", "vecStore", "toGeneral32", ["66 0F 7E /r W0 reg", "Ed,Vx"], sse2),
  one("MOVD", "vecStore", "copy32", ["66 0F 7E /r W0 mem", "Md,Vx"], sse2),
  one("MOVQ", "vecStore", "copy64", ["66 REX.W 0F 7E /r", "Eq,Vx"], sse2),
  one("MOVQ", "vec", "load64", ["F3 0F 7E /r", "Vx,Wq"], sse2),
  one("MOVQ", "vecStore", "load64", ["66 0F D6 /r reg", "Ux,Vx"], sse2),
  one("MOVQ", "vecStore", "copy64", ["66 0F D6 /r mem", "Mq,Vx"], sse2),

  // Halves
  one("MOVLPS", "vec", "copy64", ["NP 0F 12 /r mem", "Vx,Mq"], sse),
  one("MOVHLPS", "vec", "copyFromUpper", ["NP 0F 12 /r reg", "Vx,Ux"], sse),
  one("MOVLPS", "vecStore", "copy64", ["NP 0F 13 /r mem", "Mq,Vx"], sse),
  one("MOVHPS", "vec", "copyToUpper", ["NP 0F 16 /r mem", "Vx,Mq"], sse),
  one("MOVLHPS", "vec", "copyToUpper", ["NP 0F 16 /r reg", "Vx,Ux"], sse),
  one("MOVHPS", "vecStore", "copyFromUpper", ["NP 0F 17 /r mem", "Mq,Vx"], sse),
  one("MOVLPD", "vec", "copy64", ["66 0F 12 /r mem", "Vx,Mq"], sse2),
  one("MOVLPD", "vecStore", "copy64", ["66 0F 13 /r mem", "Mq,Vx"], sse2),
  one("MOVHPD", "vec", "copyToUpper", ["66 0F 16 /r mem", "Vx,Mq"], sse2),
  one("MOVHPD", "vecStore", "copyFromUpper", ["66 0F 17 /r mem", "Mq,Vx"], sse2),

  // Shuffles
  one("MOVDDUP", "vec", "movddup", ["F2 0F 12 /r", "Vx,Wq"], sse3),
  one("MOVSLDUP", "vec", "movsldup", ["F3 0F 12 /r", "Vx,Wx"], sse3),
  one("MOVSHDUP", "vec", "movshdup", ["F3 0F 16 /r", "Vx,Wx"], sse3),
  one("UNPCKLPS", "vec", "unpcklps", ["NP 0F 14 /r", "Vx,Wx"], sse),
  one("UNPCKHPS", "vec", "unpckhps", ["NP 0F 15 /r", "Vx,Wx"], sse),
  one("UNPCKLPD", "vec", "unpcklpd", ["66 0F 14 /r", "Vx,Wx"], sse2),
  one("UNPCKHPD", "vec", "unpckhpd", ["66 0F 15 /r", "Vx,Wx"], sse2),
  one("SHUFPS", "vec", "shufps", ["NP 0F C6 /r", "Vx,Wx,Ib"], sse),
  one("SHUFPD", "vec", "shufpd", ["66 0F C6 /r", "Vx,Wx,Ib"], sse2),
  one("MOVMSKPS", "vec", "movmskps", ["NP 0F 50 /r reg", "Gd,Ux"], sse),
  one("MOVMSKPD", "vec", "movmskpd", ["66 0F 50 /r reg", "Gd,Ux"], sse2),
];

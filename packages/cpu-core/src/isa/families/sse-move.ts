/** Moves, shuffles and unpacks of XMM registers up to SSE3. SDM Vol. 2. */
import { type EncodingSpec, type Entry, type EntryOptions, family, outlined, vector, type VectorEntry } from "../define.js";
import { RDI } from "../sem.js";
import type { VectorSem } from "../vector-sem.js";
import { type Combination, shuffleDoubles, shuffleSingles, unpack } from "./sse-integer.js";

const sse = { feature: "sse" };
const sse2 = { feature: "sse2" };
const sse3 = { feature: "sse3" };

/** The second operand into the first, whole. */
const copy = (mnemonic: string, encoding: EncodingSpec, options: EntryOptions): VectorEntry =>
  vector(mnemonic, "copy", [encoding], "w,r", (_, [, a]) => ({ out: a! }), options);
/** A load in both forms and the store: opcodes after the prefix; `w` is Wx (aligned) or Wu. */
const copies = (mnemonic: string, prefix: string, load: string, store: string, w: string, options: EntryOptions): VectorEntry[] => [
  copy(mnemonic, [`${prefix} 0F ${load} /r`, `Vx,${w}`], options),
  copy(mnemonic, [`${prefix} 0F ${store} /r`, `${w},Vx`], options),
];
/** The result is made of the second operand alone. */
const from = (
  mnemonic: string,
  name: string,
  encoding: EncodingSpec,
  options: EntryOptions,
  meaning: <V>(b: VectorSem<V>, a: V) => V,
): VectorEntry => vector(mnemonic, name, [encoding], "w,r", (b, [, a]) => ({ out: meaning(b, a!) }), options);
/** The result is made of both operands. */
const both = (mnemonic: string, name: string, encoding: EncodingSpec, options: EntryOptions, meaning: Combination): VectorEntry =>
  vector(mnemonic, name, [encoding], "rw,r", (b, [a, c]) => ({ out: meaning(b, a!, c!) }), options);

/** The low 4 or 8 bytes of the source, the rest of the destination stays. */
const lowBytes =
  (bytes: 4 | 8): Combination =>
  (b, a, c) =>
    b.shuffle(
      a,
      c,
      Array.from({ length: 16 }, (_, i) => (i < bytes ? i + 16 : i)),
    );
const lowToUpper: Combination = unpack(8, 0);
const upperToLow: Combination = (b, a, c) => b.shuffle(c, a, [8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31]);
const lowQuadword = <V>(b: VectorSem<V>, a: V): V => b.halves(b.lane(a, 64, 0), b.imm(0));

const integerIn = (mnemonic: string, encoding: EncodingSpec): VectorEntry =>
  from(mnemonic, "fromInteger", encoding, sse2, (b, a) => b.halves(a, b.imm(0)));
const integerOut = (mnemonic: string, bits: 32 | 64, encoding: EncodingSpec): VectorEntry =>
  from(mnemonic, `toInteger${bits}`, encoding, sse2, (b, a) => b.lane(a, bits, 0));

export const sseMove: readonly Entry[] = [
  ...copies("MOVUPS", "NP", "10", "11", "Wu", sse),
  ...copies("MOVAPS", "NP", "28", "29", "Wx", sse),
  ...copies("MOVUPD", "66", "10", "11", "Wu", sse2),
  ...copies("MOVAPD", "66", "28", "29", "Wx", sse2),
  ...copies("MOVDQA", "66", "6F", "7F", "Wx", sse2),
  ...copies("MOVDQU", "F3", "6F", "7F", "Wu", sse2),
  copy("LDDQU", ["F2 0F F0 /r mem", "Vx,Wu"], sse3),
  copy("MOVNTPS", ["NP 0F 2B /r mem", "Wx,Vx"], sse),
  copy("MOVNTPD", ["66 0F 2B /r mem", "Wx,Vx"], sse2),
  copy("MOVNTDQ", ["66 0F E7 /r mem", "Wx,Vx"], sse2),
  family("MOVNTI", {
    encodings: [["NP 0F C3 /r mem", "My,Gy"]],
    roles: "w,r",
    feature: "sse2",
    meaning: (_, [, source]) => ({ out: { 0: source! } }),
  }),
  outlined("MASKMOVDQU", "stay", "maskmovdqu", [["66 0F F7 /r reg", "Vx,Ux"]], { ...sse2, general: [RDI] }),

  // Scalars: loads clear the rest of the register, moves between registers keep it.
  copy("MOVSS", ["F3 0F 10 /r mem", "Vx,Wd"], sse),
  both("MOVSS", "low32", ["F3 0F 10 /r reg", "Vx,Ux"], sse, lowBytes(4)),
  copy("MOVSS", ["F3 0F 11 /r mem", "Wd,Vx"], sse),
  both("MOVSS", "low32", ["F3 0F 11 /r reg", "Ux,Vx"], sse, lowBytes(4)),
  copy("MOVSD", ["F2 0F 10 /r mem", "Vx,Wq"], sse2),
  both("MOVSD", "low64", ["F2 0F 10 /r reg", "Vx,Ux"], sse2, lowBytes(8)),
  copy("MOVSD", ["F2 0F 11 /r mem", "Wq,Vx"], sse2),
  both("MOVSD", "low64", ["F2 0F 11 /r reg", "Ux,Vx"], sse2, lowBytes(8)),
  integerIn("MOVD", ["66 0F 6E /r W0", "Vx,Ed"]),
  integerIn("MOVQ", ["66 REX.W 0F 6E /r", "Vx,Eq"]),
  integerOut("MOVD", 32, ["66 0F 7E /r W0", "Ed,Vx"]),
  integerOut("MOVQ", 64, ["66 REX.W 0F 7E /r", "Eq,Vx"]),
  copy("MOVQ", ["F3 0F 7E /r mem", "Vx,Wq"], sse2),
  from("MOVQ", "lowQuadword", ["F3 0F 7E /r reg", "Vx,Ux"], sse2, lowQuadword),
  from("MOVQ", "lowQuadword", ["66 0F D6 /r reg", "Ux,Vx"], sse2, lowQuadword),
  copy("MOVQ", ["66 0F D6 /r mem", "Wq,Vx"], sse2),

  // Halves
  both("MOVLPS", "low64", ["NP 0F 12 /r mem", "Vx,Wq"], sse, lowBytes(8)),
  both("MOVHLPS", "upperToLow", ["NP 0F 12 /r reg", "Vx,Ux"], sse, upperToLow),
  copy("MOVLPS", ["NP 0F 13 /r mem", "Wq,Vx"], sse),
  both("MOVHPS", "lowToUpper", ["NP 0F 16 /r mem", "Vx,Wq"], sse, lowToUpper),
  both("MOVLHPS", "lowToUpper", ["NP 0F 16 /r reg", "Vx,Ux"], sse, lowToUpper),
  from("MOVHPS", "upper", ["NP 0F 17 /r mem", "Wq,Vx"], sse, (b, a) => upperToLow(b, a, a)),
  both("MOVLPD", "low64", ["66 0F 12 /r mem", "Vx,Wq"], sse2, lowBytes(8)),
  copy("MOVLPD", ["66 0F 13 /r mem", "Wq,Vx"], sse2),
  both("MOVHPD", "lowToUpper", ["66 0F 16 /r mem", "Vx,Wq"], sse2, lowToUpper),
  from("MOVHPD", "upper", ["66 0F 17 /r mem", "Wq,Vx"], sse2, (b, a) => upperToLow(b, a, a)),

  // Shuffles
  from("MOVDDUP", "MOVDDUP", ["F2 0F 12 /r", "Vx,Wq"], sse3, (b, a) => lowToUpper(b, a, a)),
  from("MOVSLDUP", "MOVSLDUP", ["F3 0F 12 /r", "Vx,Wx"], sse3, (b, a) =>
    b.shuffle(a, a, [0, 1, 2, 3, 0, 1, 2, 3, 8, 9, 10, 11, 8, 9, 10, 11]),
  ),
  from("MOVSHDUP", "MOVSHDUP", ["F3 0F 16 /r", "Vx,Wx"], sse3, (b, a) =>
    b.shuffle(a, a, [4, 5, 6, 7, 4, 5, 6, 7, 12, 13, 14, 15, 12, 13, 14, 15]),
  ),
  both("UNPCKLPS", "PUNPCKLDQ", ["NP 0F 14 /r", "Vx,Wx"], sse, unpack(4, 0)),
  both("UNPCKHPS", "PUNPCKHDQ", ["NP 0F 15 /r", "Vx,Wx"], sse, unpack(4, 8)),
  both("UNPCKLPD", "PUNPCKLQDQ", ["66 0F 14 /r", "Vx,Wx"], sse2, unpack(8, 0)),
  both("UNPCKHPD", "PUNPCKHQDQ", ["66 0F 15 /r", "Vx,Wx"], sse2, unpack(8, 8)),
  vector("SHUFPS", "SHUFPS", [["NP 0F C6 /r", "Vx,Wx,Ib"]], "rw,r,r", (b, [a, c, imm]) => ({ out: shuffleSingles(b, a!, c!, imm!) }), sse),
  vector("SHUFPD", "SHUFPD", [["66 0F C6 /r", "Vx,Wx,Ib"]], "rw,r,r", (b, [a, c, imm]) => ({ out: shuffleDoubles(b, a!, c!, imm!) }), sse2),
  from("MOVMSKPS", "MOVMSKPS", ["NP 0F 50 /r reg", "Gd,Ux"], sse, (b, a) => b.summary("i32x4.bitmask", a)),
  from("MOVMSKPD", "MOVMSKPD", ["66 0F 50 /r reg", "Gd,Ux"], sse2, (b, a) => b.summary("i64x2.bitmask", a)),
];

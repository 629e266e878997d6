/** SSE4.1 and SSE4.2 (CRC32 is with the general instructions). SDM Vol. 2; functions in assembly/sse/{sse41,round,strings}.ts. */
import { type EncodingSpec, type Entry, outlined, type OutlinedEntry, vector, type VectorEntry } from "../define.js";
import { RAX, RCX, RDX } from "../sem.js";
import type { VectorSem } from "../vector-sem.js";
import { roundings } from "./sse-convert.js";
import { chosenLane, evenProducts, packedInteger, withChosenLane } from "./sse-integer.js";

const sse41 = { feature: "sse4.1" };
const strings = { feature: "sse4.2", flags: true };
/** Lengths in RAX and RDX. */
const explicitMask = { ...strings, general: [RAX, RDX] };
const explicitIndex = { ...strings, general: [RAX, RCX, RDX] };
const implicitIndex = { ...strings, general: [RCX] };

/** PMOVSXxx, PMOVZXxx: as many steps as it takes from the source's elements to the result's; the source is as wide as the elements need. */
const extend = (suffix: string, opcode: string, w: string, steps: readonly ("i16x8" | "i32x4" | "i64x2")[]): VectorEntry[] =>
  (["s", "u"] as const).map((sign) => {
    const widening = {
      i16x8: `i16x8.extend_low_i8x16_${sign}`,
      i32x4: `i32x4.extend_low_i16x8_${sign}`,
      i64x2: `i64x2.extend_low_i32x4_${sign}`,
    } as const;
    const mnemonic = `PMOV${sign === "s" ? "S" : "Z"}X${suffix}`;
    return vector(
      mnemonic,
      mnemonic,
      [[`66 0F 38 ${sign === "s" ? 2 : 3}${opcode} /r`, `Vx,${w}`]],
      "w,r",
      (b, [, a]) => ({ out: steps.reduce<typeof a>((value, lanes) => b.vector(widening[lanes], value!), a)! }),
      sse41,
    );
  });
const functionWithImmediate = (mnemonic: string, opcode: string): OutlinedEntry =>
  outlined(mnemonic, "vec", mnemonic.toLowerCase(), [[`66 0F 3A ${opcode} /r`, "Vx,Wx,Ib"]], sse41);

/** Elements of the source where `mask`'s elements are negative. XMM0 is the implied mask of the variable forms. */
const blendByMask = (mnemonic: string, opcode: string, lanes: "i8x16" | "i32x4" | "i64x2"): VectorEntry =>
  vector(
    mnemonic,
    mnemonic,
    [[`66 0F 38 ${opcode} /r`, "Vx,Wx"]],
    "rw,r",
    (b, [a, c]) => ({ out: b.vector("v128.bitselect", c!, a!, b.vectorShift(`${lanes}.shr_s`, b.xmm0(), b.imm(63))) }),
    sse41,
  );
/** All ones in the `bits` wide lanes whose bit of `imm` is set. */
const laneMask = <V>(b: VectorSem<V>, imm: V, bits: 16 | 32 | 64): V => {
  const half = (first: number): V =>
    Array.from({ length: 64 / bits }, (_, i) =>
      b.mul(b.shl(b.and(b.shr(imm, b.imm(first + i)), b.imm(1)), b.imm(i * bits)), b.imm(BigInt.asUintN(bits, -1n))),
    ).reduce((x, y) => b.or(x, y));
  return b.halves(half(0), half(64 / bits));
};
const blendByImmediate = (mnemonic: string, opcode: string, bits: 16 | 32 | 64): VectorEntry =>
  vector(
    mnemonic,
    mnemonic,
    [[`66 0F 3A ${opcode} /r`, "Vx,Wx,Ib"]],
    "rw,r,r",
    (b, [a, c, imm]) => ({ out: b.vector("v128.bitselect", c!, a!, laneMask(b, imm!, bits)) }),
    sse41,
  );
const extract = (mnemonic: string, bits: 8 | 16 | 32 | 64, encodings: readonly EncodingSpec[]): VectorEntry =>
  vector(mnemonic, `extract${bits}`, encodings, "w,r,r", (b, [, a, imm]) => ({ out: chosenLane(b, a!, bits, imm!) }), sse41);
const insert = (mnemonic: string, bits: 8 | 16 | 32 | 64, encodings: readonly EncodingSpec[]): VectorEntry =>
  vector(mnemonic, mnemonic, encodings, "rw,r,r", (b, [a, value, imm]) => ({ out: withChosenLane(b, a!, bits, imm!, value!) }), sse41);
/** INSERTPS: imm8 bits 4-5 say where, bits 0-3 what becomes zero. */
const insertSingle = <V>(b: VectorSem<V>, a: V, value: V, imm: V): V =>
  b.vector("v128.andnot", withChosenLane(b, a, 32, b.shr(imm, b.imm(4)), value), laneMask(b, imm, 32));

/** PTEST: ZF for no common bit, CF when the source has none outside the destination. */
const test = <V>(b: VectorSem<V>, a: V, c: V): V => {
  const none = (v: V): V => b.xor(b.summary("v128.any_true", v), b.imm(1));
  return b.or(b.shl(none(b.vector("v128.and", a, c)), b.imm(6)), none(b.vector("v128.andnot", c, a)));
};

export const sse4: readonly Entry[] = [
  ...packedInteger(
    "sse4.1",
    `PCMPEQQ 38 29 i64x2.eq, PACKUSDW 38 2B i16x8.narrow_i32x4_u, PMINSB 38 38 i8x16.min_s, PMINSD 38 39 i32x4.min_s,
    PMINUW 38 3A i16x8.min_u, PMINUD 38 3B i32x4.min_u, PMAXSB 38 3C i8x16.max_s, PMAXSD 38 3D i32x4.max_s, PMAXUW 38 3E i16x8.max_u,
    PMAXUD 38 3F i32x4.max_u, PMULLD 38 40 i32x4.mul`,
  ),
  vector("PMULDQ", "PMULDQ", [["66 0F 38 28 /r", "Vx,Wx"]], "rw,r", (b, [a, c]) => ({ out: evenProducts("s")(b, a!, c!) }), sse41),
  blendByMask("PBLENDVB", "10", "i8x16"),
  blendByMask("BLENDVPS", "14", "i32x4"),
  blendByMask("BLENDVPD", "15", "i64x2"),
  outlined("PHMINPOSUW", "vec", "phminposuw", [["66 0F 38 41 /r", "Vx,Wx"]], sse41),
  vector(
    "PTEST",
    "PTEST",
    [["66 0F 38 17 /r", "Vx,Wx"]],
    "r,r",
    (b, [a, c]) => ({ flags: { kind: "bits", flags: test(b, a!, c!) } }),
    sse41,
  ),
  vector("MOVNTDQA", "copy", [["66 0F 38 2A /r mem", "Vx,Wx"]], "w,r", (_, [, a]) => ({ out: a! }), sse41),
  ...extend("BW", "0", "Wq", ["i16x8"]),
  ...extend("BD", "1", "Wd", ["i16x8", "i32x4"]),
  ...extend("BQ", "2", "Ww", ["i16x8", "i32x4", "i64x2"]),
  ...extend("WD", "3", "Wq", ["i32x4"]),
  ...extend("WQ", "4", "Wd", ["i32x4", "i64x2"]),
  ...extend("DQ", "5", "Wq", ["i64x2"]),
  ...roundings,
  blendByImmediate("BLENDPS", "0C", 32),
  blendByImmediate("BLENDPD", "0D", 64),
  blendByImmediate("PBLENDW", "0E", 16),
  functionWithImmediate("DPPS", "40"),
  functionWithImmediate("DPPD", "41"),
  functionWithImmediate("MPSADBW", "42"),
  extract("PEXTRB", 8, [
    ["66 0F 3A 14 /r reg", "Ed,Vx,Ib"],
    ["66 0F 3A 14 /r mem", "Mb,Vx,Ib"],
  ]),
  extract("PEXTRW", 16, [
    ["66 0F 3A 15 /r reg", "Ed,Vx,Ib"],
    ["66 0F 3A 15 /r mem", "Mw,Vx,Ib"],
  ]),
  extract("PEXTRD", 32, [["66 0F 3A 16 /r W0", "Ed,Vx,Ib"]]),
  extract("PEXTRQ", 64, [["66 REX.W 0F 3A 16 /r", "Eq,Vx,Ib"]]),
  extract("EXTRACTPS", 32, [["66 0F 3A 17 /r", "Ed,Vx,Ib"]]),
  insert("PINSRB", 8, [
    ["66 0F 3A 20 /r reg", "Vx,Ed,Ib"],
    ["66 0F 3A 20 /r mem", "Vx,Mb,Ib"],
  ]),
  vector(
    "INSERTPS",
    "INSERTPS",
    [["66 0F 3A 21 /r reg", "Vx,Ux,Ib"]],
    "rw,r,r",
    (b, [a, c, imm]) => ({ out: insertSingle(b, a!, b.let(chosenLane(b, c!, 32, b.shr(imm!, b.imm(6)))), imm!) }),
    sse41,
  ),
  vector(
    "INSERTPS",
    "INSERTPS",
    [["66 0F 3A 21 /r mem", "Vx,Md,Ib"]],
    "rw,r,r",
    (b, [a, value, imm]) => ({ out: insertSingle(b, a!, value!, imm!) }),
    sse41,
  ),
  insert("PINSRD", 32, [["66 0F 3A 22 /r W0", "Vx,Ed,Ib"]]),
  insert("PINSRQ", 64, [["66 REX.W 0F 3A 22 /r", "Vx,Eq,Ib"]]),

  ...packedInteger("sse4.2", "PCMPGTQ 38 37 i64x2.gt_s"),
  outlined("PCMPESTRM", "vec", "pcmpestrm32", [["66 0F 3A 60 /r W0", "Vx,Wu,Ib"]], explicitMask),
  outlined("PCMPESTRM", "vec", "pcmpestrm64", [["66 REX.W 0F 3A 60 /r", "Vx,Wu,Ib"]], explicitMask),
  outlined("PCMPESTRI", "vec", "pcmpestri32", [["66 0F 3A 61 /r W0", "Vx,Wu,Ib"]], explicitIndex),
  outlined("PCMPESTRI", "vec", "pcmpestri64", [["66 REX.W 0F 3A 61 /r", "Vx,Wu,Ib"]], explicitIndex),
  outlined("PCMPISTRM", "vec", "pcmpistrm", [["66 0F 3A 62 /r", "Vx,Wu,Ib"]], strings),
  outlined("PCMPISTRI", "vec", "pcmpistri", [["66 0F 3A 63 /r", "Vx,Wu,Ib"]], implicitIndex),
];

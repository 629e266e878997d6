/** SSE2 and SSSE3 integer instructions on XMM registers. SDM Vol. 2, under each mnemonic. */
import { type Entry, vector, type VectorEntry } from "../define.js";
import type { VectorOp, VectorSem, VectorShift } from "../vector-sem.js";

const sse2 = { feature: "sse2" };

/** What becomes of the destination and the source. */
export type Combination = <V>(b: VectorSem<V>, a: V, c: V) => V;

const op =
  (name: VectorOp): Combination =>
  (b, a, c) =>
    b.vector(name, a, c);

/** xmm, xmm/m128 with prefix 66; `opcode` follows 0F. */
const packed = (feature: string, mnemonic: string, opcode: string, meaning: VectorOp | Combination): VectorEntry => {
  const combine = typeof meaning === "string" ? op(meaning) : meaning;
  return vector(mnemonic, mnemonic, [[`66 0F ${opcode} /r`, "Vx,Wx"]], "rw,r", (b, [a, c]) => ({ out: combine(b, a!, c!) }), { feature });
};
/** Each line of `list`: mnemonic, opcode and the WebAssembly instruction that it is. */
export const packedInteger = (feature: string, list: string): VectorEntry[] =>
  list
    .trim()
    .split(/\s*,\s*/)
    .map((item) => {
      const words = item.split(" ");
      return packed(feature, words[0]!, words.slice(1, -1).join(" "), words.at(-1) as VectorOp);
    });

// -- what is not one instruction of WebAssembly ----------------------------------------------------------------------------------------------

/** Lanes of `bytes` bytes, alternately of the one and the other, from byte `from` on. */
const interleaved = (bytes: number, from: number): number[] =>
  Array.from({ length: 16 }, (_, i) => from + Math.floor(i / (2 * bytes)) * bytes + (i % bytes) + (Math.floor(i / bytes) % 2) * 16);
/** Every second lane of `bytes` bytes of the one, then of the other, beginning with lane `first`. */
const everySecond = (bytes: number, first: number): number[] =>
  Array.from({ length: 16 }, (_, i) => (Math.floor(i / bytes) * 2 + first) * bytes + (i % bytes));

export const unpack =
  (bytes: number, from: 0 | 8): Combination =>
  (b, a, c) =>
    b.shuffle(a, c, interleaved(bytes, from));

const upperProducts =
  (sign: "s" | "u"): Combination =>
  (b, a, c) =>
    b.shuffle(b.vector(`i32x4.extmul_low_i16x8_${sign}`, a, c), b.vector(`i32x4.extmul_high_i16x8_${sign}`, a, c), everySecond(2, 1));

/** The even doublewords, multiplied to quadwords. */
export const evenProducts =
  (sign: "s" | "u"): Combination =>
  (b, a, c) => {
    const even = <V>(s: VectorSem<V>, v: V): V => s.shuffle(v, v, everySecond(4, 0));
    return b.vector(`i64x2.extmul_low_i32x4_${sign}`, even(b, a), even(b, c));
  };

/** Sums of the absolute byte differences of each half. */
const sumOfDifferences: Combination = (b, a, c) => {
  const difference = b.vector("v128.or", b.vector("i8x16.sub_sat_u", a, c), b.vector("i8x16.sub_sat_u", c, a));
  const quarters = b.name(b.vector("i32x4.extadd_pairwise_i16x8_u", b.vector("i16x8.extadd_pairwise_i8x16_u", difference)));
  return b.vector(
    "i64x2.add",
    b.vector("v128.and", quarters, b.splat(64, b.imm(0xffffffff))),
    b.vectorShift("i64x2.shr_u", quarters, b.imm(32)),
  );
};

const horizontal =
  (bytes: 2 | 4, operation: VectorOp): Combination =>
  (b, a, c) =>
    b.vector(operation, b.shuffle(a, c, everySecond(bytes, 0)), b.shuffle(a, c, everySecond(bytes, 1)));

/** `a` negated where `c` is negative, zero where `c` is zero. */
const signs =
  (lanes: "i8x16" | "i16x8" | "i32x4"): Combination =>
  (b, a, c) => {
    const negative = b.name(b.vectorShift(`${lanes}.shr_s`, c, b.imm(31)));
    const turned = b.vector(`${lanes}.sub`, b.vector("v128.xor", a, negative), negative);
    return b.vector("v128.andnot", turned, b.vector(`${lanes}.eq`, c, b.splat(64, b.imm(0))));
  };

/** As the host's Q15 product, but (-1) * (-1) wraps instead of saturating. */
const roundedProducts: Combination = (b, a, c) => {
  const lowest = b.splat(16, b.imm(0x8000));
  const both = b.vector("v128.and", b.vector("i16x8.eq", a, lowest), b.vector("i16x8.eq", c, lowest));
  return b.vector("v128.xor", b.vector("i16x8.q15mulr_sat_s", a, c), both);
};

/** Unsigned bytes of `a` times signed bytes of `c`, neighbours added with saturation. */
const productsOfBytes: Combination = (b, a, c) => {
  const low = b.vectorShift("i16x8.shr_s", b.vectorShift("i16x8.shl", c, b.imm(8)), b.imm(8));
  const even = b.vector("i16x8.mul", b.vector("v128.and", a, b.splat(16, b.imm(0xff))), low);
  const odd = b.vector("i16x8.mul", b.vectorShift("i16x8.shr_u", a, b.imm(8)), b.vectorShift("i16x8.shr_s", c, b.imm(8)));
  return b.vector("i16x8.add_sat_s", even, odd);
};

// -- shifts: counts of the width and more give zero, or the sign -----------------------------------------------------------------------------

const shifted = <V>(b: VectorSem<V>, operation: VectorShift, width: number, a: V, count: V): V => {
  const fits = b.ltu(count, b.imm(width));
  return operation.endsWith("shr_s")
    ? b.vectorShift(operation, a, b.select(fits, count, b.imm(width - 1)))
    : b.selectVector(fits, b.vectorShift(operation, a, count), b.splat(64, b.imm(0)));
};
/** Shift by the low quadword of a register or memory, and by imm8 in group `group`. */
const shift = (mnemonic: string, opcode: string, group: string, operation: VectorShift, width: number): VectorEntry[] => [
  vector(
    mnemonic,
    mnemonic,
    [[`66 0F ${opcode} /r`, "Vx,Wx"]],
    "rw,r",
    (b, [a, c]) => ({ out: shifted(b, operation, width, a!, b.let(b.lane(c!, 64, 0))) }),
    sse2,
  ),
  vector(
    mnemonic,
    mnemonic,
    [[`66 0F ${group} reg`, "Ux,Ib"]],
    "rw,r",
    (b, [a, count]) => ({ out: shifted(b, operation, width, a!, count!) }),
    sse2,
  ),
];

// -- shuffles by an immediate: the control's bytes are computed, which costs nothing where the immediate is known -----------------------------

const IDENTITY = 0x0706050403020100n;
const EACH_BYTE = 0x0101010101010101n;
const UPPER = 8n * EACH_BYTE;

/** `a` moved right by `count` bytes (a value), zeroes or `above` coming in. */
export const bytesFrom = <V>(b: VectorSem<V>, a: V, above: V, count: V): V => {
  const step = b.let(b.mul(count, b.imm(EACH_BYTE)));
  return b.permute(a, above, b.halves(b.add(b.imm(IDENTITY), step), b.add(b.imm(IDENTITY + UPPER), step)));
};
/** Two bits of `imm`. */
const field = <V>(b: VectorSem<V>, imm: V, number: number): V => b.and(b.shr(imm, b.imm(2 * number)), b.imm(3));
/** Control bytes for four words within eight bytes. */
const wordControl = <V>(b: VectorSem<V>, imm: V): V => {
  const fields = [0, 1, 2, 3].map((i) => b.shl(field(b, imm, i), b.imm(16 * i))).reduce((x, y) => b.or(x, y));
  return b.add(b.mul(fields, b.imm(0x0202)), b.imm(0x0100010001000100n));
};
/** Control bytes for two doublewords, chosen by fields `first` and `first + 1`. */
const dwordControl = <V>(b: VectorSem<V>, imm: V, first: number): V => {
  const fields = b.or(field(b, imm, first), b.shl(field(b, imm, first + 1), b.imm(32)));
  return b.add(b.mul(fields, b.imm(0x04040404)), b.imm(0x0302010003020100n));
};
/** PSHUFD. */
const shuffleDwords = <V>(b: VectorSem<V>, a: V, imm: V): V => b.permute(a, a, b.halves(dwordControl(b, imm, 0), dwordControl(b, imm, 2)));
/** SHUFPS: two doublewords of `a`, then two of `c`. */
export const shuffleSingles = <V>(b: VectorSem<V>, a: V, c: V, imm: V): V =>
  b.permute(a, c, b.halves(dwordControl(b, imm, 0), b.add(dwordControl(b, imm, 2), b.imm(16n * EACH_BYTE))));
/** SHUFPD: a quadword of `a`, then one of `c`. */
export const shuffleDoubles = <V>(b: VectorSem<V>, a: V, c: V, imm: V): V => {
  const half = (bit: number, from: bigint): V =>
    b.add(b.imm(IDENTITY + from * EACH_BYTE), b.mul(b.and(b.shr(imm, b.imm(bit)), b.imm(1)), b.imm(UPPER)));
  return b.permute(a, c, b.halves(half(0, 0n), half(1, 16n)));
};
/** Lane number `index` (a value) of width `bits`, zero-extended. */
export const chosenLane = <V>(b: VectorSem<V>, a: V, bits: 8 | 16 | 32 | 64, index: V): V => {
  const from = b.mul(b.and(index, b.imm(128 / bits - 1)), b.imm(bits / 8));
  return b.lane(bytesFrom(b, a, b.splat(64, b.imm(0)), from), bits, 0);
};
/** `a` with that lane replaced. */
export const withChosenLane = <V>(b: VectorSem<V>, a: V, bits: 8 | 16 | 32 | 64, index: V, value: V): V => {
  const place = b.let(b.mul(b.and(index, b.imm(128 / bits - 1)), b.imm(bits)));
  // 16 is added to the control's bytes that are the lane's, whose values then come from the copies of `value`.
  const taken = b.imm((16n * EACH_BYTE) >> BigInt(64 - bits));
  const inLow = b.ltu(place, b.imm(64));
  const low = b.select(inLow, b.shl(taken, place), b.imm(0));
  const high = b.select(inLow, b.imm(0), b.shl(taken, place));
  const control = b.halves(b.add(b.imm(IDENTITY), low), b.add(b.imm(IDENTITY + UPPER), high));
  return b.permute(a, b.splat(bits, value), control);
};

const byImmediate = (mnemonic: string, pattern: string, feature: string, meaning: <V>(b: VectorSem<V>, a: V, imm: V) => V): VectorEntry =>
  vector(mnemonic, mnemonic, [[pattern, "Vx,Wx,Ib"]], "w,r,r", (b, [, a, imm]) => ({ out: meaning(b, a!, imm!) }), { feature });

/** PSRLDQ, PSLLDQ: more than 15 bytes leave nothing. */
const movedBytes = (mnemonic: string, group: string, meaning: <V>(b: VectorSem<V>, a: V, zero: V, count: V) => V): VectorEntry =>
  vector(
    mnemonic,
    mnemonic,
    [[`66 0F 73 ${group} reg`, "Ux,Ib"]],
    "rw,r",
    (b, [a, count]) => ({
      out: meaning(b, a!, b.splat(64, b.imm(0)), b.let(b.select(b.ltu(count!, b.imm(16)), count!, b.imm(16)))),
    }),
    sse2,
  );

export const sseInteger: readonly Entry[] = [
  ...packedInteger(
    "sse2",
    `PACKSSWB 63 i8x16.narrow_i16x8_s, PACKUSWB 67 i8x16.narrow_i16x8_u, PACKSSDW 6B i16x8.narrow_i32x4_s,
    PCMPGTB 64 i8x16.gt_s, PCMPGTW 65 i16x8.gt_s, PCMPGTD 66 i32x4.gt_s, PCMPEQB 74 i8x16.eq, PCMPEQW 75 i16x8.eq, PCMPEQD 76 i32x4.eq,
    PADDB FC i8x16.add, PADDW FD i16x8.add, PADDD FE i32x4.add, PADDQ D4 i64x2.add, PADDSB EC i8x16.add_sat_s, PADDSW ED i16x8.add_sat_s,
    PADDUSB DC i8x16.add_sat_u, PADDUSW DD i16x8.add_sat_u, PSUBB F8 i8x16.sub, PSUBW F9 i16x8.sub, PSUBD FA i32x4.sub, PSUBQ FB i64x2.sub,
    PSUBSB E8 i8x16.sub_sat_s, PSUBSW E9 i16x8.sub_sat_s, PSUBUSB D8 i8x16.sub_sat_u, PSUBUSW D9 i16x8.sub_sat_u,
    PMULLW D5 i16x8.mul, PMADDWD F5 i32x4.dot_i16x8_s, PAVGB E0 i8x16.avgr_u, PAVGW E3 i16x8.avgr_u, PMINUB DA i8x16.min_u,
    PMAXUB DE i8x16.max_u, PMINSW EA i16x8.min_s, PMAXSW EE i16x8.max_s, PAND DB v128.and, POR EB v128.or, PXOR EF v128.xor`,
  ),
  packed("sse2", "PANDN", "DF", (b, a, c) => b.vector("v128.andnot", c, a)),
  packed("sse2", "PUNPCKLBW", "60", unpack(1, 0)),
  packed("sse2", "PUNPCKLWD", "61", unpack(2, 0)),
  packed("sse2", "PUNPCKLDQ", "62", unpack(4, 0)),
  packed("sse2", "PUNPCKLQDQ", "6C", unpack(8, 0)),
  packed("sse2", "PUNPCKHBW", "68", unpack(1, 8)),
  packed("sse2", "PUNPCKHWD", "69", unpack(2, 8)),
  packed("sse2", "PUNPCKHDQ", "6A", unpack(4, 8)),
  packed("sse2", "PUNPCKHQDQ", "6D", unpack(8, 8)),
  packed("sse2", "PMULHW", "E5", upperProducts("s")),
  packed("sse2", "PMULHUW", "E4", upperProducts("u")),
  packed("sse2", "PMULUDQ", "F4", evenProducts("u")),
  packed("sse2", "PSADBW", "F6", sumOfDifferences),
  ...shift("PSRLW", "D1", "71 /2", "i16x8.shr_u", 16),
  ...shift("PSRAW", "E1", "71 /4", "i16x8.shr_s", 16),
  ...shift("PSLLW", "F1", "71 /6", "i16x8.shl", 16),
  ...shift("PSRLD", "D2", "72 /2", "i32x4.shr_u", 32),
  ...shift("PSRAD", "E2", "72 /4", "i32x4.shr_s", 32),
  ...shift("PSLLD", "F2", "72 /6", "i32x4.shl", 32),
  ...shift("PSRLQ", "D3", "73 /2", "i64x2.shr_u", 64),
  ...shift("PSLLQ", "F3", "73 /6", "i64x2.shl", 64),
  movedBytes("PSRLDQ", "/3", (b, a, zero, count) => bytesFrom(b, a, zero, count)),
  movedBytes("PSLLDQ", "/7", (b, a, zero, count) => bytesFrom(b, zero, a, b.let(b.sub(b.imm(16), count)))),
  byImmediate("PSHUFD", "66 0F 70 /r", "sse2", shuffleDwords),
  byImmediate("PSHUFLW", "F2 0F 70 /r", "sse2", (b, a, imm) => b.permute(a, a, b.halves(wordControl(b, imm), b.imm(IDENTITY + UPPER)))),
  byImmediate("PSHUFHW", "F3 0F 70 /r", "sse2", (b, a, imm) =>
    b.permute(a, a, b.halves(b.imm(IDENTITY), b.add(wordControl(b, imm), b.imm(UPPER)))),
  ),
  vector(
    "PINSRW",
    "PINSRW",
    [
      ["66 0F C4 /r reg", "Vx,Ed,Ib"],
      ["66 0F C4 /r mem", "Vx,Mw,Ib"],
    ],
    "rw,r,r",
    (b, [a, value, imm]) => ({ out: withChosenLane(b, a!, 16, imm!, value!) }),
    sse2,
  ),
  vector("PEXTRW", "PEXTRW", [["66 0F C5 /r reg", "Gd,Ux,Ib"]], "w,r,r", (b, [, a, imm]) => ({ out: chosenLane(b, a!, 16, imm!) }), sse2),
  vector("PMOVMSKB", "PMOVMSKB", [["66 0F D7 /r reg", "Gd,Ux"]], "w,r", (b, [, a]) => ({ out: b.summary("i8x16.bitmask", a!) }), sse2),

  packed("ssse3", "PHADDW", "38 01", horizontal(2, "i16x8.add")),
  packed("ssse3", "PHADDD", "38 02", horizontal(4, "i32x4.add")),
  packed("ssse3", "PHADDSW", "38 03", horizontal(2, "i16x8.add_sat_s")),
  packed("ssse3", "PHSUBW", "38 05", horizontal(2, "i16x8.sub")),
  packed("ssse3", "PHSUBD", "38 06", horizontal(4, "i32x4.sub")),
  packed("ssse3", "PHSUBSW", "38 07", horizontal(2, "i16x8.sub_sat_s")),
  packed("ssse3", "PSHUFB", "38 00", (b, a, c) => b.vector("i8x16.swizzle", a, b.vector("v128.and", c, b.splat(8, b.imm(0x8f))))),
  packed("ssse3", "PMADDUBSW", "38 04", productsOfBytes),
  packed("ssse3", "PSIGNB", "38 08", signs("i8x16")),
  packed("ssse3", "PSIGNW", "38 09", signs("i16x8")),
  packed("ssse3", "PSIGND", "38 0A", signs("i32x4")),
  packed("ssse3", "PMULHRSW", "38 0B", roundedProducts),
  packed("ssse3", "PABSB", "38 1C", (b, _, c) => b.vector("i8x16.abs", c)),
  packed("ssse3", "PABSW", "38 1D", (b, _, c) => b.vector("i16x8.abs", c)),
  packed("ssse3", "PABSD", "38 1E", (b, _, c) => b.vector("i32x4.abs", c)),
  vector(
    "PALIGNR",
    "PALIGNR",
    [["66 0F 3A 0F /r", "Vx,Wx,Ib"]],
    "rw,r,r",
    // Beyond 32 bytes there are zeroes; a count that large must not wrap a control byte.
    (b, [a, c, imm]) => ({ out: bytesFrom(b, c!, a!, b.select(b.ltu(imm!, b.imm(32)), imm!, b.imm(32))) }),
    { feature: "ssse3" },
  ),
];

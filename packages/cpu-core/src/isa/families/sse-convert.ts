/**
 * CVT* and ROUNDxx: the host's conversion where it is right (isa/sound.ts), else a function of assembly/sse/{convert,round}.ts. 64-bit integers
 * need REX.W. SDM Vol. 2A, 2B.
 */
import { type EncodingSpec, type Entry, outlined, type OutlinedEntry, vector, type VectorEntry } from "../define.js";
import { allOrdinary, maskedInexact, roundsAsHost, soundNarrowing } from "../sound.js";
import type { FloatType, VectorEffect, VectorSem } from "../vector-sem.js";

const sse = { feature: "sse" };
const sse2 = { feature: "sse2" };
const sse41 = { feature: "sse4.1" };

type Meaning = <V>(b: VectorSem<V>, a: V, c: V) => VectorEffect<V>;

/** A conversion whose exact function has its name; `roles` says whether something of the destination stays. */
const conversion = (
  mnemonic: string,
  encoding: EncodingSpec,
  roles: "rw,r" | "w,r",
  options: { feature: string },
  meaning: Meaning,
): VectorEntry =>
  vector(mnemonic, mnemonic, [encoding], roles, (b, [a, c]) => meaning(b, a!, c!), { ...options, exact: mnemonic.toLowerCase() });

// -- from and to general registers -----------------------------------------------------------------------------------------------------------

/** The host converts from 64 bits for both widths. From 32 bits to a double it is always exact. */
const fromGeneral = (mnemonic: string, type: FloatType, prefix: string, options: { feature: string }): VectorEntry[] =>
  ([32, 64] as const).map((bits) =>
    vector(
      mnemonic,
      `${mnemonic}${bits}`,
      [bits === 32 ? [`${prefix} 0F 2A /r W0`, "Vx,Ed"] : [`${prefix} REX.W 0F 2A /r`, "Vx,Eq"]],
      "rw,r",
      (b, [a, value]) => {
        const result = b.name(b.convert(`${type}.convert_i64_s`, b.sext(value!, bits)));
        const out = b.withFloat(type, a!, result);
        if (bits === 32 && type === "f64") return { out, ordinary: type };
        const limit = type === "f32" ? 2 ** 24 : 2 ** 53;
        const exact = () => b.ltu(b.add(b.sext(value!, bits), b.imm(limit)), b.imm(2 * limit));
        return { out, ordinary: type, sound: b.and(roundsAsHost(b), b.orElse(b.inexactIsSet(), exact)) };
      },
      bits === 32 && type === "f64" ? options : { ...options, exact: `${mnemonic.toLowerCase()}${bits}` },
    ),
  );

/** A float within the range of the integer, either exact or with a PE that changes nothing. */
const toGeneral = (
  mnemonic: string,
  type: FloatType,
  truncating: boolean,
  prefix: string,
  opcode: string,
  options: { feature: string },
): VectorEntry[] =>
  ([32, 64] as const).map((bits) => {
    const w = type === "f32" ? "Wd" : "Wq";
    return vector(
      mnemonic,
      `${mnemonic}${bits}`,
      [bits === 32 ? [`${prefix} 0F ${opcode} /r W0`, `Gd,${w}`] : [`${prefix} REX.W 0F ${opcode} /r`, `Gq,${w}`]],
      "w,r",
      (b, [, c]) => {
        const x = b.name(b.float(type, c!));
        const whole = truncating ? x : b.name(b.floatOp(`${type}.nearest`, x));
        const fits = b.floatCompare(`${type}.lt`, b.floatOp(`${type}.abs`, whole), b.floatConstant(type, 2 ** (bits - 1)));
        const here = truncating ? maskedInexact(b) : roundsAsHost(b);
        const exact = () => b.floatCompare(`${type}.eq`, b.floatOp(`${type}.trunc`, whole), x);
        const free = b.orElse(b.inexactIsSet(), exact);
        return { out: b.let(b.convert(`i64.trunc_sat_${type}_s`, whole)), sound: b.and(b.and(here, free), fits) };
      },
      { ...options, exact: `${mnemonic.toLowerCase()}${bits}` },
    );
  });

// -- between vectors -------------------------------------------------------------------------------------------------------------------------

/** Every magnitude is below 2^31, so there is no NaN either. */
const fitsInt32 = <V>(b: VectorSem<V>, x: V): V =>
  b.summary("i32x4.all_true", b.vector("f32x4.lt", b.vector("f32x4.abs", x), b.splat(32, b.imm(0x4f000000))));

/** PE is set, or no lane of `c` has a fraction; the rounding that is wanted is the host's. */
const freeOfFractions = <V>(b: VectorSem<V>, lanes: "f32x4" | "f64x2", c: V, truncating: boolean): V => {
  const all = lanes === "f32x4" ? "i32x4.all_true" : "i64x2.all_true";
  const exact = () => b.summary(all, b.vector(`${lanes}.eq`, b.vector(`${lanes}.trunc`, c), c));
  return b.and(truncating ? maskedInexact(b) : roundsAsHost(b), b.orElse(b.inexactIsSet(), exact));
};
const singlesToIntegers = <V>(b: VectorSem<V>, c: V, truncating: boolean): VectorEffect<V> => {
  const whole = truncating ? c : b.name(b.vector("f32x4.nearest", c));
  const free = freeOfFractions(b, "f32x4", c, truncating);
  return { out: b.vector("i32x4.trunc_sat_f32x4_s", whole), sound: b.and(free, fitsInt32(b, whole)) };
};
const doublesToIntegers = <V>(b: VectorSem<V>, c: V, truncating: boolean): VectorEffect<V> => {
  const whole = truncating ? c : b.name(b.vector("f64x2.nearest", c));
  const free = freeOfFractions(b, "f64x2", c, truncating);
  const fits = b.vector("f64x2.lt", b.vector("f64x2.abs", whole), b.splat(64, b.imm(0x41dfffffffc00000n)));
  return { out: b.vector("i32x4.trunc_sat_f64x2_s_zero", whole), sound: b.and(free, b.summary("i64x2.all_true", fits)) };
};
/** Two singles become doubles exactly; what lies above them does not count. */
const widened = <V>(b: VectorSem<V>, c: V): VectorEffect<V> => {
  const low = b.name(b.halves(b.lane(c, 64, 0), b.imm(0)));
  return { out: b.vector("f64x2.promote_low_f32x4", low), sound: allOrdinary(b, "f32x4", [low]), ordinary: "f64x2" };
};
const narrowed = <V>(b: VectorSem<V>, c: V): VectorEffect<V> => {
  const out = b.name(b.vector("f32x4.demote_f64x2_zero", c));
  const lane = (index: number): V => {
    const source = b.withLane(c, 64, 0, b.lane(c, 64, index));
    const result = b.withLane(out, 32, 0, b.lane(out, 32, index));
    return soundNarrowing(b, b.name(b.float("f64", source)), b.name(b.float("f32", result)));
  };
  return { out, sound: b.and(roundsAsHost(b), b.and(lane(0), lane(1))) };
};

/** From an MMX register; a memory source does not touch the x87 state. */
const fromMmx = (mnemonic: string, fn: string, prefix: string, options: { feature: string }): OutlinedEntry =>
  outlined(
    mnemonic,
    "vec",
    fn,
    [
      [`${prefix} 0F 2A /r reg`, "Vx,Nq"],
      [`${prefix} 0F 2A /r mem`, "Vx,Mq"],
    ],
    options,
  );
const toMmx = (mnemonic: string, pattern: string, w: string, options: { feature: string }): OutlinedEntry =>
  outlined(mnemonic, "vec", mnemonic.toLowerCase(), [[pattern, `Pq,${w}`]], options);

export const sseConvert: readonly Entry[] = [
  conversion("CVTDQ2PS", ["NP 0F 5B /r", "Vx,Wx"], "w,r", sse2, (b, _, c) => ({
    out: b.vector("f32x4.convert_i32x4_s", c),
    sound: b.and(
      roundsAsHost(b),
      // The magnitude of the lowest integer is negative, and it converts exactly.
      b.orElse(b.inexactIsSet(), () =>
        b.summary("i32x4.all_true", b.vector("i32x4.lt_s", b.vector("i32x4.abs", c), b.splat(32, b.imm(1 << 24)))),
      ),
    ),
    ordinary: "f32x4",
  })),
  conversion("CVTPS2DQ", ["66 0F 5B /r", "Vx,Wx"], "w,r", sse2, (b, _, c) => singlesToIntegers(b, c, false)),
  conversion("CVTTPS2DQ", ["F3 0F 5B /r", "Vx,Wx"], "w,r", sse2, (b, _, c) => singlesToIntegers(b, c, true)),
  conversion("CVTDQ2PD", ["F3 0F E6 /r", "Vx,Wq"], "w,r", sse2, (b, _, c) => ({
    out: b.vector("f64x2.convert_low_i32x4_s", c),
    ordinary: "f64x2",
  })),
  conversion("CVTPD2DQ", ["F2 0F E6 /r", "Vx,Wx"], "w,r", sse2, (b, _, c) => doublesToIntegers(b, c, false)),
  conversion("CVTTPD2DQ", ["66 0F E6 /r", "Vx,Wx"], "w,r", sse2, (b, _, c) => doublesToIntegers(b, c, true)),
  conversion("CVTPS2PD", ["NP 0F 5A /r", "Vx,Wq"], "w,r", sse2, (b, _, c) => widened(b, c)),
  conversion("CVTPD2PS", ["66 0F 5A /r", "Vx,Wx"], "w,r", sse2, (b, _, c) => narrowed(b, c)),
  conversion("CVTSS2SD", ["F3 0F 5A /r", "Vx,Wd"], "rw,r", sse2, (b, a, c) => {
    const x = b.name(b.float("f32", c));
    const result = b.name(b.convert("f64.promote_f32", x));
    return { out: b.withFloat("f64", a, result), sound: allOrdinary(b, "f32", [x]), ordinary: "f64" };
  }),
  conversion("CVTSD2SS", ["F2 0F 5A /r", "Vx,Wq"], "rw,r", sse2, (b, a, c) => {
    const x = b.name(b.float("f64", c));
    const result = b.name(b.convert("f32.demote_f64", x));
    return { out: b.withFloat("f32", a, result), sound: b.and(roundsAsHost(b), soundNarrowing(b, x, result)), ordinary: "f32" };
  }),
  fromMmx("CVTPI2PS", "cvtpi2ps", "NP", sse),
  fromMmx("CVTPI2PD", "cvtdq2pd", "66", sse2),
  toMmx("CVTTPS2PI", "NP 0F 2C /r", "Wq", sse),
  toMmx("CVTPS2PI", "NP 0F 2D /r", "Wq", sse),
  toMmx("CVTTPD2PI", "66 0F 2C /r", "Wx", sse2),
  toMmx("CVTPD2PI", "66 0F 2D /r", "Wx", sse2),
  ...fromGeneral("CVTSI2SS", "f32", "F3", sse),
  ...fromGeneral("CVTSI2SD", "f64", "F2", sse2),
  ...toGeneral("CVTTSS2SI", "f32", true, "F3", "2C", sse),
  ...toGeneral("CVTSS2SI", "f32", false, "F3", "2D", sse),
  ...toGeneral("CVTTSD2SI", "f64", true, "F2", "2C", sse2),
  ...toGeneral("CVTSD2SI", "f64", false, "F2", "2D", sse2),
];

// -- ROUNDxx: imm8 bits 0-1 are the mode, bit 2 takes MXCSR's instead, bit 3 suppresses PE -------------------------------------------------------

const MODES = ["nearest", "floor", "ceil", "trunc"] as const;

function rounded<V>(b: VectorSem<V>, type: FloatType, packed: boolean, a: V, c: V, imm: V): VectorEffect<V> {
  const is = (mode: number): V => b.eq(b.and(imm, b.imm(3)), b.imm(mode));
  const quiet = b.and(b.shr(imm, b.imm(3)), b.imm(1));
  const here = b.xor(b.and(b.shr(imm, b.imm(2)), b.imm(1)), b.imm(1));
  const allowed = (exact: V): V =>
    b.and(
      here,
      b.orElse(quiet, () =>
        b.and(
          maskedInexact(b),
          b.orElse(b.inexactIsSet(), () => exact),
        ),
      ),
    );
  if (packed) {
    const lanes = type === "f32" ? "f32x4" : "f64x2";
    const chosen = MODES.map((mode) => b.vector(`${lanes}.${mode}`, c)).reduceRight((rest, value, mode) =>
      b.selectVector(is(mode), value, rest),
    );
    const out = b.name(chosen);
    const exact = b.summary(lanes === "f32x4" ? "i32x4.all_true" : "i64x2.all_true", b.vector(`${lanes}.eq`, out, c));
    return { out, sound: b.and(allowed(exact), allOrdinary(b, lanes, [c])), ordinary: lanes };
  }
  const x = b.name(b.float(type, c));
  const chosen = MODES.map((mode) => b.floatOp(`${type}.${mode}`, x)).reduceRight((rest, value, mode) =>
    b.selectFloat(is(mode), value, rest),
  );
  const result = b.name(chosen);
  const exact = b.floatCompare(`${type}.eq`, result, x);
  return { out: b.withFloat(type, a, result), sound: b.and(allowed(exact), allOrdinary(b, type, [x])), ordinary: type };
}
const rounding = (mnemonic: string, opcode: string, w: string, type: FloatType): VectorEntry =>
  vector(
    mnemonic,
    mnemonic,
    [[`66 0F 3A ${opcode} /r`, `Vx,${w},Ib`]],
    "rw,r,r",
    (b, [a, c, imm]) => rounded(b, type, w === "Wx", a!, c!, imm!),
    { ...sse41, exact: mnemonic.toLowerCase() },
  );
export const roundings: readonly VectorEntry[] = [
  rounding("ROUNDPS", "08", "Wx", "f32"),
  rounding("ROUNDPD", "09", "Wx", "f64"),
  rounding("ROUNDSS", "0A", "Wd", "f32"),
  rounding("ROUNDSD", "0B", "Wq", "f64"),
];

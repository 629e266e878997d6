/**
 * Floating-point arithmetic, logic and comparison of SSE, SSE2 and SSE3: the host's operation where it is right (isa/sound.ts), else a function
 * of assembly/sse/{arith,compare}.ts. SDM Vol. 2.
 */
import { type Entry, outlined, vector, type VectorEntry } from "../define.js";
import { allOrdinary, roundsAsHost, soundResult } from "../sound.js";
import type { FloatType, Ordinary, VectorEffect, VectorOp, VectorSem } from "../vector-sem.js";

const sse = { feature: "sse" };
const sse2 = { feature: "sse2" };
const sse3 = { feature: "sse3" };

/** Packed and scalar, single and double: how they are encoded and what their lanes are. */
const FORMS = [
  { suffix: "PS", prefix: "NP", w: "Wx", options: sse, lanes: "f32x4", scalar: undefined },
  { suffix: "PD", prefix: "66", w: "Wx", options: sse2, lanes: "f64x2", scalar: undefined },
  { suffix: "SS", prefix: "F3", w: "Wd", options: sse, lanes: "f32x4", scalar: "f32" },
  { suffix: "SD", prefix: "F2", w: "Wq", options: sse2, lanes: "f64x2", scalar: "f64" },
] as const;
type Form = (typeof FORMS)[number];

/** The four forms of an operation; `meaning` sees the destination, the source and the immediate. */
const four = (
  stem: string,
  opcode: string,
  meaning: <V>(b: VectorSem<V>, form: Form, a: V, c: V, imm: V) => VectorEffect<V>,
  immediate = false,
): VectorEntry[] =>
  FORMS.map((form) => {
    const mnemonic = stem + form.suffix;
    return vector(
      mnemonic,
      mnemonic,
      [[`${form.prefix} 0F ${opcode} /r`, `Vx,${form.w}${immediate ? ",Ib" : ""}`]],
      immediate ? "rw,r,r" : "rw,r",
      (b, [a, c, imm]) => meaning(b, form, a!, c!, imm!),
      { ...form.options, exact: mnemonic.toLowerCase() },
    );
  });

/** The host's `operation` on all lanes of two vectors, or on the lowest one. */
function arithmetic<V>(b: VectorSem<V>, form: Form, operation: "add" | "sub" | "mul" | "div", a: V, c: V): VectorEffect<V> {
  const { lanes, scalar } = form;
  const here = roundsAsHost(b);
  if (scalar === undefined) {
    const out = b.name(b.vector(`${lanes}.${operation}`, a, c));
    return { out, sound: b.and(here, soundResult(b, lanes, operation, [a, c], out)), ordinary: lanes };
  }
  const x = b.name(b.float(scalar, a));
  const y = b.name(b.float(scalar, c));
  const result = b.name(b.floatOp(`${scalar}.${operation}`, x, y));
  return { out: b.withFloat(scalar, a, result), sound: b.and(here, soundResult(b, scalar, operation, [x, y], result)), ordinary: scalar };
}

function root<V>(b: VectorSem<V>, { lanes, scalar }: Form, a: V, c: V): VectorEffect<V> {
  const here = roundsAsHost(b);
  if (scalar === undefined) {
    const out = b.name(b.vector(`${lanes}.sqrt`, c));
    return { out, sound: b.and(here, soundResult(b, lanes, "sqrt", [c], out)), ordinary: lanes };
  }
  const x = b.name(b.float(scalar, c));
  const result = b.name(b.floatOp(`${scalar}.sqrt`, x));
  return { out: b.withFloat(scalar, a, result), sound: b.and(here, soundResult(b, scalar, "sqrt", [x], result)), ordinary: scalar };
}

/** The second operand unless the first is less (or greater): so also for two zeroes. The host's pmin(y, x) is `x < y ? x : y`. */
function extreme<V>(b: VectorSem<V>, { lanes, scalar }: Form, which: "pmin" | "pmax", a: V, c: V): VectorEffect<V> {
  if (scalar === undefined) return { out: b.vector(`${lanes}.${which}`, c, a), sound: allOrdinary(b, lanes, [a, c]), ordinary: lanes };
  const x = b.name(b.float(scalar, a));
  const y = b.name(b.float(scalar, c));
  const first = which === "pmin" ? b.floatCompare(`${scalar}.lt`, x, y) : b.floatCompare(`${scalar}.lt`, y, x);
  return {
    out: b.withFloat(scalar, a, b.name(b.selectFloat(first, x, y))),
    sound: allOrdinary(b, scalar, [x, y]),
    ordinary: scalar,
  };
}

/** CMPccPS: without NaNs NLT and NLE are plain negations, UNORD and ORD constants. SDM Vol. 2A "CMPPS" Table 3-1. */
function predicate<V>(b: VectorSem<V>, { lanes, scalar }: Form, a: V, c: V, imm: V): VectorEffect<V> {
  const is = (number: number): V => b.eq(b.and(imm, b.imm(3)), b.imm(number));
  const inverted = b.and(b.shr(imm, b.imm(2)), b.imm(1));
  const none = b.splat(64, b.imm(0));
  if (scalar === undefined) {
    const compare = (operation: "eq" | "lt" | "le"): V => b.vector(`${lanes}.${operation}`, a, c);
    const holds = b.selectVector(is(0), compare("eq"), b.selectVector(is(1), compare("lt"), b.selectVector(is(2), compare("le"), none)));
    return { out: b.vector("v128.xor", holds, b.splat(64, b.sub(b.imm(0), inverted))), sound: allOrdinary(b, lanes, [a, c]) };
  }
  const x = b.name(b.float(scalar, a));
  const y = b.name(b.float(scalar, c));
  const compare = (operation: "eq" | "lt" | "le"): V => b.floatCompare(`${scalar}.${operation}`, x, y);
  const holds = b.select(is(0), compare("eq"), b.select(is(1), compare("lt"), b.and(is(2), compare("le"))));
  const out = b.withLane(a, scalar === "f32" ? 32 : 64, 0, b.sub(b.imm(0), b.xor(holds, inverted)));
  return { out, sound: allOrdinary(b, scalar, [x, y]) };
}

/** Bitwise operations do not care what the bits mean. */
const logic = (stem: string, opcode: string, operation: VectorOp): VectorEntry[] =>
  FORMS.slice(0, 2).map(({ suffix, prefix, options }) =>
    vector(
      stem + suffix,
      `P${stem}`,
      [[`${prefix} 0F ${opcode} /r`, "Vx,Wx"]],
      "rw,r",
      (b, [a, c]) => ({ out: stem === "ANDN" ? b.vector(operation, c!, a!) : b.vector(operation, a!, c!) }),
      options,
    ),
  );

/** Greater: none, less: CF, equal: ZF; unordered is for the exact function. OF, SF, AF and PF are cleared. */
const order = (mnemonic: string, prefix: string, opcode: string, w: string, type: FloatType, options: { feature: string }): VectorEntry =>
  vector(
    mnemonic,
    mnemonic,
    [[`${prefix} 0F ${opcode} /r`, `Vx,${w}`]],
    "r,r",
    (b, [a, c]) => {
      const x = b.name(b.float(type, a!));
      const y = b.name(b.float(type, c!));
      return {
        flags: { kind: "order", less: b.floatCompare(`${type}.lt`, x, y), equal: b.floatCompare(`${type}.eq`, x, y) },
        sound: allOrdinary(b, type, [x, y]),
      };
    },
    { ...options, exact: mnemonic.toLowerCase() },
  );

/** The SSE3 pairs: double by 66, single by F2. */
const pair = (stem: string, opcode: string, meaning: <V>(b: VectorSem<V>, form: Form, a: V, c: V) => VectorEffect<V>): VectorEntry[] =>
  [FORMS[1], FORMS[0]].map((form) =>
    vector(
      stem + form.suffix,
      stem + form.suffix,
      [[`${form.suffix === "PD" ? "66" : "F2"} 0F ${opcode} /r`, "Vx,Wx"]],
      "rw,r",
      (b, [a, c]) => meaning(b, form, a!, c!),
      { ...sse3, exact: (stem + form.suffix).toLowerCase() },
    ),
  );

/** The even (0) or odd (1) elements of the one, then of the other. */
function elements<V>(b: VectorSem<V>, lanes: Ordinary, a: V, c: V, first: 0 | 1): V {
  const bytes = lanes === "f32x4" ? 4 : 8;
  return b.name(
    b.shuffle(
      a,
      c,
      Array.from({ length: 16 }, (_, i) => (Math.floor(i / bytes) * 2 + first) * bytes + (i % bytes)),
    ),
  );
}
const horizontal =
  (operation: "add" | "sub") =>
  <V>(b: VectorSem<V>, form: Form, a: V, c: V): VectorEffect<V> =>
    arithmetic(b, form, operation, elements(b, form.lanes, a, c, 0), elements(b, form.lanes, a, c, 1));
/** The difference in the even elements, the sum in the odd ones: the sum, once the even elements of the source have changed sign. */
const alternating = <V>(b: VectorSem<V>, form: Form, a: V, c: V): VectorEffect<V> => {
  const sign = form.lanes === "f32x4" ? b.splat(64, b.imm(0x80000000)) : b.halves(b.imm(1n << 63n), b.imm(0));
  return arithmetic(b, form, "add", a, b.name(b.vector("v128.xor", c, sign)));
};

export const sseFloat: readonly Entry[] = [
  ...four("SQRT", "51", root),
  ...four("ADD", "58", (b, form, a, c) => arithmetic(b, form, "add", a, c)),
  ...four("MUL", "59", (b, form, a, c) => arithmetic(b, form, "mul", a, c)),
  ...four("SUB", "5C", (b, form, a, c) => arithmetic(b, form, "sub", a, c)),
  ...four("MIN", "5D", (b, form, a, c) => extreme(b, form, "pmin", a, c)),
  ...four("DIV", "5E", (b, form, a, c) => arithmetic(b, form, "div", a, c)),
  ...four("MAX", "5F", (b, form, a, c) => extreme(b, form, "pmax", a, c)),
  ...four("CMP", "C2", predicate, true),
  ...logic("AND", "54", "v128.and"),
  ...logic("ANDN", "55", "v128.andnot"),
  ...logic("OR", "56", "v128.or"),
  ...logic("XOR", "57", "v128.xor"),
  outlined("RSQRTPS", "vec", "rsqrtps", [["NP 0F 52 /r", "Vx,Wx"]], sse),
  outlined("RSQRTSS", "vec", "rsqrtss", [["F3 0F 52 /r", "Vx,Wd"]], sse),
  outlined("RCPPS", "vec", "rcpps", [["NP 0F 53 /r", "Vx,Wx"]], sse),
  outlined("RCPSS", "vec", "rcpss", [["F3 0F 53 /r", "Vx,Wd"]], sse),
  order("UCOMISS", "NP", "2E", "Wd", "f32", sse),
  order("UCOMISD", "66", "2E", "Wq", "f64", sse2),
  order("COMISS", "NP", "2F", "Wd", "f32", sse),
  order("COMISD", "66", "2F", "Wq", "f64", sse2),
  ...pair("HADD", "7C", horizontal("add")),
  ...pair("HSUB", "7D", horizontal("sub")),
  ...pair("ADDSUB", "D0", alternating),
];

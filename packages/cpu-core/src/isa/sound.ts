/**
 * When the host's floating point gives the architectural answer. An operand is "ordinary" when it is a normal number or zero: no NaN, no
 * infinity, nothing that DAZ or DE would care about. With ordinary operands, round to nearest and PE masked, the host's result is right as long
 * as it is ordinary too: no OE, no UE, nothing for FTZ. A product, quotient or narrowed number must lie above the smallest binade, where
 * rounding up may have hidden tininess, or be an exact zero. PE remains: it must be set already, or the result be known to be exact.
 * SDM Vol. 1 §4.9.1, §11.5. The argument is in docs/decisions/2026-11-sse-by-host-arithmetic.md.
 */
import type { Arithmetic } from "./float-range.js";
import type { FloatType, Ordinary, VectorSem } from "./vector-sem.js";

const PM = 0x1000;
const RC = 0x6000;

/** PE is masked, and rounding is to nearest. */
export const roundsAsHost = <V>(b: VectorSem<V>): V => b.mxcsrIs(RC | PM, PM);
/** PE is masked: enough for what does not look at the rounding mode (truncation). */
export const maskedInexact = <V>(b: VectorSem<V>): V => b.mxcsrIs(PM, PM);

/** Tests on a float, as 0 or 1, or on all lanes of a vector, as masks of which the lanes' top bits count. */
interface Tests<V> {
  /** Normal. */
  normal(x: V): V;
  /** Normal, and above the smallest binade. */
  safelyNormal(x: V): V;
  /** Neither denormal nor zero. */
  exponent(x: V): V;
  zero(x: V): V;
  and(x: V, y: V): V;
  or(x: V, y: V): V;
  not(x: V): V;
  /** The result is exact; may say no when it is. */
  exact(operation: Arithmetic, operands: readonly V[], result: V): V;
  /** 0 or 1: a product is exact; where `exact` may say no, this takes longer to find out. */
  exactProduct?(x: V, y: V, product: V): V;
  /** 0 or 1 for the whole. */
  holds(x: V): V;
}

/** What rounding took from the sum or difference `r` of x and y (Knuth's TwoSum): exact itself, when nothing overflows. */
function sumError<V>(operation: "add" | "sub", op: (name: "add" | "sub", p: V, q: V) => V, x: V, y: V, r: V): V {
  const other = (): V => op("sub", r, x);
  const first = op("sub", x, op("sub", r, other()));
  return operation === "add" ? op("add", first, op("sub", y, other())) : op("sub", first, op("add", y, other()));
}

/** The product of two doubles, given by their bits, has at most as many significant bits as both of them: no more than 53. */
function productFits<V>(b: VectorSem<V>, p: V, q: V): V {
  const zeroes = (bits: V): V => b.ctz(b.or(bits, b.imm(1n << 52n)));
  return b.ltu(b.imm(52), b.add(zeroes(p), zeroes(q)));
}

function scalarTests<V>(b: VectorSem<V>, type: FloatType): Tests<V> {
  const [width, fraction, top] = type === "f32" ? [32, 23, 0xff] : [64, 52, 0x7ff];
  const bits = new Map<V, V>();
  const bitsOf = (x: V): V => {
    const known = bits.get(x) ?? b.let(b.floatBits(type, x));
    bits.set(x, known);
    return known;
  };
  const exponents = new Map<V, V>();
  const exponentOf = (x: V): V => {
    const known = exponents.get(x) ?? b.let(b.and(b.shr(bitsOf(x), b.imm(fraction)), b.imm(top)));
    exponents.set(x, known);
    return known;
  };
  const above = (x: V, least: number): V => b.ltu(b.sub(exponentOf(x), b.imm(least)), b.imm(top - least));
  return {
    normal: (x) => above(x, 1),
    safelyNormal: (x) => above(x, 2),
    exponent: (x) => b.ne(exponentOf(x), b.imm(0)),
    zero: (x) => b.eq(b.shl(bitsOf(x), b.imm(65 - width)), b.imm(0)),
    and: (x, y) => b.and(x, y),
    or: (x, y) => b.or(x, y),
    not: (x) => b.xor(x, b.imm(1)),
    exact: (operation, [x, y], r) => {
      const op = (name: "add" | "sub" | "mul", p: V, q: V): V => b.floatOp(`${type}.${name}`, p, q);
      const equal = (p: V, q: V): V => b.floatCompare(`${type}.eq`, p, q);
      if (operation === "add" || operation === "sub") return equal(sumError(operation, op, x!, y!, r), b.floatConstant(type, 0));
      const [p, q, whole] = operation === "mul" ? [x!, y!, r] : operation === "div" ? [r, y!, x!] : [r, r, x!];
      if (type === "f32") {
        const wide = (v: V): V => b.convert("f64.promote_f32", v);
        return b.floatCompare("f64.eq", b.floatOp("f64.mul", wide(p), wide(q)), wide(whole));
      }
      const fits = b.orElse(b.eq(b.and(b.or(bitsOf(p), bitsOf(q)), b.imm(0x7ffffff)), b.imm(0)), () =>
        productFits(b, bitsOf(p), bitsOf(q)),
      );
      return operation === "mul" ? fits : b.and(fits, equal(op("mul", p, q), whole));
    },
    holds: (x) => x,
  };
}

/** Exponents are compared as 32-bit numbers; of a double's two halves only the upper one's answer counts. */
function packedTests<V>(b: VectorSem<V>, type: "f32x4" | "f64x2"): Tests<V> {
  const single = type === "f32x4";
  const field = (exponent: bigint): V => {
    const lane = single ? exponent << 23n : exponent << 52n;
    return b.splat(64, b.imm(single ? lane | (lane << 32n) : lane));
  };
  const top = single ? 0xffn : 0x7ffn;
  const exponents = new Map<V, V>();
  const exponentOf = (x: V): V => {
    const known = exponents.get(x) ?? b.name(b.vector("v128.and", x, field(top)));
    exponents.set(x, known);
    return known;
  };
  const above = (x: V, least: bigint): V =>
    b.vector("v128.and", b.vector("i32x4.gt_s", exponentOf(x), field(least - 1n)), b.vector("i32x4.lt_s", exponentOf(x), field(top)));
  return {
    normal: (x) => above(x, 1n),
    safelyNormal: (x) => above(x, 2n),
    exponent: (x) => b.vector("i32x4.gt_s", exponentOf(x), field(0n)),
    zero: (x) =>
      single
        ? b.vector("i32x4.eq", b.vectorShift("i32x4.shl", x, b.imm(1)), field(0n))
        : b.vector("i64x2.eq", b.vectorShift("i64x2.shl", x, b.imm(1)), field(0n)),
    and: (x, y) => b.vector("v128.and", x, y),
    or: (x, y) => b.vector("v128.or", x, y),
    not: (x) => b.vector("v128.not", x),
    exact: (operation, [x, y], r) => {
      const op = (name: "add" | "sub" | "mul", p: V, q: V): V => b.vector(`${type}.${name}`, p, q);
      const equal = (p: V, q: V): V => b.vector(`${type}.eq`, p, q);
      if (operation === "add" || operation === "sub") return equal(sumError(operation, op, x!, y!, r), field(0n));
      const [p, q, whole] = operation === "mul" ? [x!, y!, r] : operation === "div" ? [r, y!, x!] : [r, r, x!];
      // No more than half of the bits each.
      const lower = b.vector("v128.and", b.vector("v128.or", p, q), single ? b.splat(32, b.imm(0xfff)) : b.splat(64, b.imm(0x7ffffff)));
      const fits = b.vector(single ? "i32x4.eq" : "i64x2.eq", lower, field(0n));
      return operation === "mul" ? fits : b.vector("v128.and", fits, equal(op("mul", p, q), whole));
    },
    exactProduct: (x, y, product) => {
      if (single) {
        const half = (v: V, first: number): V =>
          b.vector(
            "f64x2.promote_low_f32x4",
            b.shuffle(
              v,
              v,
              Array.from({ length: 16 }, (_, i) => first + (i & 7)),
            ),
          );
        const equal = (first: number): V =>
          b.vector("f64x2.eq", b.vector("f64x2.mul", half(x, first), half(y, first)), half(product, first));
        return b.eq(b.summary("i64x2.bitmask", b.vector("v128.and", equal(0), equal(8))), b.imm(3));
      }
      const fits = (lane: number): V => {
        const [p, q] = [b.lane(x, 64, lane), b.lane(y, 64, lane)];
        const isZero = (v: V): V => b.eq(b.shl(v, b.imm(1)), b.imm(0));
        return b.or(productFits(b, p, q), b.or(isZero(p), isZero(q)));
      };
      return b.and(fits(0), fits(1));
    },
    holds: (x) => (single ? b.eq(b.summary("i32x4.bitmask", x), b.imm(15)) : b.eq(b.summary("i64x2.bitmask", x), b.imm(3))),
  };
}

const testsOf = <V>(b: VectorSem<V>, type: Ordinary): Tests<V> =>
  type === "f32" || type === "f64" ? scalarTests(b, type) : packedTests(b, type);

const all = <V>(t: Tests<V>, list: readonly V[]): V | undefined => (list.length === 0 ? undefined : list.reduce((x, y) => t.and(x, y)));

/** Every operand is normal or zero. */
export function allOrdinary<V>(b: VectorSem<V>, type: Ordinary, operands: readonly V[]): V {
  const t = testsOf(b, type);
  const unknown = [...new Set(operands)].filter((x) => !b.isOrdinary(type, x));
  const quick = all(t, unknown.map(t.normal));
  if (quick === undefined || b.ensureOrdinary(type, unknown)) return b.imm(1);
  return b.orElse(t.holds(quick), () =>
    t.holds(
      all(
        t,
        unknown.map((x) => t.or(t.normal(x), t.zero(x))),
      )!,
    ),
  );
}

/**
 * `result` of the host's `operation` on `operands`, all of `type`, is right under roundsAsHost. Products and quotients can be tiny and inexact,
 * so only their exact zeroes count as results below the normal numbers; tiny sums are exact, and roots are never tiny.
 */
export function soundResult<V>(b: VectorSem<V>, type: Ordinary, operation: Arithmetic, operands: readonly V[], result: V): V {
  const t = testsOf(b, type);
  const [x, y] = operands;
  const sticky = b.inexactIsSet();
  const scaled = operation === "mul" || operation === "div";
  const zero = (): V =>
    operation === "mul" ? t.or(t.zero(x!), t.zero(y!)) : operation === "div" ? t.and(t.zero(x!), t.not(t.zero(y!))) : t.zero(result);
  const exact = (): V => {
    const precise = t.exact(operation, operands, result);
    const slowly = operation === "mul" ? t.exactProduct?.bind(t, x!, y!, result) : undefined;
    return scaled ? b.orElse(t.holds(precise), slowly ?? (() => t.holds(t.or(precise, zero())))) : t.holds(precise);
  };
  const within = b.withinRange(type, operation, operands, result);
  if (within !== undefined) return b.and(within, b.orElse(sticky, exact));
  const unknown = [...new Set(operands)].filter((v) => !b.isOrdinary(type, v));
  const fits = (): V => (scaled ? t.safelyNormal(result) : t.normal(result));
  // A result that is no zero, infinity or NaN had no infinity or NaN to begin with; denormal operands show by their exponents.
  const quick = b.let(t.holds(all(t, [fits(), ...unknown.map(t.exponent)])!));
  const ordinary = (): V => t.holds(all(t, [t.or(fits(), zero()), ...unknown.map((v) => t.or(t.normal(v), t.zero(v)))])!);
  return b.orElse(b.and(sticky, quick), () => b.and(b.orElse(sticky, exact), b.orElse(quick, ordinary)));
}

/** As soundResult for a double that became the single `result`. */
export function soundNarrowing<V>(b: VectorSem<V>, source: V, result: V): V {
  const wide = testsOf(b, "f64");
  const narrow = testsOf(b, "f32");
  const exact = (): V => b.floatCompare("f64.eq", b.convert("f64.promote_f32", result), source);
  return b.and(
    b.orElse(b.inexactIsSet(), exact),
    b.orElse(narrow.safelyNormal(result), () => wide.zero(source)),
  );
}

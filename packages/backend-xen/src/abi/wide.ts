/** 64 bits out of halves. `BigInt()` is a call out of compiled code, and a request of a guest's takes several numbers apart. */
const halves = new Uint32Array(2);
const whole = new BigUint64Array(halves.buffer);

/** The unsigned number whose low 32 bits are those of `low`, and its high ones those of `high`. */
export function wide(low: number, high = 0): bigint {
  halves[0] = low;
  halves[1] = high;
  return whole[0]!;
}

/** What a call answers, as 64 bits: zero or a negative error, nearly always. */
export function wideResult(result: number | bigint): bigint {
  if (typeof result === "bigint") return BigInt.asUintN(64, result);
  return wide(result, Math.floor(result / 0x1_0000_0000));
}

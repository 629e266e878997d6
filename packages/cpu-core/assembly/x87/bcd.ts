// FBLD and FBSTP: 18 packed decimal digits and a sign byte (SDM Vol. 1 section 4.7).
import { classOf, INFINITE, normalExponent, ZERO } from "./classify";
import { widenInteger } from "./convert";
import { toInteger } from "./round";
import { begin1, beginPush, mOf, pop, seOf, settlePush, settleStore, st } from "./stack";
import { exc, IE, oM, oSe, roundingMode, setExc, setResult, SIGN } from "./state";

const LIMIT: u64 = 999999999999999999;

/** FBLD: digits above 9 keep their binary weight. */
export function x87Fbld(cpu: usize, src: usize): void {
  if (beginPush(cpu)) {
    let value: u64 = 0;
    for (let n = 8; n >= 0; n--) {
      const byte = <u64>load<u8>(src + n);
      value = value * 100 + (byte >> 4) * 10 + (byte & 15);
    }
    widenInteger(<i64>value);
    setResult(oSe | (load<u8>(src, 9) & 0x80 ? SIGN : 0), oM);
  }
  settlePush(cpu);
}

/** FBSTP: rounds by RC; what has more than 18 digits becomes the packed indefinite. */
export function x87Fbstp(cpu: usize, dst: usize): bool {
  let value: u64 = 0;
  let se: u32 = 0;
  if (begin1(cpu, 0)) {
    se = seOf(st(cpu, 0));
    const m = mOf(st(cpu, 0));
    const kind = classOf(se, m);
    if (kind >= INFINITE) setExc(IE);
    else if (kind != ZERO) value = toInteger(se & SIGN, normalExponent(se, m), m << clz(m), roundingMode());
    if (value > LIMIT) setExc(IE);
  }
  const indefinite = (exc & IE) != 0;
  if (indefinite && (exc & ~0x41) != 0) setExc(exc & 0x41);
  if (!settleStore(cpu)) return false;
  if (indefinite) {
    store<u64>(dst, 0xc000000000000000);
    store<u16>(dst, 0xffff, 8);
  } else {
    for (let n = 0; n < 9; n++) {
      const two = <u32>(value % 100);
      value /= 100;
      store<u8>(dst + n, ((two / 10) << 4) | (two % 10));
    }
    store<u8>(dst, se & SIGN ? 0x80 : 0, 9);
  }
  pop(cpu);
  return true;
}

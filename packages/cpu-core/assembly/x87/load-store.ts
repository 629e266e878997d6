// FLD, FST, FILD, FIST, FISTTP, FXCH, FCMOVcc and the constants (SDM Vol. 2A).
import { FCW, FPR, FR, FSW, FTW, FV } from "../../src/layout";
import { CF, PF, statusOf, ZF } from "../flags";
import { classOf, nanOf } from "./classify";
import { toDouble, toSigned, toSingle, widen32, widen64, widenInteger } from "./convert";
import { plain } from "./quick";
import {
  begin1, begin2, beginPush, conclude, isEmpty, mOf, physical, pop, popped, popQuick, pushQuick, put, seOf, settleFault, settlePush,
  settleStore, st,
} from "./stack";
import {
  BIAS, C1, EXP, IE, INTEGER, NAN_M, NAN_SE, oM, oSe, PE, RC_CHOP, RC_NEAREST, RC_UP, rM, roundingMode, rSe, setResult, SIGN,
} from "./state";

/** FLD m32. */
export function x87FldM32(cpu: usize, src: usize): void {
  const bits = load<u32>(src);
  const e = (bits >> 23) & 0xff;
  if (bits << 1 == 0) {
    if (pushQuick(cpu, (bits >> 16) & SIGN, 0)) return;
  } else if (e - 1 < 0xfe) {
    if (pushQuick(cpu, ((bits >> 16) & SIGN) | (e + BIAS - 127), INTEGER | (<u64>bits << 40))) return;
  }
  if (beginPush(cpu)) {
    widen32(src);
    loaded();
  }
  settlePush(cpu);
}

/** FLD m64. */
export function x87FldM64(cpu: usize, src: usize): void {
  const bits = load<u64>(src);
  const e = <u32>(bits >> 52) & 0x7ff;
  if (bits << 1 == 0) {
    if (pushQuick(cpu, <u32>(bits >> 48) & SIGN, 0)) return;
  } else if (e - 1 < 0x7fe) {
    if (pushQuick(cpu, (<u32>(bits >> 48) & SIGN) | (e + BIAS - 1023), INTEGER | (bits << 11))) return;
  }
  if (beginPush(cpu)) {
    widen64(src);
    loaded();
  }
  settlePush(cpu);
}

/** The widened operand becomes the result; a signalling NaN becomes quiet with IE. */
function loaded(): void {
  if ((oSe & EXP) == EXP && oM != INTEGER) nanOf(oSe, oM, classOf(oSe, oM));
  else setResult(oSe, oM);
}

/** FLD m80: any pattern, unchanged. */
export function x87FldM80(cpu: usize, src: usize): void {
  pushPlain(cpu, load<u16>(src, 8), load<u64>(src));
}

/** FLD ST(i). */
export function x87FldSti(cpu: usize, i: u32): void {
  if (!isEmpty(cpu, i) && pushQuick(cpu, seOf(st(cpu, i)), mOf(st(cpu, i)))) return;
  if (begin1(cpu, i)) beginPush(cpu); // both faults at once count as underflow
  settlePush(cpu);
}

/** FILD m16. */
export function x87FildM16(cpu: usize, src: usize): void {
  pushInteger(cpu, load<i16>(src));
}

/** FILD m32. */
export function x87FildM32(cpu: usize, src: usize): void {
  pushInteger(cpu, load<i32>(src));
}

/** FILD m64. */
export function x87FildM64(cpu: usize, src: usize): void {
  pushInteger(cpu, load<i64>(src));
}

function pushInteger(cpu: usize, value: i64): void {
  widenInteger(value);
  pushPlain(cpu, oSe, oM);
}

/**
 * The whole of an uneventful store: ST(0) is zero, or normal and normal in the narrower format too, with `bits` bits of significand there,
 * and rounds to nearest if it has to be rounded. False with nothing done otherwise.
 */
// @ts-ignore: decorator
@inline
function storeQuick(cpu: usize, dst: usize, bits: u64, pops: bool): bool {
  const fsw = load<u32>(cpu, FSW);
  const full = load<u32>(cpu, FTW);
  const n = (fsw >> 11) & 7;
  const reg = cpu + FPR + (n << 4);
  const se = seOf(reg);
  const m = mOf(reg);
  if (!((full >> n) & 1)) return false;
  const top: u32 = bits == 53 ? 0x7ff : 0xff;
  const e = (se & EXP) - (<u32>BIAS - (top >> 1));
  let raised: u32 = 0;
  let encoding: u64 = 0;
  if (e - 1 < top - 1 && <i64>m < 0) {
    // the integer bit adds one to the exponent field
    encoding = (<u64>(e - 1) << (bits - 1)) + (m >> (64 - bits));
    const rest = m << bits;
    if (rest != 0) {
      if (!plain(cpu)) return false;
      const up = (rest >> 63) & (<u64>(rest << 1 != 0) | encoding);
      encoding += up;
      if (<u32>(encoding >> (bits - 1)) == top) return false;
      raised = PE | (<u32>up << 9);
    }
  } else if (m != 0 || (se & EXP) != 0) return false;
  if (bits == 53) store<u64>(dst, (<u64>(se & SIGN) << 48) | encoding);
  else store<u32>(dst, ((se & SIGN) << 16) | <u32>encoding);
  store<u32>(cpu, (pops ? popped(fsw) : fsw & ~C1) | raised, FSW);
  if (pops) store<u32>(cpu, full & ~(1 << n), FTW);
  return true;
}

function store32Rounded(cpu: usize, dst: usize): bool {
  let bits: u32 = 0xffc00000;
  if (begin1(cpu, 0)) bits = toSingle(seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  if (!settleStore(cpu)) return false;
  store<u32>(dst, bits);
  return true;
}

function store64Rounded(cpu: usize, dst: usize): bool {
  let bits: u64 = 0xfff8000000000000;
  if (begin1(cpu, 0)) bits = toDouble(seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  if (!settleStore(cpu)) return false;
  store<u64>(dst, bits);
  return true;
}

/** FST m32. */
export function x87FstM32(cpu: usize, dst: usize): bool {
  return storeQuick(cpu, dst, 24, false) || store32Rounded(cpu, dst);
}

/** FST m64. */
export function x87FstM64(cpu: usize, dst: usize): bool {
  return storeQuick(cpu, dst, 53, false) || store64Rounded(cpu, dst);
}

/** FSTP m32. */
export function x87FstpM32(cpu: usize, dst: usize): bool {
  return storeQuick(cpu, dst, 24, true) || popIf(cpu, store32Rounded(cpu, dst));
}

/** FSTP m64. */
export function x87FstpM64(cpu: usize, dst: usize): bool {
  return storeQuick(cpu, dst, 53, true) || popIf(cpu, store64Rounded(cpu, dst));
}

/** FSTP m80. */
export function x87FstpM80(cpu: usize, dst: usize): bool {
  if (begin1(cpu, 0)) setResult(seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  else if (!settleStore(cpu)) return false;
  store<u64>(dst, rM);
  store<u16>(dst, rSe, 8);
  popQuick(cpu, load<u32>(cpu, FSW), load<u32>(cpu, FTW));
  return true;
}

/** Copies ST(0) to ST(i) if there is nothing to be said about it; false with nothing done otherwise. */
// @ts-ignore: decorator
@inline
function copyQuick(cpu: usize, i: u32, pops: bool): bool {
  const fsw = load<u32>(cpu, FSW);
  const full = load<u32>(cpu, FTW);
  const n = (fsw >> 11) & 7;
  if (!((full >> n) & 1)) return false;
  const to = (n + i) & 7;
  const reg = cpu + FPR + (n << 4);
  put(cpu + FPR + (to << 4), seOf(reg), mOf(reg));
  store<u32>(cpu, pops ? popped(fsw) : fsw & ~C1, FSW);
  store<u32>(cpu, pops ? (full | (1 << to)) & ~(1 << n) : full | (1 << to), FTW);
  return true;
}

/** FST ST(i). */
export function x87FstSti(cpu: usize, i: u32): void {
  if (copyQuick(cpu, i, false)) return;
  if (begin1(cpu, 0)) setResult(seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  settleFault(cpu, i);
}

/** FSTP ST(i). */
export function x87FstpSti(cpu: usize, i: u32): void {
  if (copyQuick(cpu, i, true)) return;
  if (begin1(cpu, 0)) setResult(seOf(st(cpu, 0)), mOf(st(cpu, 0)));
  if (settleFault(cpu, i)) pop(cpu);
}

/** ST(0) as an integer of `bits` bits; settles the exceptions, and the caller stores when the second answer, `storable`, is set. */
function integerOf(cpu: usize, bits: u32, rc: u32): i64 {
  let value = <i64>(~(<u64>0) << (bits - 1));
  if (begin1(cpu, 0)) value = toSigned(seOf(st(cpu, 0)), mOf(st(cpu, 0)), bits, rc);
  storable = settleStore(cpu);
  return value;
}

let storable: bool = false;

/** FIST m16. */
export function x87FistM16(cpu: usize, dst: usize): bool {
  return store16(cpu, dst, integerOf(cpu, 16, currentRounding(cpu)));
}

/** FIST m32. */
export function x87FistM32(cpu: usize, dst: usize): bool {
  return store32(cpu, dst, integerOf(cpu, 32, currentRounding(cpu)));
}

/** FISTP m16. */
export function x87FistpM16(cpu: usize, dst: usize): bool {
  return popIf(cpu, store16(cpu, dst, integerOf(cpu, 16, currentRounding(cpu))));
}

/** FISTP m32. */
export function x87FistpM32(cpu: usize, dst: usize): bool {
  return popIf(cpu, store32(cpu, dst, integerOf(cpu, 32, currentRounding(cpu))));
}

/** FISTP m64. */
export function x87FistpM64(cpu: usize, dst: usize): bool {
  return popIf(cpu, store64(cpu, dst, integerOf(cpu, 64, currentRounding(cpu))));
}

/** FISTTP m16. */
export function x87FisttpM16(cpu: usize, dst: usize): bool {
  return popIf(cpu, store16(cpu, dst, integerOf(cpu, 16, RC_CHOP)));
}

/** FISTTP m32. */
export function x87FisttpM32(cpu: usize, dst: usize): bool {
  return popIf(cpu, store32(cpu, dst, integerOf(cpu, 32, RC_CHOP)));
}

/** FISTTP m64. */
export function x87FisttpM64(cpu: usize, dst: usize): bool {
  return popIf(cpu, store64(cpu, dst, integerOf(cpu, 64, RC_CHOP)));
}

function currentRounding(cpu: usize): u32 {
  return (load<u32>(cpu, FCW) >> 10) & 3;
}

function store16(cpu: usize, dst: usize, value: i64): bool {
  if (storable) store<u16>(dst, <u16>value);
  return storable;
}

function store32(cpu: usize, dst: usize, value: i64): bool {
  if (storable) store<u32>(dst, <u32>value);
  return storable;
}

function store64(cpu: usize, dst: usize, value: i64): bool {
  if (storable) store<i64>(dst, value);
  return storable;
}

function popIf(cpu: usize, stored: bool): bool {
  if (stored) pop(cpu);
  return stored;
}

/** Makes empty registers of an FXCH default NaNs; false when the stack fault is not masked. */
function exchangeEmpty(cpu: usize, i: u32): bool {
  begin2(cpu, i);
  if (!conclude(cpu, IE)) return false;
  if (isEmpty(cpu, 0)) put(st(cpu, 0), NAN_SE, NAN_M);
  if (isEmpty(cpu, i)) put(st(cpu, i), NAN_SE, NAN_M);
  store<u32>(cpu, load<u32>(cpu, FTW) | (1 << physical(cpu, 0)) | (1 << physical(cpu, i)), FTW);
  return true;
}

/** FXCH: an empty register counts as the default NaN when the stack fault is masked. */
export function x87Fxch(cpu: usize, i: u32): void {
  const fsw = load<u32>(cpu, FSW);
  const full = load<u32>(cpu, FTW);
  const n = (fsw >> 11) & 7;
  const other = (n + i) & 7;
  const a = cpu + FPR + (n << 4);
  const b = cpu + FPR + (other << 4);
  if ((full >> n) & (full >> other) & 1) store<u32>(cpu, fsw & ~C1, FSW);
  else if (!exchangeEmpty(cpu, i)) return;
  const se = seOf(a);
  const m = mOf(a);
  put(a, seOf(b), mOf(b));
  put(b, se, m);
}

/** FCMOVcc once its condition is known; C1 changes only with a stack fault. */
function conditionalMove(cpu: usize, i: u32, condition: bool): void {
  if (!begin2(cpu, i)) {
    settleFault(cpu, 0);
    return;
  }
  if (!condition) return;
  const src = st(cpu, i);
  put(st(cpu, 0), seOf(src), mOf(src));
}

function status(cpu: usize): u32 {
  return statusOf(load<i64>(cpu, FR), load<i64>(cpu, FV));
}

/** FCMOVB. */
export function x87Fcmovb(cpu: usize, i: u32): void {
  conditionalMove(cpu, i, (status(cpu) & CF) != 0);
}

/** FCMOVE. */
export function x87Fcmove(cpu: usize, i: u32): void {
  conditionalMove(cpu, i, (status(cpu) & ZF) != 0);
}

/** FCMOVBE. */
export function x87Fcmovbe(cpu: usize, i: u32): void {
  conditionalMove(cpu, i, (status(cpu) & (CF | ZF)) != 0);
}

/** FCMOVU. */
export function x87Fcmovu(cpu: usize, i: u32): void {
  conditionalMove(cpu, i, (status(cpu) & PF) != 0);
}

/** FCMOVNB. */
export function x87Fcmovnb(cpu: usize, i: u32): void {
  conditionalMove(cpu, i, (status(cpu) & CF) == 0);
}

/** FCMOVNE. */
export function x87Fcmovne(cpu: usize, i: u32): void {
  conditionalMove(cpu, i, (status(cpu) & ZF) == 0);
}

/** FCMOVNBE. */
export function x87Fcmovnbe(cpu: usize, i: u32): void {
  conditionalMove(cpu, i, (status(cpu) & (CF | ZF)) == 0);
}

/** FCMOVNU. */
export function x87Fcmovnu(cpu: usize, i: u32): void {
  conditionalMove(cpu, i, (status(cpu) & PF) == 0);
}

/** Pushes a constant rounded by RC: `floor` is its significand cut off to 64 bits, `near` is 1 when the rest is over one half. */
function pushConstant(cpu: usize, e: u32, floor: u64, near: u64): void {
  if (beginPush(cpu)) {
    const rc = roundingMode();
    setResult(e, floor + (rc == RC_NEAREST ? near : rc == RC_UP ? 1 : 0));
  }
  settlePush(cpu);
}

/** A value that needs no rounding. */
function pushPlain(cpu: usize, se: u32, m: u64): void {
  if (pushQuick(cpu, se, m)) return;
  beginPush(cpu);
  settlePush(cpu);
}

/** FLD1. */
export function x87Fld1(cpu: usize, i: u32): void {
  pushPlain(cpu, 0x3fff, INTEGER);
}

/** FLDZ. */
export function x87Fldz(cpu: usize, i: u32): void {
  pushPlain(cpu, 0, 0);
}

/** FLDL2T. */
export function x87Fldl2t(cpu: usize, i: u32): void {
  pushConstant(cpu, 0x4000, 0xd49a784bcd1b8afe, 0);
}

/** FLDL2E. */
export function x87Fldl2e(cpu: usize, i: u32): void {
  pushConstant(cpu, 0x3fff, 0xb8aa3b295c17f0bb, 1);
}

/** FLDPI. */
export function x87Fldpi(cpu: usize, i: u32): void {
  pushConstant(cpu, 0x4000, 0xc90fdaa22168c234, 1);
}

/** FLDLG2. */
export function x87Fldlg2(cpu: usize, i: u32): void {
  pushConstant(cpu, 0x3ffd, 0x9a209a84fbcff798, 1);
}

/** FLDLN2. */
export function x87Fldln2(cpu: usize, i: u32): void {
  pushConstant(cpu, 0x3ffe, 0xb17217f7d1cf79ab, 1);
}

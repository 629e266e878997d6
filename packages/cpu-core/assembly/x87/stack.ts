// The register stack: TOP, tags, stack faults, and how an instruction ends (SDM Vol. 1 sections 8.1.2, 8.1.7, 8.5, 8.6).
import { FCW, FPR, FSW, FTW } from "../../src/layout";
import { resultIndefinite } from "./classify";
import { notePointers } from "./pointers";
import { BUSY, C1, control, DE, ES, exc, IE, OE, PE, rM, rSe, setControl, setExc, SF, TOP, UE, ZE } from "./state";

/** Physical number of ST(i). */
// @ts-ignore: decorator
@inline
export function physical(cpu: usize, i: u32): u32 {
  return ((load<u32>(cpu, FSW) >> 11) + i) & 7;
}

/** Address of ST(i). */
// @ts-ignore: decorator
@inline
export function st(cpu: usize, i: u32): usize {
  return cpu + FPR + (physical(cpu, i) << 4);
}

// @ts-ignore: decorator
@inline
export function isEmpty(cpu: usize, i: u32): bool {
  return ((load<u32>(cpu, FTW) >> physical(cpu, i)) & 1) == 0;
}

// @ts-ignore: decorator
@inline
export function seOf(reg: usize): u32 {
  return load<u16>(reg, 8);
}

// @ts-ignore: decorator
@inline
export function mOf(reg: usize): u64 {
  return load<u64>(reg);
}

/** Writes a register. */
// @ts-ignore: decorator
@inline
export function put(reg: usize, se: u32, m: u64): void {
  store<u64>(reg, m);
  store<u16>(reg, se, 8);
}

/** Starts an instruction that reads ST(i); false, with a stack fault and the default NaN as result, when it is empty. */
// @ts-ignore: decorator
@inline
export function begin1(cpu: usize, i: u32): bool {
  setControl(load<u32>(cpu, FCW));
  if (!isEmpty(cpu, i)) return true;
  return underflow();
}

/** The same for ST(0) and ST(i). */
// @ts-ignore: decorator
@inline
export function begin2(cpu: usize, i: u32): bool {
  setControl(load<u32>(cpu, FCW));
  const full = load<u32>(cpu, FTW);
  const top = load<u32>(cpu, FSW) >> 11;
  if ((full >> (top & 7)) & (full >> ((top + i) & 7)) & 1) return true;
  return underflow();
}

/** Stack underflow. */
export function underflow(): bool {
  setExc(IE | SF);
  resultIndefinite();
  return false;
}

/** Starts an instruction that pushes; false, with a stack fault and the default NaN as result, when ST(7) is occupied. */
// @ts-ignore: decorator
@inline
export function beginPush(cpu: usize): bool {
  setControl(load<u32>(cpu, FCW));
  if (isEmpty(cpu, 7)) return true;
  setExc(IE | SF | C1);
  resultIndefinite();
  return false;
}

/** Moves the instruction's exceptions into FSW. False when an unmasked one among `fatal` forbids any result. */
export function conclude(cpu: usize, fatal: u32): bool {
  let fsw = load<u32>(cpu, FSW) & ~C1;
  const unmasked = exc & ~control;
  if (unmasked & fatal & (IE | DE | ZE)) {
    // faults found before computing: nothing that the computation would have raised
    fsw |= exc & (exc & IE ? IE | SF | C1 : DE | ZE);
    if (!(exc & SF)) fsw &= ~C1;
    store<u32>(cpu, fsw | ES | BUSY, FSW);
    notePointers(cpu);
    return false;
  }
  fsw |= unmasked & fatal & (OE | UE) ? exc & ~(PE | C1) : exc; // a store that does not happen is not inexact
  if (unmasked & 0x3f) {
    fsw |= ES | BUSY;
    notePointers(cpu);
  }
  store<u32>(cpu, fsw, FSW);
  return (unmasked & fatal) == 0;
}

/** Puts the result in ST(i), which becomes occupied, as the exceptions allow. */
// @ts-ignore: decorator
@inline
export function settle(cpu: usize, i: u32): bool {
  if ((exc & ~control & 0x3f) | (exc & SF)) return settleFault(cpu, i);
  const fsw = (load<u32>(cpu, FSW) & ~C1) | exc;
  store<u32>(cpu, fsw, FSW);
  put(cpu + FPR + ((((fsw >> 11) + i) & 7) << 4), rSe, rM);
  return true;
}

/** The same when an exception is unmasked, or the register may have been empty. */
export function settleFault(cpu: usize, i: u32): bool {
  if (!conclude(cpu, IE | DE | ZE)) return false;
  const n = physical(cpu, i);
  put(cpu + FPR + (n << 4), rSe, rM);
  store<u32>(cpu, load<u32>(cpu, FTW) | (1 << n), FTW);
  return true;
}

/** Ends a store to memory: false when nothing may be stored. */
// @ts-ignore: decorator
@inline
export function settleStore(cpu: usize): bool {
  if (exc == 0) {
    store<u32>(cpu, load<u32>(cpu, FSW) & ~C1, FSW);
    return true;
  }
  return conclude(cpu, IE | DE | ZE | OE | UE);
}

/** Ends an instruction that only sets the condition codes. */
export function settleCodes(cpu: usize, codes: u32): bool {
  if (exc != 0 && !conclude(cpu, IE | DE)) return false;
  store<u32>(cpu, (load<u32>(cpu, FSW) & ~0x4700) | codes, FSW);
  return true;
}

/** Empties ST(0) and moves TOP up. */
// @ts-ignore: decorator
@inline
export function pop(cpu: usize): void {
  const fsw = load<u32>(cpu, FSW);
  store<u32>(cpu, load<u32>(cpu, FTW) & ~(1 << ((fsw >> 11) & 7)), FTW);
  store<u32>(cpu, (fsw & ~TOP) | ((fsw + 0x800) & TOP), FSW);
}

/** Moves TOP down and occupies the new ST(0) with a value. */
// @ts-ignore: decorator
@inline
export function push(cpu: usize, se: u32, m: u64): void {
  const fsw = load<u32>(cpu, FSW);
  const n = ((fsw >> 11) - 1) & 7;
  store<u32>(cpu, (fsw & ~TOP) | (n << 11), FSW);
  store<u32>(cpu, load<u32>(cpu, FTW) | (1 << n), FTW);
  put(cpu + FPR + (n << 4), se, m);
}

/** Pushes the result, as the exceptions allow. */
export function settlePush(cpu: usize): void {
  if (conclude(cpu, IE | DE | ZE)) push(cpu, rSe, rM);
}

/** The whole of an uneventful push; false, with nothing done, when ST(7) is occupied. */
// @ts-ignore: decorator
@inline
export function pushQuick(cpu: usize, se: u32, m: u64): bool {
  const fsw = load<u32>(cpu, FSW);
  const full = load<u32>(cpu, FTW);
  const n = ((fsw >> 11) - 1) & 7;
  if ((full >> n) & 1) return false;
  store<u32>(cpu, (fsw & ~(TOP | C1)) | (n << 11), FSW);
  store<u32>(cpu, full | (1 << n), FTW);
  put(cpu + FPR + (n << 4), se, m);
  return true;
}

/** FSW after an uneventful pop, C1 clear. */
// @ts-ignore: decorator
@inline
export function popped(fsw: u32): u32 {
  return (fsw & ~(TOP | C1)) | ((fsw + 0x800) & TOP);
}

/** The whole of an uneventful pop. */
// @ts-ignore: decorator
@inline
export function popQuick(cpu: usize, fsw: u32, full: u32): void {
  store<u32>(cpu, full & ~(1 << ((fsw >> 11) & 7)), FTW);
  store<u32>(cpu, popped(fsw), FSW);
}

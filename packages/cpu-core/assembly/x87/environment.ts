// FNSTENV, FLDENV, FNSAVE, FRSTOR (SDM Vol. 1 figures 8-9 to 8-12) and the x87 part of FXSAVE's area (Vol. 2A table 3-46 ff.).
// A whole image is checked or read before anything changes.
import {
  AUX_OP16, FCS, FCW, FDP, FDS, FIP, FOP, FPR, FSW, FTW, LIN_MASK, MODE, MODE_PE, U_AUX,
} from "../../src/layout";
import { faulted } from "../fault";
import { probeWrite, rd16, rd32, wr16, wr32 } from "../memory/access";
import { uopAddress } from "../memory/segmentation";
import { classOf, NORMAL, ZERO } from "./classify";
import { fpuInit, setFcw } from "./control";
import { available, availableAndClear } from "./pointers";
import { physical } from "./stack";

/** The image in transfer: at most 28 bytes of environment and 80 of registers. */
const image: usize = memory.data(112);

/** Two-bit tags of all registers: 0 valid, 1 zero, 2 special, 3 empty. */
function tagWord(cpu: usize): u32 {
  const full = load<u32>(cpu, FTW);
  let word: u32 = 0;
  for (let n: u32 = 0; n < 8; n++) {
    let tag: u32 = 3;
    if ((full >> n) & 1) {
      const reg = cpu + FPR + (n << 4);
      const kind = classOf(load<u16>(reg, 8), load<u64>(reg));
      tag = kind == NORMAL ? 0 : kind == ZERO ? 1 : 2;
    }
    word |= tag << (n << 1);
  }
  return word;
}

/** Abridged tags of a tag word. */
function abridged(word: u32): u32 {
  let full: u32 = 0;
  for (let n: u32 = 0; n < 8; n++) if (((word >> (n << 1)) & 3) != 3) full |= 1 << n;
  return full;
}

function isWide(u: usize): bool {
  return (load<u32>(u, U_AUX) & AUX_OP16) == 0;
}

function isProtected(cpu: usize): bool {
  return (load<u32>(cpu, MODE) & MODE_PE) != 0;
}

/** Builds the environment at `image`; returns its size. */
function buildEnvironment(cpu: usize, wide: bool): u32 {
  const fip = <u32>load<u64>(cpu, FIP);
  const fdp = <u32>load<u64>(cpu, FDP);
  const fop = load<u32>(cpu, FOP) & 0x7ff;
  const fcs = load<u32>(cpu, FCS) & 0xffff;
  const fds = load<u32>(cpu, FDS) & 0xffff;
  if (wide) {
    store<u32>(image, load<u32>(cpu, FCW) | 0xffff0000);
    store<u32>(image, load<u32>(cpu, FSW) | 0xffff0000, 4);
    store<u32>(image, tagWord(cpu) | 0xffff0000, 8);
    if (isProtected(cpu)) {
      store<u32>(image, fip, 12);
      store<u32>(image, fcs | (fop << 16), 16);
      store<u32>(image, fdp, 20);
      store<u32>(image, fds | 0xffff0000, 24);
    } else {
      const code = fip + (fcs << 4);
      const data = fdp + (fds << 4);
      store<u32>(image, (code & 0xffff) | 0xffff0000, 12);
      store<u32>(image, ((code >> 16) << 12) | fop, 16);
      store<u32>(image, (data & 0xffff) | 0xffff0000, 20);
      store<u32>(image, (data >> 16) << 12, 24);
    }
    return 28;
  }
  store<u16>(image, load<u32>(cpu, FCW));
  store<u16>(image, load<u32>(cpu, FSW), 2);
  store<u16>(image, tagWord(cpu), 4);
  if (isProtected(cpu)) {
    store<u16>(image, fip, 6);
    store<u16>(image, fcs, 8);
    store<u16>(image, fdp, 10);
    store<u16>(image, fds, 12);
  } else {
    const code = fip + (fcs << 4);
    const data = fdp + (fds << 4);
    store<u16>(image, code, 6);
    store<u16>(image, ((code >> 4) & 0xf000) | fop, 8);
    store<u16>(image, data, 10);
    store<u16>(image, (data >> 4) & 0xf000, 12);
  }
  return 14;
}

/** Loads the environment from `image`. */
function applyEnvironment(cpu: usize, wide: bool): void {
  let fip: u32;
  let fdp: u32;
  let fop: u32 = load<u32>(cpu, FOP);
  let fcs: u32 = 0;
  let fds: u32 = 0;
  if (wide) {
    store<u32>(cpu, load<u16>(image, 4), FSW);
    store<u32>(cpu, abridged(load<u16>(image, 8)), FTW);
    if (isProtected(cpu)) {
      fip = load<u32>(image, 12);
      fcs = load<u16>(image, 16);
      fop = load<u16>(image, 18) & 0x7ff;
      fdp = load<u32>(image, 20);
      fds = load<u16>(image, 24);
    } else {
      const high = load<u32>(image, 16);
      fip = <u32>load<u16>(image, 12) | (((high >> 12) & 0xffff) << 16);
      fop = high & 0x7ff;
      fdp = <u32>load<u16>(image, 20) | (((load<u32>(image, 24) >> 12) & 0xffff) << 16);
    }
  } else {
    store<u32>(cpu, load<u16>(image, 2), FSW);
    store<u32>(cpu, abridged(load<u16>(image, 4)), FTW);
    fip = load<u16>(image, 6);
    fdp = load<u16>(image, 10);
    if (isProtected(cpu)) {
      fcs = load<u16>(image, 8);
      fds = load<u16>(image, 12);
    } else {
      fip |= (<u32>load<u16>(image, 8) & 0xf000) << 4;
      fop = load<u16>(image, 8) & 0x7ff;
      fdp |= (<u32>load<u16>(image, 12) & 0xf000) << 4;
    }
  }
  store<u64>(cpu, fip, FIP);
  store<u64>(cpu, fdp, FDP);
  store<u32>(cpu, fop, FOP);
  store<u32>(cpu, fcs, FCS);
  store<u32>(cpu, fds, FDS);
  setFcw(cpu, load<u16>(image));
}

/** Writes the first `size` bytes of `image` to the operand of `u`; false on a fault, with nothing written. */
function copyOut(cpu: usize, u: usize, size: u32): bool {
  const linear = uopAddress(cpu, u, size, true);
  if (faulted(cpu)) return false;
  const mask = load<u64>(cpu, LIN_MASK);
  for (let at: u32 = 0; at < size; at += 64) {
    if (!probeWrite(cpu, (linear + at) & mask, min<u32>(64, size - at))) return false;
  }
  let at: u32 = 0;
  for (; at + 4 <= size; at += 4) wr32(cpu, (linear + at) & mask, load<u32>(image + at));
  if (at < size) wr16(cpu, (linear + at) & mask, load<u16>(image + at));
  return !faulted(cpu);
}

/** Reads `size` bytes of the operand of `u` into `image`. */
function copyIn(cpu: usize, u: usize, size: u32): bool {
  const linear = uopAddress(cpu, u, size, false);
  if (faulted(cpu)) return false;
  const mask = load<u64>(cpu, LIN_MASK);
  let at: u32 = 0;
  for (; at + 4 <= size; at += 4) {
    store<u32>(image + at, rd32(cpu, (linear + at) & mask));
    if (faulted(cpu)) return false;
  }
  if (at < size) store<u16>(image + at, <u16>rd16(cpu, (linear + at) & mask));
  return !faulted(cpu);
}

/** FNSTENV: stores the environment, then masks all exceptions. */
export function x87Fnstenv(cpu: usize, u: usize): void {
  if (!available(cpu)) return;
  if (!copyOut(cpu, u, buildEnvironment(cpu, isWide(u)))) return;
  setFcw(cpu, load<u32>(cpu, FCW) | 0x3f);
}

/** FLDENV. */
export function x87Fldenv(cpu: usize, u: usize): void {
  if (!availableAndClear(cpu)) return;
  const wide = isWide(u);
  if (copyIn(cpu, u, wide ? 28 : 14)) applyEnvironment(cpu, wide);
}

/** FNSAVE: stores environment and registers in stack order, then initialises. */
export function x87Fnsave(cpu: usize, u: usize): void {
  if (!available(cpu)) return;
  const size = buildEnvironment(cpu, isWide(u));
  copyRegisters(cpu, image + size, 10, true);
  if (copyOut(cpu, u, size + 80)) fpuInit(cpu);
}

/** FRSTOR. */
export function x87Frstor(cpu: usize, u: usize): void {
  if (!availableAndClear(cpu)) return;
  const wide = isWide(u);
  const size: u32 = wide ? 28 : 14;
  if (!copyIn(cpu, u, size + 80)) return;
  applyEnvironment(cpu, wide);
  copyRegisters(cpu, image + size, 10, false);
}

/** Moves ST(0) to ST(7) to or from `area`, `step` bytes each; of the 16-byte form the upper six are written as zero. */
function copyRegisters(cpu: usize, area: usize, step: u32, out: bool): void {
  for (let i: u32 = 0; i < 8; i++) {
    const reg = cpu + FPR + (physical(cpu, i) << 4);
    const slot = area + i * step;
    if (out) {
      store<u64>(slot, load<u64>(reg));
      if (step == 16) store<u64>(slot, load<u16>(reg, 8), 8);
      else store<u16>(slot, load<u16>(reg, 8), 8);
    } else {
      store<u64>(reg, load<u64>(slot));
      store<u16>(reg, load<u16>(slot, 8), 8);
    }
  }
}

/**
 * The x87 part of FXSAVE and XSAVE at `area`: bytes 0-23 and 32-159; MXCSR and its mask (24-31) are the caller's. `wide` is the REX.W form,
 * with 64-bit pointers in place of selectors.
 */
export function fxsaveX87(cpu: usize, area: usize, wide: bool): void {
  store<u16>(area, load<u32>(cpu, FCW));
  store<u16>(area, load<u32>(cpu, FSW), 2);
  store<u16>(area, load<u32>(cpu, FTW) & 0xff, 4);
  store<u16>(area, load<u32>(cpu, FOP) & 0x7ff, 6);
  if (wide) {
    store<u64>(area, load<u64>(cpu, FIP), 8);
    store<u64>(area, load<u64>(cpu, FDP), 16);
  } else {
    store<u64>(area, (load<u64>(cpu, FIP) & 0xffffffff) | (<u64>(load<u32>(cpu, FCS) & 0xffff) << 32), 8);
    store<u64>(area, (load<u64>(cpu, FDP) & 0xffffffff) | (<u64>(load<u32>(cpu, FDS) & 0xffff) << 32), 16);
  }
  copyRegisters(cpu, area + 32, 16, true);
}

/** Loads what `fxsaveX87` saved. */
export function fxrstorX87(cpu: usize, area: usize, wide: bool): void {
  store<u32>(cpu, load<u16>(area, 2), FSW);
  store<u32>(cpu, load<u8>(area, 4), FTW);
  store<u32>(cpu, load<u16>(area, 6) & 0x7ff, FOP);
  if (wide) {
    store<u64>(cpu, load<u64>(area, 8), FIP);
    store<u64>(cpu, load<u64>(area, 16), FDP);
    store<u32>(cpu, 0, FCS);
    store<u32>(cpu, 0, FDS);
  } else {
    store<u64>(cpu, load<u32>(area, 8), FIP);
    store<u32>(cpu, load<u16>(area, 12), FCS);
    store<u64>(cpu, load<u32>(area, 16), FDP);
    store<u32>(cpu, load<u16>(area, 20), FDS);
  }
  setFcw(cpu, load<u16>(area));
  copyRegisters(cpu, area + 32, 16, false);
}

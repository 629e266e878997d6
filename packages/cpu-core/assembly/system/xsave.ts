// FXSAVE, FXRSTOR, XSAVE, XSAVEOPT, XSAVEC and XRSTOR for x87 and SSE state. SDM Vol. 1 §10.5 and §13.6-13.10, Vol. 2 "FXSAVE".
// An image passes through STAGE, so that nothing is written and no register changes before every check has been made.
import {
  AUX_OP64,
  CR0,
  CR4,
  FCS,
  FCW,
  FDP,
  FDS,
  FEATURES,
  FEATURE_XSAVEC,
  FIP,
  FOP,
  FPR,
  FSW,
  FTW,
  LIN_MASK,
  MODE,
  MODE_64,
  MXCSR,
  SCRATCH,
  STAGE,
  U_AUX,
  XCR0,
  XMM,
} from "../../src/layout";
import { faulted, NM, raise, UD } from "../fault";
import { commit } from "../memory/access";
import { uopAddress } from "../memory/segmentation";
import { readable, wholePage, wholePageWritable, writable } from "../string/run";
import { fxrstorX87, fxsaveX87 } from "../x87/environment";
import { pair, refuse } from "./privilege";

const CR0_EM: u32 = 4;
const CR0_TS: u32 = 8;
const CR4_OSXSAVE: u32 = 0x40000;
const X87: u64 = 1;
const SSE: u64 = 2;
const COMPACT: u64 = 0x8000000000000000;
const MXCSR_MASK: u32 = 0xffff;
const MXCSR_INIT: u32 = 0x1f80;
const FCW_INIT: u32 = 0x37f;
const XMM_AT: u32 = 160;
const HEADER: u32 = 512; // XSTATE_BV, XCOMP_BV, 48 bytes reserved
const AREA: u32 = 576;

/** Bytes of XMM registers that the mode can name. */
// @ts-ignore: decorator
@inline
function xmmBytes(cpu: usize): u32 {
  return load<u32>(cpu, MODE) & MODE_64 ? 256 : 128;
}

/** Are all `bytes` (a multiple of 16) from `at` zero? */
function allZero(at: usize, bytes: u32): bool {
  for (let i: u32 = 0; i < bytes; i += 16) if (load<u64>(at + i) | load<u64>(at + i, 8)) return false;
  return true;
}

/** XINUSE: components that are not in their initial configuration (SDM Vol. 1 §13.6). MXCSR does not count. */
export function componentsInUse(cpu: usize): u64 {
  let used: u64 = 0;
  const pointers = load<u64>(cpu, FIP) | load<u64>(cpu, FDP) | <u64>(load<u32>(cpu, FCS) | load<u32>(cpu, FDS) | load<u32>(cpu, FOP));
  if (load<u32>(cpu, FCW) != FCW_INIT || load<u32>(cpu, FSW) | load<u32>(cpu, FTW) || pointers || !allZero(cpu + FPR, 128)) used = X87;
  if (!allZero(cpu + XMM, xmmBytes(cpu))) used |= SSE;
  return used;
}

// @ts-ignore: decorator
@inline
function at(cpu: usize, linear: u64, offset: u32): u64 {
  return (linear + <u64>offset) & load<u64>(cpu, LIN_MASK);
}

/** Can the image be written, all `size` bytes of it? It crosses at most one page boundary. */
function writableImage(cpu: usize, linear: u64, size: u32): bool {
  return writable(cpu, linear, 1) != 0 && writable(cpu, at(cpu, linear, size - 1), 1) != 0;
}

/** Writes `size` bytes (a multiple of 8) of STAGE from `offset` on, at the same offset of the image. */
function emit(cpu: usize, linear: u64, offset: u32, size: u32): void {
  const end = offset + size;
  while (offset < end) {
    const address = at(cpu, linear, offset);
    const to = writable(cpu, address, 8);
    let n = min<u32>(end - offset, 0x1000 - (<u32>address & 0xfff));
    if (to == 0) return;
    if (!wholePageWritable(cpu, address)) n = 8;
    memory.copy(to, cpu + STAGE + offset, n);
    if (to == cpu + SCRATCH) commit(cpu);
    offset += n;
  }
}

/** Reads `size` bytes of the image into STAGE. False: fault. */
function take(cpu: usize, linear: u64, size: u32): bool {
  let offset: u32 = 0;
  while (offset < size) {
    const address = at(cpu, linear, offset);
    const from = readable(cpu, address, 8);
    if (!from) return false;
    let n = min<u32>(size - offset, 0x1000 - (<u32>address & 0xfff));
    if (!wholePage(cpu, from)) n = 8;
    memory.copy(cpu + STAGE + offset, from, n);
    offset += n;
  }
  return true;
}

/** Address of the image; alignment is checked. */
function imageAddress(cpu: usize, u: usize, size: u32, write: bool): u64 {
  const linear = uopAddress(cpu, u, size, write);
  if (!faulted(cpu) && linear & (size == AREA ? 63 : 15)) refuse(cpu);
  return linear;
}

/** #UD while CR0.EM is set, #NM while CR0.TS is. */
function legacyAllowed(cpu: usize): bool {
  const cr0 = load<u32>(cpu, CR0);
  if (cr0 & CR0_EM) raise(cpu, UD);
  else if (cr0 & CR0_TS) raise(cpu, NM);
  return !faulted(cpu);
}

function extendedAllowed(cpu: usize): bool {
  if (!(load<u32>(cpu, CR4) & CR4_OSXSAVE)) raise(cpu, UD);
  else if (load<u32>(cpu, CR0) & CR0_TS) raise(cpu, NM);
  return !faulted(cpu);
}

// @ts-ignore: decorator
@inline
function wideForm(u: usize): bool {
  return (load<u32>(u, U_AUX) & AUX_OP64) != 0;
}

export function fxsave(cpu: usize, u: usize): void {
  if (!legacyAllowed(cpu)) return;
  const linear = imageAddress(cpu, u, 512, true);
  if (faulted(cpu) || !writableImage(cpu, linear, 512)) return;
  const stage = cpu + STAGE;
  fxsaveX87(cpu, stage, wideForm(u));
  store<u32>(stage, load<u32>(cpu, MXCSR), 24);
  store<u32>(stage, MXCSR_MASK, 28);
  const bytes = xmmBytes(cpu);
  memory.copy(stage + XMM_AT, cpu + XMM, bytes);
  emit(cpu, linear, 0, XMM_AT + bytes);
}

export function fxrstor(cpu: usize, u: usize): void {
  if (!legacyAllowed(cpu)) return;
  const linear = imageAddress(cpu, u, 512, false);
  if (faulted(cpu) || !take(cpu, linear, 512)) return;
  const stage = cpu + STAGE;
  if (load<u32>(stage, 24) & ~MXCSR_MASK) {
    refuse(cpu);
    return;
  }
  fxrstorX87(cpu, stage, wideForm(u));
  store<u32>(cpu, load<u32>(stage, 24), MXCSR);
  memory.copy(cpu + XMM, stage + XMM_AT, xmmBytes(cpu));
}

/** Writes the components in `parts` from the registers to the image. */
function emitComponents(cpu: usize, u: usize, linear: u64, parts: u64, control: bool): void {
  const stage = cpu + STAGE;
  if (parts & X87) {
    fxsaveX87(cpu, stage, wideForm(u));
    emit(cpu, linear, 0, 24);
    emit(cpu, linear, 32, 128);
  }
  if (control) {
    store<u32>(stage, load<u32>(cpu, MXCSR), 24);
    store<u32>(stage, MXCSR_MASK, 28);
    emit(cpu, linear, 24, 8);
  }
  if (parts & SSE) {
    const bytes = xmmBytes(cpu);
    memory.copy(stage + XMM_AT, cpu + XMM, bytes);
    emit(cpu, linear, XMM_AT, bytes);
  }
}

/** XSAVE writes every requested component; XSAVEOPT leaves out those in their initial configuration. */
function saveStandard(cpu: usize, u: usize, optimized: bool): void {
  if (!extendedAllowed(cpu)) return;
  const linear = imageAddress(cpu, u, AREA, true);
  if (faulted(cpu) || !writableImage(cpu, linear, AREA)) return;
  const requested = pair(cpu) & load<u64>(cpu, XCR0);
  const used = componentsInUse(cpu) & requested;
  const header = readable(cpu, at(cpu, linear, HEADER), 8);
  if (!header) return;
  const present = (load<u64>(header) & ~requested) | used;
  emitComponents(cpu, u, linear, optimized ? used : requested, (requested & SSE) != 0);
  store<u64>(cpu + STAGE + HEADER, present);
  emit(cpu, linear, HEADER, 8);
}

export function xsave(cpu: usize, u: usize): void {
  saveStandard(cpu, u, false);
}

export function xsaveopt(cpu: usize, u: usize): void {
  saveStandard(cpu, u, true);
}

/** The compacted form: with x87 and SSE alone the layout is the same; the header says so. */
export function xsavec(cpu: usize, u: usize): void {
  if (!extendedAllowed(cpu)) return;
  const linear = imageAddress(cpu, u, AREA, true);
  if (faulted(cpu) || !writableImage(cpu, linear, AREA)) return;
  const requested = pair(cpu) & load<u64>(cpu, XCR0);
  let used = componentsInUse(cpu);
  if (load<u32>(cpu, MXCSR) != MXCSR_INIT) used |= SSE;
  used &= requested;
  emitComponents(cpu, u, linear, used, (used & SSE) != 0);
  store<u64>(cpu + STAGE + HEADER, used);
  store<u64>(cpu + STAGE + HEADER, requested | COMPACT, 8);
  emit(cpu, linear, HEADER, 16);
}

/** Is the header in STAGE one that XRSTOR accepts (SDM Vol. 1 §13.8)? */
function headerValid(cpu: usize): bool {
  const header = cpu + STAGE + HEADER;
  const present = load<u64>(header);
  const layout = load<u64>(header, 8);
  const allowed = load<u64>(cpu, XCR0);
  if (layout & COMPACT) {
    if (!(load<u64>(cpu, FEATURES) & FEATURE_XSAVEC)) return false;
    if (layout & ~COMPACT & ~allowed || present & ~layout) return false;
    return allZero(header + 16, 48);
  }
  return !(present & ~allowed) && layout == 0 && load<u64>(header, 16) == 0;
}

export function xrstor(cpu: usize, u: usize): void {
  if (!extendedAllowed(cpu)) return;
  const linear = imageAddress(cpu, u, AREA, false);
  if (faulted(cpu) || !take(cpu, linear, AREA)) return;
  if (!headerValid(cpu)) {
    refuse(cpu);
    return;
  }
  const stage = cpu + STAGE;
  const present = load<u64>(stage, HEADER);
  const compact = (load<u64>(stage, HEADER + 8) & COMPACT) != 0;
  const requested = pair(cpu) & load<u64>(cpu, XCR0);
  const fromImage = !compact || (present & SSE) != 0; // where MXCSR comes from
  if (requested & SSE && fromImage && load<u32>(stage, 24) & ~MXCSR_MASK) {
    refuse(cpu);
    return;
  }
  if (requested & X87) {
    if (!(present & X87)) {
      memory.fill(stage, 0, 24);
      memory.fill(stage + 32, 0, 128);
      store<u16>(stage, FCW_INIT);
    }
    fxrstorX87(cpu, stage, wideForm(u));
  }
  if (requested & SSE) {
    store<u32>(cpu, fromImage ? load<u32>(stage, 24) : MXCSR_INIT, MXCSR);
    const bytes = xmmBytes(cpu);
    if (present & SSE) memory.copy(cpu + XMM, stage + XMM_AT, bytes);
    else memory.fill(cpu + XMM, 0, bytes);
  }
}

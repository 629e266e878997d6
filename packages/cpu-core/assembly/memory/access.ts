// Reading and writing guest memory by linear address. The fast path is one tag compare; everything else (TLB misses, accesses that
// cross a page, devices, pages with decoded code, protected frames, alignment checks, data breakpoints) goes through readPtr, writePtr and
// rmwPtr. An instruction that stores to a protected frame is abandoned and run again by itself, as a rehearsal (hypervisor/rehearsal).
import {
  CONTEXT_NONE,
  CTX,
  CTX_SUPER,
  CTX_USER,
  DEBUG_PENDING,
  DR,
  FAULT_ADDRESS,
  FAULT_PROTECTED,
  FRAME_CODE,
  FRAME_MASK,
  FRAME_ROM,
  LIN_MASK,
  MODE,
  MODE_64,
  MODE_LMA,
  REFUSED,
  REFUSED_ADDRESS,
  REHEARSAL,
  RESTART,
  SCRATCH,
  SCRATCH_LIN,
  SCRATCH_PA0,
  SCRATCH_PA1,
  SCRATCH_SIZE,
  SCRATCH_SPLIT,
  TLB,
  TLB_ADDEND,
  TLB_BYTES,
  TLB_ENTRIES,
  TLB_OFFSET,
  TLB_R,
  TLB_SHIFT,
  TLB_SUPERVISOR,
  TLB_W,
  TLB_X,
  WATCH,
} from "../../src/layout";
import { AC, GP, UD, raise, raiseError } from "../fault";
import { hostStore } from "../imports";
import { frameInfoAt, physRead, physWrite } from "./physical";
import { currentArray, foundHost, foundPa, foundProtected, translate } from "./tlb";
import { ACCESS_ANY, ACCESS_FREE, ACCESS_I, ACCESS_STACK, ACCESS_W, walkWritable } from "./walk";

const SUPERVISOR: u32 = TLB_SUPERVISOR;

/** Whose access it is: an instruction's operand, the processor's own to descriptors and the TSS, or a push or pop of a delivery or a transfer. */
const EXPLICIT: u32 = 0;
const IMPLICIT: u32 = ACCESS_FREE | ACCESS_ANY;
const STACK: u32 = ACCESS_STACK;

// @ts-ignore: decorator
@inline
function entryAt(table: usize, linear: u64): usize {
  return table + ((<usize>(linear >> 12) & (TLB_ENTRIES - 1)) << TLB_SHIFT);
}

// @ts-ignore: decorator
@inline
function tagOf(cpu: usize, linear: u64, size: u32): u64 {
  // of the last byte: an access that crosses into the next page cannot match the entry of the first page
  return ((linear + <u64>(size - 1)) & ~0xfff) ^ load<u64>(cpu, CTX);
}

/** The same for an array that need not be the one in use. */
// @ts-ignore: decorator
@inline
function tagAs(cpu: usize, linear: u64, size: u32, array: u32): u64 {
  return ((linear + <u64>(size - 1)) & ~0xfff) ^ load<u64>(cpu + (array ? CTX_SUPER : CTX_USER));
}

/** Linear address of the second page's first byte: explicit accesses wrap with the code's address size, implicit ones with the mode's. */
function nextPage(cpu: usize, linear: u64, whose: u32): u64 {
  const next = (linear | 0xfff) + 1;
  if (whose != EXPLICIT) return load<u32>(cpu, MODE) & MODE_LMA ? next : next & 0xffffffff;
  return next & load<u64>(cpu, LIN_MASK);
}

/**
 * #AC(0) for a misaligned access while alignment checking is on (CPL 3, CR0.AM, EFLAGS.AC: SDM Vol. 3A §6.15). Accesses with the rights
 * of CPL 3 are checked, pushes and pops included; those to descriptor tables, the TSS and inner stacks are not.
 */
function misaligned(cpu: usize, linear: u64, size: u32, array: u32): bool {
  if (array != 0 || load<u32>(cpu, CTX) != CONTEXT_NONE) return false;
  let alignment = size;
  if (size == 6) alignment = 4;
  else if (size == 10) alignment = 8;
  else if (size > 16) alignment = 4;
  if (alignment & (alignment - 1) || !(linear & <u64>(alignment - 1))) return false;
  raiseError(cpu, AC, 0);
  return true;
}

/** Notes data breakpoints that the access hits; the trap follows the instruction (SDM Vol. 3B §17.2.4-17.2.5). */
function noteWatch(cpu: usize, linear: u64, size: u32, write: bool): void {
  const dr7 = load<u32>(cpu, DR + 56);
  const watch = load<u32>(cpu, WATCH);
  for (let i: u32 = 0; i < 4; i++) {
    if (!(watch & (1 << i))) continue;
    const control = (dr7 >> (16 + i * 4)) & 15;
    if ((control & 3) == 1 && !write) continue;
    const length: u64 = control >> 2 == 2 ? 8 : (control >> 2) + 1;
    const start = load<u64>(cpu + (<usize>i << 3), DR) & ~(length - 1);
    if (linear < start + length && start < linear + <u64>size) store<u32>(cpu, load<u32>(cpu, DEBUG_PENDING) | (1 << i), DEBUG_PENDING);
  }
}

/** Bytes of the access that lie in the first page. */
// @ts-ignore: decorator
@inline
function firstPart(linear: u64, size: u32): u32 {
  const room: u32 = 0x1000 - (<u32>linear & 0xfff);
  return size < room ? size : room;
}

/** An access that crosses pages ends where an address can be: #GP(0) comes before any page fault of the first page (SDM Vol. 1 §3.3.7.1). */
function endsCanonical(cpu: usize, linear: u64, size: u32): bool {
  const last = linear + <u64>(size - 1);
  if (!(load<u32>(cpu, MODE) & MODE_64) || (<i64>(last << 16)) >> 16 == <i64>last) return true;
  raiseError(cpu, GP, 0);
  return false;
}

/** Parts of the access in SCRATCH about which a backend is asked: two bits for each page. */
let askedParts: u32 = 0;
const PART_ASKED: u32 = 1;
const PART_WRITABLE: u32 = 2;

/** Translates for writing without touching memory; host address of plain RAM, or `cpu + SCRATCH` with the SCRATCH_* record made. */
function prepareWrite(cpu: usize, linear: u64, size: u32, array: u32, whose: u32): usize {
  const split = firstPart(linear, size);
  if (split < size && !endsCanonical(cpu, linear, size)) return 0;
  if (!translate(cpu, linear, ACCESS_W | whose, array)) return 0;
  const host = foundHost;
  const pa = foundPa;
  let asked: u32 = foundProtected ? (walkWritable ? PART_ASKED | PART_WRITABLE : PART_ASKED) : 0;
  let pa1: u64 = 0;
  if (split < size) {
    if (!translate(cpu, nextPage(cpu, linear, whose), ACCESS_W | whose, array)) return 0;
    pa1 = foundPa;
    if (foundProtected) asked |= (walkWritable ? PART_ASKED | PART_WRITABLE : PART_ASKED) << 2;
  }
  if (misaligned(cpu, linear, size, array)) return 0;
  if (load<u32>(cpu, WATCH)) noteWatch(cpu, linear, size, true);
  if (split == size && host && !asked && !(frameInfoAt(pa) & (FRAME_CODE | FRAME_ROM | FRAME_MASK))) return host;
  if (asked && !load<u32>(cpu, REHEARSAL)) {
    store<u64>(cpu, linear, FAULT_ADDRESS);
    raise(cpu, FAULT_PROTECTED);
    return 0;
  }
  askedParts = asked;
  store<u64>(cpu, linear, SCRATCH_LIN);
  store<u64>(cpu, pa, SCRATCH_PA0);
  store<u64>(cpu, pa1, SCRATCH_PA1);
  store<u32>(cpu, size, SCRATCH_SIZE);
  store<u32>(cpu, split, SCRATCH_SPLIT);
  return cpu + SCRATCH;
}

function read(cpu: usize, linear: u64, size: u32, array: u32, whose: u32): usize {
  const split = firstPart(linear, size);
  if (split < size && !endsCanonical(cpu, linear, size)) return 0;
  if (!translate(cpu, linear, whose, array)) return 0;
  const host = foundHost;
  const pa = foundPa;
  let pa1: u64 = 0;
  if (split < size) {
    if (!translate(cpu, nextPage(cpu, linear, whose), whose, array)) return 0;
    pa1 = foundPa;
  }
  if (misaligned(cpu, linear, size, array)) return 0;
  if (load<u32>(cpu, WATCH)) noteWatch(cpu, linear, size, false);
  if (split == size && host) return host;
  physRead(cpu, pa, cpu + SCRATCH, split);
  if (split < size) physRead(cpu, pa1, cpu + SCRATCH + split, size - split);
  return cpu + SCRATCH;
}

/** Where `size` (at most 64) bytes can be read; `cpu + SCRATCH` holds a copy when they are not contiguous RAM. 0: fault. */
export function readPtr(cpu: usize, linear: u64, size: u32): usize {
  return read(cpu, linear, size, currentArray(cpu), EXPLICIT);
}

/** Where `size` bytes can be written; for `cpu + SCRATCH` call `commit` afterwards. 0: fault; nothing was written. */
export function writePtr(cpu: usize, linear: u64, size: u32): usize {
  return prepareWrite(cpu, linear, size, currentArray(cpu), EXPLICIT);
}

/** As writePtr, with the present contents there; faults are reported as writes. */
export function rmwPtr(cpu: usize, linear: u64, size: u32): usize {
  const at = prepareWrite(cpu, linear, size, currentArray(cpu), EXPLICIT);
  if (at == cpu + SCRATCH) {
    const split = load<u32>(cpu, SCRATCH_SPLIT);
    physRead(cpu, load<u64>(cpu, SCRATCH_PA0), at, split);
    if (split < size) physRead(cpu, load<u64>(cpu, SCRATCH_PA1), at + split, size - split);
  }
  return at;
}

/** Writes SCRATCH to where the last writePtr or rmwPtr led. */
export function commit(cpu: usize): void {
  const size = load<u32>(cpu, SCRATCH_SIZE);
  const split = load<u32>(cpu, SCRATCH_SPLIT);
  if (askedParts) {
    commitAsked(cpu, size, split);
    return;
  }
  physWrite(cpu, load<u64>(cpu, SCRATCH_PA0), cpu + SCRATCH, split);
  if (split < size) physWrite(cpu, load<u64>(cpu, SCRATCH_PA1), cpu + SCRATCH + split, size - split);
}

/** The same when parts of it go to protected frames. */
function commitAsked(cpu: usize, size: u32, split: u32): void {
  const linear = load<u64>(cpu, SCRATCH_LIN);
  const parts = askedParts;
  askedParts = 0;
  writePart(cpu, linear, load<u64>(cpu, SCRATCH_PA0), cpu + SCRATCH, split, parts & 3);
  if (split < size) writePart(cpu, linear + <u64>split, load<u64>(cpu, SCRATCH_PA1), cpu + SCRATCH + split, size - split, parts >> 2);
}

function writePart(cpu: usize, linear: u64, pa: u64, from: usize, size: u32, part: u32): void {
  if (load<u32>(cpu, REHEARSAL) == REFUSED) return; // the instruction will have done nothing
  if (!(part & PART_ASKED)) physWrite(cpu, pa, from, size);
  else {
    store<u64>(cpu, linear, REFUSED_ADDRESS);
    if (!hostStore(cpu, <u32>pa, <u32>from, size, (part & PART_WRITABLE) != 0)) {
      store<u32>(cpu, REFUSED, REHEARSAL);
      store<u32>(cpu, 1, RESTART);
    }
  }
}

/** Host address of the code byte at `linear`, readable to the end of its page. 0: fault. Code in device memory is open bus: #UD. */
export function fetchPtr(cpu: usize, linear: u64): usize {
  const entry = entryAt(load<u32>(cpu, TLB), linear);
  if (load<u64>(entry, TLB_X) == tagOf(cpu, linear, 1)) return load<u32>(entry, TLB_ADDEND) + <u32>linear;
  if (!translate(cpu, linear, ACCESS_I, currentArray(cpu))) return 0;
  if (!foundHost) raise(cpu, UD);
  return foundHost;
}

/** Can `size` bytes be written at the current privilege? Faults as the write would; nothing is written. */
export function probeWrite(cpu: usize, linear: u64, size: u32): bool {
  return prepareWrite(cpu, linear, size, currentArray(cpu), EXPLICIT) != 0;
}

/** Likewise for an implicit supervisor write. */
export function sysProbeWrite(cpu: usize, linear: u64, size: u32): bool {
  return prepareWrite(cpu, linear, size, SUPERVISOR, IMPLICIT) != 0;
}

/** Reads 2, 4 or 8 bytes with the rights of array `array` (a stack of another privilege). */
export function readAs(cpu: usize, linear: u64, size: u32, array: u32): u64 {
  const entry = entryAt(cpu + TLB_OFFSET + array * TLB_BYTES, linear);
  const hit = load<u64>(entry, TLB_R) == tagAs(cpu, linear, size, array);
  const at: usize = hit ? load<u32>(entry, TLB_ADDEND) + <u32>linear : read(cpu, linear, size, array, STACK);
  if (!at) return 0;
  return size == 8 ? load<u64>(at) : size == 4 ? <u64>load<u32>(at) : <u64>load<u16>(at);
}

/** Writes 2, 4 or 8 bytes with the rights of array `array`. */
export function writeAs(cpu: usize, linear: u64, value: u64, size: u32, array: u32): void {
  const entry = entryAt(cpu + TLB_OFFSET + array * TLB_BYTES, linear);
  const hit = load<u64>(entry, TLB_W) == tagAs(cpu, linear, size, array);
  const at: usize = hit ? load<u32>(entry, TLB_ADDEND) + <u32>linear : prepareWrite(cpu, linear, size, array, STACK);
  if (!at) return;
  if (size == 8) store<u64>(at, value);
  else if (size == 4) store<u32>(at, <u32>value);
  else store<u16>(at, <u16>value);
  if (at == cpu + SCRATCH) commit(cpu);
}

export function rd8(cpu: usize, linear: u64): u32 {
  const entry = entryAt(load<u32>(cpu, TLB), linear);
  if (load<u64>(entry, TLB_R) == tagOf(cpu, linear, 1)) return <u32>load<u8>(load<u32>(entry, TLB_ADDEND) + <u32>linear);
  const at = read(cpu, linear, 1, currentArray(cpu), EXPLICIT);
  return at ? <u32>load<u8>(at) : 0;
}

export function wr8(cpu: usize, linear: u64, value: u32): void {
  const entry = entryAt(load<u32>(cpu, TLB), linear);
  if (load<u64>(entry, TLB_W) == tagOf(cpu, linear, 1)) {
    store<u8>(load<u32>(entry, TLB_ADDEND) + <u32>linear, <u8>value);
    return;
  }
  const at = prepareWrite(cpu, linear, 1, currentArray(cpu), EXPLICIT);
  if (!at) return;
  store<u8>(at, <u8>value);
  if (at == cpu + SCRATCH) commit(cpu);
}

export function sysRd8(cpu: usize, linear: u64): u32 {
  const entry = entryAt(cpu + TLB_OFFSET + SUPERVISOR * TLB_BYTES, linear);
  if (load<u64>(entry, TLB_R) == tagAs(cpu, linear, 1, SUPERVISOR)) return <u32>load<u8>(load<u32>(entry, TLB_ADDEND) + <u32>linear);
  const at = read(cpu, linear, 1, SUPERVISOR, IMPLICIT);
  return at ? <u32>load<u8>(at) : 0;
}

export function sysWr8(cpu: usize, linear: u64, value: u32): void {
  const at = prepareWrite(cpu, linear, 1, SUPERVISOR, IMPLICIT);
  if (!at) return;
  store<u8>(at, <u8>value);
  if (at == cpu + SCRATCH) commit(cpu);
}

export function rd16(cpu: usize, linear: u64): u32 {
  const entry = entryAt(load<u32>(cpu, TLB), linear);
  if (load<u64>(entry, TLB_R) == tagOf(cpu, linear, 2)) return <u32>load<u16>(load<u32>(entry, TLB_ADDEND) + <u32>linear);
  const at = read(cpu, linear, 2, currentArray(cpu), EXPLICIT);
  return at ? <u32>load<u16>(at) : 0;
}

export function wr16(cpu: usize, linear: u64, value: u32): void {
  const entry = entryAt(load<u32>(cpu, TLB), linear);
  if (load<u64>(entry, TLB_W) == tagOf(cpu, linear, 2)) {
    store<u16>(load<u32>(entry, TLB_ADDEND) + <u32>linear, <u16>value);
    return;
  }
  const at = prepareWrite(cpu, linear, 2, currentArray(cpu), EXPLICIT);
  if (!at) return;
  store<u16>(at, <u16>value);
  if (at == cpu + SCRATCH) commit(cpu);
}

export function sysRd16(cpu: usize, linear: u64): u32 {
  const entry = entryAt(cpu + TLB_OFFSET + SUPERVISOR * TLB_BYTES, linear);
  if (load<u64>(entry, TLB_R) == tagAs(cpu, linear, 2, SUPERVISOR)) return <u32>load<u16>(load<u32>(entry, TLB_ADDEND) + <u32>linear);
  const at = read(cpu, linear, 2, SUPERVISOR, IMPLICIT);
  return at ? <u32>load<u16>(at) : 0;
}

export function sysWr16(cpu: usize, linear: u64, value: u32): void {
  const at = prepareWrite(cpu, linear, 2, SUPERVISOR, IMPLICIT);
  if (!at) return;
  store<u16>(at, <u16>value);
  if (at == cpu + SCRATCH) commit(cpu);
}

export function rd32(cpu: usize, linear: u64): u32 {
  const entry = entryAt(load<u32>(cpu, TLB), linear);
  if (load<u64>(entry, TLB_R) == tagOf(cpu, linear, 4)) return load<u32>(load<u32>(entry, TLB_ADDEND) + <u32>linear);
  const at = read(cpu, linear, 4, currentArray(cpu), EXPLICIT);
  return at ? load<u32>(at) : 0;
}

export function wr32(cpu: usize, linear: u64, value: u32): void {
  const entry = entryAt(load<u32>(cpu, TLB), linear);
  if (load<u64>(entry, TLB_W) == tagOf(cpu, linear, 4)) {
    store<u32>(load<u32>(entry, TLB_ADDEND) + <u32>linear, value);
    return;
  }
  const at = prepareWrite(cpu, linear, 4, currentArray(cpu), EXPLICIT);
  if (!at) return;
  store<u32>(at, value);
  if (at == cpu + SCRATCH) commit(cpu);
}

export function sysRd32(cpu: usize, linear: u64): u32 {
  const entry = entryAt(cpu + TLB_OFFSET + SUPERVISOR * TLB_BYTES, linear);
  if (load<u64>(entry, TLB_R) == tagAs(cpu, linear, 4, SUPERVISOR)) return load<u32>(load<u32>(entry, TLB_ADDEND) + <u32>linear);
  const at = read(cpu, linear, 4, SUPERVISOR, IMPLICIT);
  return at ? load<u32>(at) : 0;
}

export function sysWr32(cpu: usize, linear: u64, value: u32): void {
  const at = prepareWrite(cpu, linear, 4, SUPERVISOR, IMPLICIT);
  if (!at) return;
  store<u32>(at, value);
  if (at == cpu + SCRATCH) commit(cpu);
}

export function rd64(cpu: usize, linear: u64): u64 {
  const entry = entryAt(load<u32>(cpu, TLB), linear);
  if (load<u64>(entry, TLB_R) == tagOf(cpu, linear, 8)) return load<u64>(load<u32>(entry, TLB_ADDEND) + <u32>linear);
  const at = read(cpu, linear, 8, currentArray(cpu), EXPLICIT);
  return at ? load<u64>(at) : 0;
}

export function wr64(cpu: usize, linear: u64, value: u64): void {
  const entry = entryAt(load<u32>(cpu, TLB), linear);
  if (load<u64>(entry, TLB_W) == tagOf(cpu, linear, 8)) {
    store<u64>(load<u32>(entry, TLB_ADDEND) + <u32>linear, value);
    return;
  }
  const at = prepareWrite(cpu, linear, 8, currentArray(cpu), EXPLICIT);
  if (!at) return;
  store<u64>(at, value);
  if (at == cpu + SCRATCH) commit(cpu);
}

export function sysRd64(cpu: usize, linear: u64): u64 {
  const entry = entryAt(cpu + TLB_OFFSET + SUPERVISOR * TLB_BYTES, linear);
  if (load<u64>(entry, TLB_R) == tagAs(cpu, linear, 8, SUPERVISOR)) return load<u64>(load<u32>(entry, TLB_ADDEND) + <u32>linear);
  const at = read(cpu, linear, 8, SUPERVISOR, IMPLICIT);
  return at ? load<u64>(at) : 0;
}

/** Where `size` bytes of a descriptor table can be read, when the TLB knows; 0 otherwise. */
// @ts-ignore: decorator
@inline
export function sysKnown(cpu: usize, linear: u64, size: u32): usize {
  const entry = entryAt(cpu + TLB_OFFSET + SUPERVISOR * TLB_BYTES, linear);
  return load<u64>(entry, TLB_R) == tagAs(cpu, linear, size, SUPERVISOR) ? load<u32>(entry, TLB_ADDEND) + <u32>linear : 0;
}

export function sysWr64(cpu: usize, linear: u64, value: u64): void {
  const at = prepareWrite(cpu, linear, 8, SUPERVISOR, IMPLICIT);
  if (!at) return;
  store<u64>(at, value);
  if (at == cpu + SCRATCH) commit(cpu);
}

// The software TLB: what the layout's tags mean, how they are filled and dropped.
//
// A tag is (linear page) ^ (context number); comparing it with (linear page of the access) ^ CTX checks page, address space and
// freshness at once. Dropping all non-global translations means taking a new context number (SDM Vol. 3A §4.10.4); each PCID keeps
// its own, and where kernels have global pages supervisor accesses have one for all (memory/supervisor). Any other global entry stays behind
// under the old number; the slow path finds it there and tags it anew. When the numbers are used up everything is wiped. INVLPG of a large page drops all its pieces: LARGE_MAP and HUGE_MAP remember, by hash, where they are;
// regions that share a hash are dropped together, so that the mark can go with them.
import {
  CONTEXT_NONE,
  CPL,
  CR0,
  CR3,
  CR4,
  CTX,
  CTX_SUPER,
  CTX_USER,
  EFER,
  EFLAGS,
  FRAME_CODE,
  FRAME_DEVICE,
  FRAME_MASK,
  FRAME_PROTECTED,
  FRAME_ROM,
  FRAME_STORES_PTR,
  GLOBAL_GEN,
  HUGE_MAP,
  LARGE_MAP,
  NEXT_CTX,
  PCID_CONTEXT,
  PCID_USED,
  PHYS_MASK,
  RAM_BASE_PTR,
  RESTART,
  ROOT_CONTEXTS,
  ROOT_CONTEXT_MAX,
  ROOT_NEXT,
  SUPER_CTX,
  A20_MASK_PTR,
  TLB,
  TLB_ADDEND,
  TLB_BYTES,
  TLB_ENTRIES,
  TLB_INFO,
  TLB_OFFSET,
  TLB_R,
  TLB_SHIFT,
  TLB_SUPERVISOR,
  TLB_SUPERVISOR_AC,
  TLB_USER,
  TLB_W,
  TLB_X,
  VCPU_BASE,
  VCPU_COUNT_PTR,
  VCPU_STRIDE,
  WATCH,
  DR,
} from "../../src/layout";
import { CR4_SMAP } from "../system/bits";
import { GP, raiseError } from "../fault";
import { jumpDropPage, jumpWipe } from "../jumps";
import { frameInfoAt, ramAt } from "./physical";
import { ABSENT, dropEntry, supervisorFill, supervisorLeave, supervisorRenew } from "./supervisor";
import {
  ACCESS_AC,
  ACCESS_ANY,
  ACCESS_I,
  ACCESS_U,
  ACCESS_W,
  ALLOW_R,
  ALLOW_W,
  ALLOW_X,
  RIGHT_DIRTY,
  RIGHT_GLOBAL,
  RIGHT_HUGE,
  RIGHT_LARGE,
  RIGHT_PASSING,
  loadPdptes,
  walk,
  walkAllowed,
  walkPa,
  walkProtected,
  walkRights,
} from "./walk";

/** Bits of a 4 MiB region's number that choose among the TLB's entries. */
const LARGE_KEPT: u32 = (TLB_ENTRIES >> 10) - 1;

const CR0_AM: u32 = 0x40000;
const CR0_PG: u32 = 0x80000000;
const CR4_PAE: u32 = 0x20;
const CR4_PCIDE: u32 = 0x20000;
const EFER_LMA: u32 = 0x400;
const FLAG_AC: u32 = 0x40000;

/** More entries with tags for stores to a frame than can be told one by one. */
const MANY: u32 = -1;

/** Number of the array in use: 0 user, 1 supervisor, 2 supervisor with EFLAGS.AC. */
// @ts-ignore: decorator
@inline
export function currentArray(cpu: usize): u32 {
  return (load<u32>(cpu, TLB) - <u32>(cpu + TLB_OFFSET)) / TLB_BYTES;
}

// @ts-ignore: decorator
@inline
function entryOf(cpu: usize, array: u32, linear: u64): usize {
  return cpu + TLB_OFFSET + array * TLB_BYTES + ((<usize>(linear >> 12) & (TLB_ENTRIES - 1)) << TLB_SHIFT);
}

// @ts-ignore: decorator
@inline
function currentPcid(cpu: usize): u32 {
  return load<u32>(cpu, CR4) & CR4_PCIDE ? load<u32>(cpu, CR3) & 0xfff : 0;
}

/** Forgets every translation of one vCPU, and starts the context numbers again. */
export function tlbWipe(cpu: usize): void {
  memory.fill(cpu + TLB_OFFSET, 0xff, 3 * TLB_BYTES);
  memory.fill(cpu + PCID_CONTEXT, 0, 8192);
  memory.fill(cpu + LARGE_MAP, 0, 1024);
  memory.fill(cpu + HUGE_MAP, 0, 64);
  jumpWipe(cpu);
  store<u32>(cpu, 1, NEXT_CTX);
  store<u32>(cpu, 1, GLOBAL_GEN);
  store<u32>(cpu, 0, PCID_USED);
  supervisorRenew(cpu);
  freshContext(cpu, currentPcid(cpu));
}

/** A new context number for `pcid`. The caller selects it if that PCID is current. */
function takeContext(cpu: usize, pcid: u32): void {
  const number = load<u32>(cpu, NEXT_CTX);
  store<u32>(cpu, number + 1, NEXT_CTX);
  store<u16>(cpu + (<usize>pcid << 1), <u16>number, PCID_CONTEXT);
  if (pcid) store<u32>(cpu, 1, PCID_USED);
}

function freshContext(cpu: usize, pcid: u32): void {
  if (load<u32>(cpu, ROOT_NEXT)) forgetRoots(cpu);
  supervisorLeave(cpu);
  if (load<u32>(cpu, NEXT_CTX) >= <u32>CONTEXT_NONE) {
    tlbWipe(cpu); // comes back here with numbers to spare
    if (pcid == currentPcid(cpu)) return;
  }
  takeContext(cpu, pcid);
  tlbSelect(cpu);
  store<u32>(cpu, 1, RESTART);
}

/** Other roots' translations are no longer good. */
function forgetRoots(cpu: usize): void {
  memory.fill(cpu + ROOT_CONTEXTS, 0, ROOT_CONTEXT_MAX * 16);
  store<u32>(cpu, 0, ROOT_NEXT);
}

/**
 * Changes to another root whose cached translations, if there are any, may be used: each of the last few roots keeps its context number
 * until something drops translations. CR4.PCIDE has its own way to do this, and gets a plain load of CR3.
 */
export function switchRoot(cpu: usize, frame: u32): void {
  const root = <u64>frame << 12;
  const old = load<u64>(cpu, CR3);
  if (root == old) return;
  if (load<u32>(cpu, CR4) & CR4_PCIDE) {
    setCr3(cpu, root);
    return;
  }
  const context = <u32>load<u16>(cpu, PCID_CONTEXT);
  const rows = cpu + ROOT_CONTEXTS;
  let known: u32 = 0;
  let place: usize = 0;
  for (let row: usize = rows; row < rows + ROOT_CONTEXT_MAX * 16; row += 16) {
    if (!load<u32>(row, 8)) continue;
    if (load<u64>(row) == old) place = row;
    if (load<u64>(row) == root) known = load<u32>(row, 8);
  }
  if (!place) {
    const next = load<u32>(cpu, ROOT_NEXT);
    place = rows + <usize>(next % ROOT_CONTEXT_MAX) * 16;
    store<u32>(cpu, next + 1, ROOT_NEXT);
    if (load<u64>(place) == root) known = 0;
    store<u64>(place, old);
  }
  store<u32>(place, context, 8);
  supervisorLeave(cpu);
  store<u64>(cpu, root, CR3);
  const paeOnly = load<u32>(cpu, CR0) & CR0_PG && load<u32>(cpu, CR4) & CR4_PAE && !(load<u32>(cpu, EFER) & EFER_LMA);
  if (paeOnly) loadPdptes(cpu, root);
  if (known) store<u16>(cpu, <u16>known, PCID_CONTEXT);
  else if (load<u32>(cpu, NEXT_CTX) >= <u32>CONTEXT_NONE) tlbWipe(cpu);
  else takeContext(cpu, 0);
  tlbSelect(cpu);
  store<u32>(cpu, 1, RESTART);
}

/** After CR0, CR3, CR4 or EFER was set from outside. */
export function pagingChanged(cpu: usize): void {
  const paeOnly = load<u32>(cpu, CR0) & CR0_PG && load<u32>(cpu, CR4) & CR4_PAE && !(load<u32>(cpu, EFER) & EFER_LMA);
  if (paeOnly) loadPdptes(cpu, load<u64>(cpu, CR3));
  tlbFlushAll(cpu);
}

/** Recomputes TLB and CTX; after every change of CPL, CR0.AM, CR4.SMAP, CR4.PCIDE, the PCID or EFLAGS.AC. */
export function tlbSelect(cpu: usize): void {
  const flags = load<u32>(cpu, EFLAGS);
  const own = <u32>load<u16>(cpu + (<usize>currentPcid(cpu) << 1), PCID_CONTEXT);
  const shared = load<u32>(cpu, SUPER_CTX);
  const supervisor = shared ? shared : own;
  let array: u32 = TLB_USER;
  let user = own;
  if (load<u32>(cpu, CPL) < 3) array = flags & FLAG_AC && load<u32>(cpu, CR4) & CR4_SMAP ? TLB_SUPERVISOR_AC : TLB_SUPERVISOR;
  else if (flags & FLAG_AC && load<u32>(cpu, CR0) & CR0_AM) user = CONTEXT_NONE; // every access is checked for alignment
  store<u32>(cpu, <u32>cpu + TLB_OFFSET + array * TLB_BYTES, TLB);
  store<u64>(cpu, user, CTX_USER);
  store<u64>(cpu, supervisor, CTX_SUPER);
  store<u64>(cpu, array ? supervisor : user, CTX);
}

/** Drops the non-global translations of the current PCID. */
export function tlbFlushNonGlobal(cpu: usize): void {
  freshContext(cpu, currentPcid(cpu));
}

/** Drops the non-global translations of one PCID (INVPCID type 1). */
export function tlbFlushPcid(cpu: usize, pcid: u32): void {
  if (pcid == currentPcid(cpu)) freshContext(cpu, pcid);
  else store<u16>(cpu + (<usize>pcid << 1), 0, PCID_CONTEXT);
}

/** Drops the non-global translations of all PCIDs (INVPCID type 3). */
export function tlbFlushAllPcids(cpu: usize): void {
  if (load<u32>(cpu, PCID_USED)) {
    memory.fill(cpu + PCID_CONTEXT, 0, 8192);
    store<u32>(cpu, 0, PCID_USED);
  }
  freshContext(cpu, currentPcid(cpu));
}

/** Drops everything, global translations included. */
export function tlbFlushAll(cpu: usize): void {
  const generation = load<u32>(cpu, GLOBAL_GEN) + 1;
  if (generation >= 0xfff) {
    tlbWipe(cpu);
    return;
  }
  store<u32>(cpu, generation, GLOBAL_GEN);
  supervisorRenew(cpu);
  memory.fill(cpu + LARGE_MAP, 0, 1024);
  memory.fill(cpu + HUGE_MAP, 0, 64);
  tlbFlushAllPcids(cpu);
}

/** The linear page an entry is for, or -1 (no page) when it is empty. */
// @ts-ignore: decorator
@inline
function pageOf(entry: usize): u64 {
  const context = <u64>(load<u32>(entry, TLB_INFO) >> 20);
  let tag = load<u64>(entry, TLB_R);
  if (tag == ABSENT) tag = load<u64>(entry, TLB_X);
  if (tag == ABSENT) tag = load<u64>(entry, TLB_W);
  return tag == ABSENT ? tag : tag ^ context;
}

/** LARGE_MAP slot of a 4 MiB region. Regions of one slot use the same TLB entries: the bits that choose these are kept. */
// @ts-ignore: decorator
@inline
function largeSlot(linear: u64): usize {
  const region = <u32>(linear >> 22);
  const upper = region ^ (region >> 6) ^ (region >> 12) ^ (region >> 18);
  return LARGE_MAP + (<usize>((upper & ~LARGE_KEPT & 0x1ff) | (region & LARGE_KEPT)) << 1);
}

/** Drops what the TLB holds of the regions that share `linear`'s slot, where `parts` says that there is something. */
function dropLarge(cpu: usize, linear: u64, parts: u32): void {
  const slot = largeSlot(linear);
  while (parts) {
    const part = ctz(parts);
    parts &= parts - 1;
    for (let array: u32 = 0; array < 3; array++) {
      const first = entryOf(cpu, array, (linear & ~0x3fffff) | <u64>(part << 18));
      for (let entry = first; entry < first + (64 << TLB_SHIFT); entry += 1 << TLB_SHIFT) {
        const page = pageOf(entry);
        if (page != ABSENT && largeSlot(page) == slot) dropEntry(entry);
      }
    }
  }
  store<u16>(cpu + slot, 0);
  jumpWipe(cpu);
}

// @ts-ignore: decorator
@inline
function hugeHash(linear: u64): u32 {
  return <u32>((linear >> 30) ^ (linear >> 39)) & 0x1ff;
}

/** INVLPG: drops the translation of `linear`, global or not, with every piece of the large page it may lie in (§4.10.4.1). */
export function tlbFlushPage(cpu: usize, linear: u64): void {
  store<u32>(cpu, 1, RESTART);
  const huge = hugeHash(linear);
  if (load<u8>(cpu + (huge >> 3), HUGE_MAP) & (1 << (huge & 7))) {
    tlbFlushAll(cpu);
    return;
  }
  const parts = <u32>load<u16>(cpu + largeSlot(linear));
  if (parts) dropLarge(cpu, linear, parts);
  for (let array: u32 = 0; array < 3; array++) dropEntry(entryOf(cpu, array, linear));
  jumpDropPage(cpu, linear);
}

/** Loads CR3 (SDM Vol. 2B "MOV to CR", Vol. 3A §4.10.4.1). False: #GP(0) is pending and nothing has changed. */
export function setCr3(cpu: usize, value: u64): bool {
  const cr4 = load<u32>(cpu, CR4);
  let keep = false;
  if (cr4 & CR4_PCIDE) {
    keep = <i64>value < 0;
    value &= 0x7fffffffffffffff;
  }
  const paeOnly = load<u32>(cpu, CR0) & CR0_PG && cr4 & CR4_PAE && !(load<u32>(cpu, EFER) & EFER_LMA);
  if (value & ~0xfff & ~load<u64>(cpu, PHYS_MASK) || (paeOnly && !loadPdptes(cpu, value))) {
    raiseError(cpu, GP, 0);
    return false;
  }
  store<u64>(cpu, value, CR3);
  const pcid = currentPcid(cpu);
  if (keep && load<u16>(cpu + (<usize>pcid << 1), PCID_CONTEXT)) {
    supervisorLeave(cpu);
    tlbSelect(cpu);
    store<u32>(cpu, 1, RESTART);
  } else freshContext(cpu, pcid);
  return true;
}

/** A20: false makes bit 20 of every physical address zero. */
export function setA20(enabled: bool): void {
  store<u64>(A20_MASK_PTR, enabled ? -1 : ~0x100000);
  const count = load<u32>(VCPU_COUNT_PTR);
  for (let i: u32 = 0; i < count; i++) tlbWipe(VCPU_BASE + i * VCPU_STRIDE);
}

/** Notes that `entry` gets a tag for stores to `frame`: two numbers of entries, one up, in 16 bits each. With more, MANY. */
// @ts-ignore: decorator
@inline
function noteStores(cpu: usize, frame: u32, entry: usize): void {
  const number = ((<u32>(entry - cpu) - TLB_OFFSET) >> TLB_SHIFT) + 1;
  const at: usize = load<u32>(FRAME_STORES_PTR) + (frame << 2);
  const known = load<u32>(at);
  if ((known & 0xffff) == number || known >>> 16 == number || known == MANY) return;
  store<u32>(at, !known ? number : known >>> 16 ? MANY : known | (number << 16));
}

// @ts-ignore: decorator
@inline
function dropStores(entry: usize, host: u32): void {
  const tag = load<u64>(entry, TLB_W);
  if (tag != ABSENT && (load<u32>(entry, TLB_ADDEND) + <u32>tag) >> 12 == host >> 12) store<u64>(entry, ABSENT, TLB_W);
}

/** Takes the store tags for a frame out of all TLBs: its code gets decoded, or a backend protects or watches it. */
export function tlbProtectFrame(frame: u32): void {
  const at: usize = load<u32>(FRAME_STORES_PTR) + (frame << 2);
  const known = load<u32>(at);
  if (!known) return;
  store<u32>(at, 0);
  const host = load<u32>(RAM_BASE_PTR) + (frame << 12);
  const count = load<u32>(VCPU_COUNT_PTR);
  for (let i: u32 = 0; i < count; i++) {
    const first: usize = VCPU_BASE + i * VCPU_STRIDE + TLB_OFFSET;
    if (known == MANY) {
      for (let entry: usize = first; entry < first + 3 * TLB_BYTES; entry += 1 << TLB_SHIFT) dropStores(entry, host);
      continue;
    }
    const before = first - (1 << TLB_SHIFT);
    dropStores(before + (<usize>(known & 0xffff) << TLB_SHIFT), host);
    if (known >>> 16) dropStores(before + (<usize>(known >>> 16) << TLB_SHIFT), host);
  }
}

/** Drops every vCPU's translations to a RAM frame. */
export function tlbForgetFrame(frame: u32): void {
  const host = load<u32>(RAM_BASE_PTR) + (frame << 12);
  const count = load<u32>(VCPU_COUNT_PTR);
  for (let i: u32 = 0; i < count; i++) {
    const cpu: usize = VCPU_BASE + i * VCPU_STRIDE;
    const first = cpu + TLB_OFFSET;
    for (let entry: usize = first; entry < first + 3 * TLB_BYTES; entry += 1 << TLB_SHIFT) {
      const page = pageOf(entry);
      if (page != ABSENT && load<u32>(entry, TLB_ADDEND) + <u32>page == host) dropEntry(entry);
    }
    jumpWipe(cpu);
    store<u32>(cpu, 1, RESTART);
  }
}

/** Is any byte of this linear page watched by an enabled data breakpoint? */
function watchedPage(cpu: usize, page: u64): bool {
  const watch = load<u32>(cpu, WATCH);
  for (let i: u32 = 0; i < 4; i++) {
    if (watch & (1 << i) && (load<u64>(cpu + (<usize>i << 3), DR) & ~0xfff) == page) return true;
  }
  return false;
}

/** Physical address of the last translation, and its host address, or 0 for device memory. */
export let foundPa: u64 = 0;
export let foundHost: usize = 0;

/** It is a store about which a backend is to be asked; walkWritable says whether the guest's tables allow it. */
export let foundProtected: bool = false;

// @ts-ignore: decorator
@inline
function found(entry: usize, linear: u64): bool {
  foundProtected = false;
  foundHost = load<u32>(entry, TLB_ADDEND) + <u32>linear;
  foundPa = <u64>(foundHost - load<u32>(RAM_BASE_PTR));
  return true;
}

/**
 * Translates one address for array `array` and fills the TLB. `access` is what is wanted of ACCESS_W, I, ANY, FREE and STACK; whose access it
 * is follows from the array. False: a fault is pending.
 */
export function translate(cpu: usize, linear: u64, access: u32, array: u32): bool {
  const page = linear & ~0xfff;
  const entry = entryOf(cpu, array, linear);
  const context = <u32>load<u64>(cpu + (array ? CTX_SUPER : CTX_USER));
  const wanted: usize = access & ACCESS_W ? TLB_W : access & ACCESS_I ? TLB_X : TLB_R;
  if (load<u64>(entry + wanted) == (page ^ <u64>context)) return found(entry, linear);
  const info = load<u32>(entry, TLB_INFO);
  if (info & 1 && ((info >> 8) & 0xfff) == load<u32>(cpu, GLOBAL_GEN) && context != CONTEXT_NONE && pageOf(entry) == page) {
    // a global translation under an old context number
    const change = <u64>((info >> 20) ^ context);
    if (load<u64>(entry, TLB_R) != ABSENT) store<u64>(entry, load<u64>(entry, TLB_R) ^ change, TLB_R);
    if (load<u64>(entry, TLB_W) != ABSENT) store<u64>(entry, load<u64>(entry, TLB_W) ^ change, TLB_W);
    if (load<u64>(entry, TLB_X) != ABSENT) store<u64>(entry, load<u64>(entry, TLB_X) ^ change, TLB_X);
    store<u32>(entry, (info & 0xfffff) | (context << 20), TLB_INFO);
    if (load<u64>(entry + wanted) != ABSENT) return found(entry, linear);
  }

  if (load<u32>(cpu, EFER) & EFER_LMA && (<i64>(linear << 16)) >> 16 != <i64>linear) {
    raiseError(cpu, GP, 0);
    return false;
  }
  let who: u32 = array == 0 ? ACCESS_U : array == 2 ? ACCESS_AC : 0;
  if (array != 0 && !load<u32>(cpu, CPL)) who |= ACCESS_ANY;
  if (!walk(cpu, linear, access | who)) return false;
  foundProtected = walkProtected;
  const rights = walkRights;
  const pa = walkPa;
  const frame = frameInfoAt(pa);
  foundPa = pa | (linear & 0xfff);
  if (frame & FRAME_DEVICE) {
    foundHost = 0;
    return true;
  }
  const host = ramAt(pa);
  foundHost = host + (<u32>linear & 0xfff);
  if (context == CONTEXT_NONE || rights & RIGHT_PASSING) return true;

  const tag = page ^ <u64>context;
  const watched = load<u32>(cpu, WATCH) != 0 && watchedPage(cpu, page);
  const allowed = watched ? walkAllowed & ALLOW_X : walkAllowed;
  const writable = allowed & ALLOW_W && rights & RIGHT_DIRTY && !(frame & (FRAME_CODE | FRAME_PROTECTED | FRAME_ROM | FRAME_MASK));
  if (writable) noteStores(cpu, <u32>(pa >> 12), entry);
  store<u64>(entry, allowed & ALLOW_R ? tag : ABSENT, TLB_R);
  store<u64>(entry, writable ? tag : ABSENT, TLB_W);
  const fetches = (array == 0 || supervisorFill(cpu, entry, rights, access)) && allowed & ALLOW_X;
  store<u64>(entry, fetches ? tag : ABSENT, TLB_X);
  store<u32>(entry, <u32>host - <u32>page, TLB_ADDEND);
  const global: u32 = rights & RIGHT_GLOBAL ? 1 | (load<u32>(cpu, GLOBAL_GEN) << 8) : 0;
  store<u32>(entry, global | (context << 20), TLB_INFO);
  if (rights & RIGHT_HUGE) {
    const hash = hugeHash(linear);
    const map = cpu + HUGE_MAP + <usize>(hash >> 3);
    store<u8>(map, load<u8>(map) | (<u8>1 << <u8>(hash & 7)));
  } else if (rights & RIGHT_LARGE) {
    const slot = cpu + largeSlot(linear);
    store<u16>(slot, load<u16>(slot) | (<u16>1 << <u16>((linear >> 18) & 15)));
  }
  return true;
}

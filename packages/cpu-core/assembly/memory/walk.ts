// Page walks: paging off, 32-bit (PSE, PSE-36), PAE and 4-level, SDM Vol. 3A §4.3-4.8. A walk checks present and reserved bits from
// the root down, then the rights of the whole path, and sets accessed and dirty flags. A backend's linear windows come before all of it.
// Not here: protection keys, 5-level paging.
import {
  A20_MASK_PTR,
  CR0,
  CR3,
  CR4,
  EFER,
  FEATURES,
  FEATURE_1G,
  FRAME_PROTECTED,
  ID,
  PDPTE,
  PHYS_MASK,
  RAM_BASE_PTR,
  RAM_SIZE_PTR,
  STORE_HANDLER_PTR,
  VENDOR,
  WINDOWS_PTR,
  WINDOW_ALL,
  WINDOW_ROOT,
  WINDOW_SIZE,
  WINDOW_TABLE_PTR,
  WINDOW_VCPU,
  W_ADDRESS,
  W_ALLOWED,
  W_FRAMES,
  W_LEVEL,
  W_PAGES,
  W_SCOPE,
  W_SCOPE_VALUE,
} from "../../src/layout";
import { raisePageFault } from "../fault";
import { frameInfoAt, physEntry32, physEntry64, physOr } from "./physical";

export const ACCESS_W: u32 = 2; // these three as in the #PF error code
export const ACCESS_U: u32 = 4;
export const ACCESS_I: u32 = 16;
export const ACCESS_AC: u32 = 0x100; // explicit supervisor access with EFLAGS.AC: SMAP does not apply

export const ACCESS_ANY: u32 = 0x200; // at CPL 0, or implicit: windows of every level
export const ACCESS_FREE: u32 = 0x400; // a store that nobody is asked about: the processor's own, to descriptors and the TSS, or the backend's
export const ACCESS_STACK: u32 = 0x800; // a push of a delivery or a far transfer: #PF on a protected frame

export const ALLOW_R: u32 = 1; // the other two are the access bits they permit
export const ALLOW_W: u32 = ACCESS_W;
export const ALLOW_X: u32 = ACCESS_I;

export const RIGHT_W: u32 = 2; // R/W and U/S as in an entry
export const RIGHT_U: u32 = 4;
export const RIGHT_X: u32 = 8;
export const RIGHT_DIRTY: u32 = 0x40;
export const RIGHT_GLOBAL: u32 = 0x100;
export const RIGHT_LARGE: u32 = 0x200;
export const RIGHT_HUGE: u32 = 0x400;
export const RIGHT_PASSING: u32 = 0x800; // not to be kept in the TLB

const NO_FRAME: u32 = 0xffffffff;
const CR0_WP: u32 = 0x10000;
const CR0_PG: u32 = 0x80000000;
const CR4_PSE: u32 = 0x10;
const CR4_PAE: u32 = 0x20;
const CR4_PGE: u32 = 0x80;
const CR4_SMEP: u32 = 0x100000;
const CR4_SMAP: u32 = 0x200000;
const EFER_LMA: u32 = 0x400;
const EFER_NXE: u32 = 0x800;

/** Result of the last successful walk: the physical address of the 4 KiB page, and RIGHT_* of the path. */
export let walkPa: u64 = 0;
export let walkRights: u32 = 0;
/** What the accessor may do there: ALLOW_*. */
export let walkAllowed: u32 = 0;

/** It is a store to a protected frame, about which somebody is to be asked; and whether the guest's own tables allow it. */
export let walkProtected: bool = false;
export let walkWritable: bool = false;

/** The access is not allowed or not possible: #PF with `error` = P and RSVD, completed by what kind of access it was. */
function fault(cpu: usize, linear: u64, access: u32, error: u32): bool {
  error |= access & (ACCESS_W | ACCESS_U);
  const cr4 = load<u32>(cpu, CR4);
  if (access & ACCESS_I && (cr4 & CR4_SMEP || (cr4 & CR4_PAE && load<u32>(cpu, EFER) & EFER_NXE))) error |= ACCESS_I;
  raisePageFault(cpu, linear, error);
  return false;
}

/** What a path's rights let an accessor do (§4.6.1): a set of ALLOW_*. `who` is ACCESS_U, ACCESS_AC or 0. */
// @ts-ignore: decorator
@inline
function allowedOf(cpu: usize, rights: u32, who: u32): u32 {
  let allowed: u32 = ALLOW_R | (rights & RIGHT_W);
  if (rights & RIGHT_X) allowed |= ALLOW_X;
  if (who & ACCESS_U) return rights & RIGHT_U ? allowed : 0;
  if (!(load<u32>(cpu, CR0) & CR0_WP)) allowed |= ALLOW_W;
  if (rights & RIGHT_U) {
    const cr4 = load<u32>(cpu, CR4);
    if (cr4 & CR4_SMEP) allowed &= ~ALLOW_X;
    if (cr4 & CR4_SMAP && !(who & ACCESS_AC)) allowed &= ~(ALLOW_R | ALLOW_W);
  }
  return allowed;
}

/** A store to a protected frame: is somebody to be asked? Not where the accessor may not even read. */
function protectedStore(access: u32, allowed: u32): bool {
  if (access & (ACCESS_FREE | ACCESS_STACK) || !load<u32>(STORE_HANDLER_PTR) || !(allowed & ALLOW_R)) return false;
  walkWritable = (allowed & ALLOW_W) != 0;
  walkProtected = true;
  return true;
}

/** Is it a store to a protected frame about which nobody can be asked? */
function refused(access: u32, page: u64): bool {
  return !(access & ACCESS_FREE) && (frameInfoAt(page) & FRAME_PROTECTED) != 0;
}

/** The window that `linear` lies in on this vCPU under this root, or 0. */
function windowOf(cpu: usize, linear: u64): usize {
  let row: usize = load<u32>(WINDOW_TABLE_PTR);
  for (let left = load<u32>(WINDOWS_PTR); left; left--, row += WINDOW_SIZE) {
    if (linear - load<u64>(row, W_ADDRESS) >= <u64>load<u32>(row, W_PAGES) << 12) continue;
    const scope = load<u32>(row, W_SCOPE);
    const value = load<u32>(row, W_SCOPE_VALUE);
    if (scope == WINDOW_ALL || value == (scope == WINDOW_VCPU ? load<u32>(cpu, ID) : <u32>(load<u64>(cpu, CR3) >> 12))) return row;
  }
  return 0;
}

/** An access inside window `row`. One of level 0 is looked up each time: CPL 1 and 2 share a TLB array with CPL 0. */
function windowWalk(cpu: usize, linear: u64, access: u32, row: usize): bool {
  const index = <usize>((linear - load<u64>(row, W_ADDRESS)) >> 12);
  const frame = load<u32>(<usize>load<u32>(row, W_FRAMES) + (index << 2));
  if (frame == NO_FRAME) return fault(cpu, linear, access, 0);
  const level = load<u32>(row, W_LEVEL);
  const allowed = load<u32>(row, W_ALLOWED);
  const needed = access & (ALLOW_W | ALLOW_X);
  if (!(access & ACCESS_ANY) && (access & ACCESS_U ? level != 3 : level == 0)) return fault(cpu, linear, access, 1);
  walkPa = <u64>frame << 12;
  const writes = (access & ACCESS_W) != 0;
  if (!(writes && frameInfoAt(walkPa) & FRAME_PROTECTED && protectedStore(access, allowed))) {
    if ((allowed & needed) != needed || (writes && refused(access, walkPa))) return fault(cpu, linear, access, 1);
  }
  walkRights = RIGHT_W | RIGHT_U | RIGHT_X | RIGHT_DIRTY | (level == 0 ? RIGHT_PASSING : 0);
  if (load<u32>(row, W_SCOPE) != WINDOW_ROOT && load<u32>(cpu, CR4) & CR4_PGE) walkRights |= RIGHT_GLOBAL;
  walkAllowed = allowed;
  return true;
}

/** The leaf is found: rights, accessed and dirty flags, protection by a backend. */
// @ts-ignore: decorator
@inline
function finish(cpu: usize, linear: u64, access: u32, rights: u32, entryPa: u64, entry: u32, page: u64): bool {
  const allowed = allowedOf(cpu, rights, access);
  const needed = access & (ALLOW_W | ALLOW_X);
  page &= load<u64>(A20_MASK_PTR);
  let set: u32 = access & ACCESS_W ? 0x60 : 0x20;
  if (access & ACCESS_W && frameInfoAt(page) & FRAME_PROTECTED && protectedStore(access, allowed)) {
    if (!walkWritable) set = 0x20;
  } else if (!(allowed & (needed ? needed : ALLOW_R))) return fault(cpu, linear, access, 1);
  else if (access & ACCESS_W && refused(access, page)) return fault(cpu, linear, access, 1);
  if ((entry & set) != set) physOr(cpu, entryPa, set);
  walkPa = page;
  walkRights = rights | ((entry | set) & RIGHT_DIRTY);
  walkAllowed = allowed;
  return true;
}

/** §4.3: 32-bit paging. */
function walk32(cpu: usize, linear: u64, access: u32): bool {
  const a20 = load<u64>(A20_MASK_PTR);
  const cr4 = load<u32>(cpu, CR4);
  const pdePa = (<u64>(load<u32>(cpu, CR3) & 0xfffff000) | ((linear >> 20) & 0xffc)) & a20;
  const pde = physEntry32(pdePa);
  if (!(pde & 1)) return fault(cpu, linear, access, 0);
  const global: u32 = cr4 & CR4_PGE ? RIGHT_GLOBAL : 0;
  if (pde & 0x80 && cr4 & CR4_PSE) {
    // PSE-36: bits 13-20 are address bits 32-39; those not implemented and bit 21 are reserved
    const high = <u64>((pde >> 13) & 0xff) << 32;
    if (pde & 0x200000 || high & ~load<u64>(cpu, PHYS_MASK)) return fault(cpu, linear, access, 9);
    const rights = (pde & (RIGHT_W | RIGHT_U)) | RIGHT_X | (pde & global) | RIGHT_LARGE;
    return finish(cpu, linear, access, rights, pdePa, pde, high | <u64>(pde & 0xffc00000) | (linear & 0x3ff000));
  }
  if (!(pde & 0x20)) physOr(cpu, pdePa, 0x20);
  const ptePa = (<u64>(pde & 0xfffff000) | ((linear >> 10) & 0xffc)) & a20;
  const pte = physEntry32(ptePa);
  if (!(pte & 1)) return fault(cpu, linear, access, 0);
  const rights = (pde & pte & (RIGHT_W | RIGHT_U)) | RIGHT_X | (pte & global);
  return finish(cpu, linear, access, rights, ptePa, pte, pte & 0xfffff000);
}

/** §4.4.2 and §4.5: the 8-byte formats, from `level` (3: PML4E, 1: PDE) down; `reserved` are the bits that must be zero everywhere. */
function walk64(cpu: usize, linear: u64, access: u32, table: u64, level: u32, reserved: u64): bool {
  const a20 = load<u64>(A20_MASK_PTR);
  const physMask = load<u64>(cpu, PHYS_MASK);
  const ramBase = load<u32>(RAM_BASE_PTR);
  const ramSize = <u64>load<u32>(RAM_SIZE_PTR);
  let rights: u32 = RIGHT_W | RIGHT_U | RIGHT_X;
  while (true) {
    const shift: u64 = 12 + 9 * level;
    const entryPa = (table + (((linear >> shift) & 511) << 3)) & a20;
    const plain = entryPa < ramSize && entryPa - 0xa0000 >= 0x20000; // not the VGA window: physEntry64 without the table look-up
    const entry: u64 = plain ? load<u64>(ramBase + <u32>entryPa) : physEntry64(entryPa);
    if (!(entry & 1)) return fault(cpu, linear, access, 0);
    let bad = entry & reserved;
    const leaf = level == 0 || (entry & 0x80) != 0;
    if (leaf && level) {
      if (level == 3 || (level == 2 && !(load<u32>(cpu, FEATURES) & FEATURE_1G))) bad = 0x80;
      else bad |= entry & (((<u64>1 << shift) - 1) & ~0x1fff);
    } else if (!leaf && level >= 2 && entry & 0x100 && load<u32>(cpu, VENDOR) == 1) bad = 0x100; // AMD: G must be zero in PML4E and PDPTE
    if (bad) return fault(cpu, linear, access, 9);
    rights &= <u32>entry | ~(RIGHT_W | RIGHT_U);
    if (<i64>entry < 0) rights &= ~RIGHT_X;
    if (leaf) {
      if (level) rights |= level == 1 ? RIGHT_LARGE : RIGHT_HUGE;
      if (load<u32>(cpu, CR4) & CR4_PGE) rights |= <u32>entry & RIGHT_GLOBAL;
      const inside = (<u64>1 << shift) - 1;
      return finish(cpu, linear, access, rights, entryPa, <u32>entry, (entry & physMask & ~inside & ~0xfff) | (linear & inside & ~0xfff));
    }
    if (!(entry & 0x20)) physOr(cpu, entryPa, 0x20);
    table = entry & physMask & ~0xfff;
    level--;
  }
}

/** Translates `linear` for `access`; true: walkPa, walkRights and walkAllowed are set; false: #PF is pending. */
export function walk(cpu: usize, linear: u64, access: u32): bool {
  walkProtected = false;
  if (load<u32>(WINDOWS_PTR)) {
    const row = windowOf(cpu, linear);
    if (row) return windowWalk(cpu, linear, access, row);
  }
  if (!(load<u32>(cpu, CR0) & CR0_PG)) {
    walkPa = linear & 0xfffff000 & load<u64>(A20_MASK_PTR);
    walkRights = RIGHT_W | RIGHT_U | RIGHT_X | RIGHT_DIRTY;
    walkAllowed = ALLOW_R | ALLOW_W | ALLOW_X;
    const asked = access & ACCESS_W && frameInfoAt(walkPa) & FRAME_PROTECTED && protectedStore(access, walkAllowed);
    if (!asked && access & ACCESS_W && refused(access, walkPa)) return fault(cpu, linear, access, 1);
    return true;
  }
  if (!(load<u32>(cpu, CR4) & CR4_PAE)) return walk32(cpu, linear, access);
  const efer = load<u32>(cpu, EFER);
  let reserved = ~load<u64>(cpu, PHYS_MASK) & 0x000ffffffffff000;
  if (!(efer & EFER_NXE)) reserved |= 0x8000000000000000;
  if (efer & EFER_LMA) return walk64(cpu, linear, access, load<u64>(cpu, CR3) & load<u64>(cpu, PHYS_MASK) & ~0xfff, 3, reserved);
  const pdpte = load<u64>(cpu + (<usize>((<u32>linear >> 30) & 3) << 3), PDPTE);
  if (!(pdpte & 1)) return fault(cpu, linear, access, 0);
  return walk64(cpu, linear, access, pdpte & load<u64>(cpu, PHYS_MASK) & ~0xfff, 1, reserved | 0x7ff0000000000000);
}

/** Loads the four PDPTEs that `cr3` points to (§4.4.1). False: a present one has reserved bits set; nothing was changed. */
export function loadPdptes(cpu: usize, cr3: u64): bool {
  const base = cr3 & 0xffffffe0;
  const reserved = (~load<u64>(cpu, PHYS_MASK) & ~0xfff) | 0x1e6;
  const a20 = load<u64>(A20_MASK_PTR);
  for (let i: u32 = 0; i < 4; i++) {
    const entry = physEntry64((base + (i << 3)) & a20);
    if (entry & 1 && entry & reserved) return false;
  }
  for (let i: u32 = 0; i < 4; i++) store<u64>(cpu + (<usize>i << 3), physEntry64((base + (i << 3)) & a20), PDPTE);
  return true;
}

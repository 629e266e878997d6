// The jump cache of a vCPU: where in which unit the code at a linear address begins, so that returns and jumps need neither the TLB nor the
// hash of blocks. Units ask it themselves (translate/unit.ts) and stay inside when the answer is their own number. An entry holds while the
// context number does; what drops a page from the TLB otherwise drops it here, and a unit that dies is forgotten. INVLPG is mostly for pages of
// data: JUMP_PAGES tells, by hash, which pages something is noted of.
import {
  CONTEXT_NONE, CTX, CTX_TO_JUMP, JUMP_BYTES, JUMP_DELTA, JUMP_ENTRY_SIZE, JUMP_FOLD_LEFT, JUMP_FOLD_MASK, JUMP_FOLD_RIGHT, JUMP_GROUP_BYTES, JUMP_GROUP_MASK, JUMP_MASK,
  JUMP_OFFSET, JUMP_PAGES, JUMP_PAGES_BYTES, JUMP_PAGES_GROUP, JUMP_TAG, JUMP_UNIT, UNIT_SHIFT, VCPU_BASE, VCPU_COUNT_PTR, VCPU_STRIDE,
} from "../src/layout";

/** Where `linear` is noted, if it is. */
// @ts-ignore: decorator
@inline
export function jumpOf(cpu: usize, linear: u64): usize {
  const low = <u32>linear;
  const fold = ((low << JUMP_FOLD_LEFT) ^ (low >>> JUMP_FOLD_RIGHT)) & JUMP_FOLD_MASK;
  return cpu + JUMP_OFFSET + (((low << 1) ^ fold) & JUMP_MASK);
}

/** What an entry for `linear` is marked with at present. */
// @ts-ignore: decorator
@inline
export function jumpTag(cpu: usize, linear: u64): u64 {
  return linear ^ (load<u64>(cpu, CTX) << CTX_TO_JUMP);
}

/** The bit of `linear`'s page in JUMP_PAGES. */
// @ts-ignore: decorator
@inline
function pageBit(linear: u64): u32 {
  const page = <u32>(linear >> 12);
  return ((page & 63) << 10) | (((page >>> 6) ^ (page >>> 16)) & 0x3ff);
}

/** Notes that the code at `linear` begins in `unit` (an H_UNIT), `delta` from its base; with unit 0 that it is the block at `delta`, not translated. */
// @ts-ignore: decorator
@inline
export function jumpNote(cpu: usize, linear: u64, unit: u32, delta: i32): void {
  if (load<u64>(cpu, CTX) == CONTEXT_NONE) return; // CR3 loads do not change that one
  const page = pageBit(linear);
  const map = cpu + JUMP_PAGES + <usize>(page >>> 3);
  store<u8>(map, load<u8>(map) | (<u8>1 << <u8>(page & 7)));
  const entry = jumpOf(cpu, linear);
  store<u64>(entry, jumpTag(cpu, linear), JUMP_TAG);
  store<u32>(entry, unit, JUMP_UNIT);
  store<i32>(entry, delta, JUMP_DELTA);
}

/** Forgets everything. */
export function jumpWipe(cpu: usize): void {
  memory.fill(cpu + JUMP_OFFSET, 0xff, JUMP_BYTES);
  memory.fill(cpu + JUMP_PAGES, 0, JUMP_PAGES_BYTES);
}

/** Forgets what lies in the page of `linear`, under any context, with all that shares its group. */
export function jumpDropPage(cpu: usize, linear: u64): void {
  const page = pageBit(linear);
  if (!(load<u8>(cpu + <usize>(page >>> 3), JUMP_PAGES) & (<u8>1 << <u8>(page & 7)))) return;
  memory.fill(cpu + JUMP_OFFSET + ((<u32>linear << 1) & JUMP_GROUP_MASK), 0xff, JUMP_GROUP_BYTES);
  memory.fill(cpu + JUMP_PAGES + <usize>((page >>> 10) * JUMP_PAGES_GROUP), 0, JUMP_PAGES_GROUP);
}

/** Forgets the unit in table slot `slot`, on every vCPU. */
export function jumpForget(slot: u32): void {
  const count = load<u32>(VCPU_COUNT_PTR);
  for (let i: u32 = 0; i < count; i++) {
    const first: usize = VCPU_BASE + i * VCPU_STRIDE + JUMP_OFFSET;
    for (let entry = first; entry < first + JUMP_BYTES; entry += JUMP_ENTRY_SIZE)
      if (((load<u32>(entry, JUMP_UNIT) >>> UNIT_SHIFT) & 0xffff) == slot) store<u64>(entry, -1, JUMP_TAG);
  }
}

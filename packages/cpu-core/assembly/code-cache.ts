// Decoded blocks: found by host address of their first byte and mode key, dropped when a store hits their bytes. Blocks are never moved;
// a dropped one stays in memory with a count that no budget covers, so that links to it lead to a look instead of stale code. When the
// pool is full everything is forgotten at once. Nothing here knows about linear addresses or address spaces.
import {
  BLOCK_CROSSING, BLOCK_HASH_ENTRIES, BLOCK_HASH_FACTOR, BLOCK_HASH_PTR, BLOCK_STALE, BLOCK_TRANSLATED, CODE_BLOCKS_PTR, CODE_END_PTR, CODE_FLUSHES_PTR, CODE_MAP_PTR,
  CODE_NEXT_PTR, CODE_POOL_PTR, CODE_STALE_PTR, CROSSING_BYTES, FRAMES_END_PTR, FRAME_CODE, FRAME_INFO_PTR, HEADER_SPECIAL, H_BYTES, H_COUNT, H_HOST, H_MODE,
  H_NEXT, H_PAGE_NEXT, H_STATE, PAGE_BLOCKS_PTR, RAM_BASE_PTR,
} from "../src/layout";
import { hostDropped } from "./imports";
import { granulesOf } from "./memory/physical";
import { fetchPtr } from "./memory/access";
import { tlbProtectFrame } from "./memory/tlb";

// @ts-ignore: decorator
@inline
function chainOf(host: usize, mode: u32): usize {
  const spread = <u32>host ^ ((<u32>host >>> 12) * BLOCK_HASH_FACTOR) ^ (mode << 4) ^ (mode >>> 6);
  return <usize>load<u32>(BLOCK_HASH_PTR) + ((spread & (BLOCK_HASH_ENTRIES - 1)) << 2);
}

/** The block that starts at host address `host` under mode key `mode`, or 0. */
// @ts-ignore: decorator
@inline
export function codeFind(host: usize, mode: u32): usize {
  let header: usize = load<u32>(chainOf(host, mode));
  while (header) {
    if (load<u32>(header, H_HOST) == <u32>host && load<u32>(header, H_MODE) == mode) return header;
    header = load<u32>(header, H_NEXT);
  }
  return 0;
}

/** Tells the cache where its tables lie; they are zeroed by the caller. */
export function codeInit(hash: u32, pages: u32, pool: u32, end: u32): void {
  store<u32>(BLOCK_HASH_PTR, hash);
  store<u32>(PAGE_BLOCKS_PTR, pages);
  store<u32>(CODE_POOL_PTR, pool);
  store<u32>(CODE_END_PTR, end);
  store<u32>(CODE_NEXT_PTR, pool);
}

/** Makes room for `bytes` more; forgets everything when the pool is full. Returns where to write. */
export function codeReserve(bytes: u32): u32 {
  if (load<u32>(CODE_NEXT_PTR) + bytes > load<u32>(CODE_END_PTR)) codeFlush();
  return load<u32>(CODE_NEXT_PTR);
}

/** Forgets all blocks. */
export function codeFlush(): void {
  const frames = load<u32>(FRAMES_END_PTR) >>> 12;
  const info = load<u32>(FRAME_INFO_PTR);
  memory.fill(load<u32>(BLOCK_HASH_PTR), 0, BLOCK_HASH_ENTRIES * 4);
  memory.fill(load<u32>(PAGE_BLOCKS_PTR), 0, frames * 4);
  memory.fill(load<u32>(CODE_MAP_PTR), 0, frames * 8);
  for (let frame: u32 = 0; frame < frames; frame++) {
    const at = info + frame;
    store<u8>(at, load<u8>(at) & ~FRAME_CODE);
  }
  store<u32>(CODE_NEXT_PTR, load<u32>(CODE_POOL_PTR));
  store<u32>(CODE_FLUSHES_PTR, load<u32>(CODE_FLUSHES_PTR) + 1);
}

/** Enters the block that was written at the reserved place: `bytes` of guest code, ending at host address `end` of the pool. */
export function codeInsert(header: u32, end: u32): void {
  const host = load<u32>(header, H_HOST);
  const chain = chainOf(host, load<u32>(header, H_MODE));
  store<u32>(header, load<u32>(chain), H_NEXT);
  store<u32>(chain, header);
  store<u32>(CODE_NEXT_PTR, end);
  store<u32>(CODE_BLOCKS_PTR, load<u32>(CODE_BLOCKS_PTR) + 1);
  if (load<u32>(header, H_STATE) & BLOCK_CROSSING) return;
  const pa = host - load<u32>(RAM_BASE_PTR);
  const frame = pa >>> 12;
  const list = load<u32>(PAGE_BLOCKS_PTR) + (frame << 2);
  store<u32>(header, load<u32>(list), H_PAGE_NEXT);
  store<u32>(list, header);
  const map = load<u32>(CODE_MAP_PTR) + (frame << 3);
  store<u64>(map, load<u64>(map) | granulesOf(pa, load<u32>(header, H_BYTES)));
  const info = load<u32>(FRAME_INFO_PTR) + frame;
  if (!(load<u8>(info) & FRAME_CODE)) {
    store<u8>(info, load<u8>(info) | FRAME_CODE);
    tlbProtectFrame(frame);
  }
}

function unchain(header: usize): void {
  let at: usize = chainOf(load<u32>(header, H_HOST), load<u32>(header, H_MODE));
  // The link of the head is a bare word, that of a block lies H_NEXT into it.
  let next: usize = load<u32>(at);
  while (next) {
    if (next == header) {
      store<u32>(at, load<u32>(header, H_NEXT));
      return;
    }
    at = next + H_NEXT;
    next = load<u32>(at);
  }
}

function drop(header: usize): void {
  unchain(header);
  store<u32>(header, HEADER_SPECIAL, H_COUNT);
  const state = load<u32>(header, H_STATE);
  store<u32>(header, state | BLOCK_STALE, H_STATE);
  if (state & BLOCK_TRANSLATED) hostDropped(<u32>header);
  store<u32>(CODE_STALE_PTR, load<u32>(CODE_STALE_PTR) + 1);
}

/** Drops the blocks with bytes in [pa, pa + size), which lie in one frame of RAM. */
export function codeInvalidate(pa: u32, size: u32): void {
  const frame = pa >>> 12;
  const base = load<u32>(RAM_BASE_PTR);
  let link: usize = load<u32>(PAGE_BLOCKS_PTR) + (frame << 2);
  let header: usize = load<u32>(link);
  let map: u64 = 0;
  while (header) {
    const start = load<u32>(header, H_HOST) - base;
    const bytes = load<u32>(header, H_BYTES);
    const next: usize = load<u32>(header, H_PAGE_NEXT);
    if (start < pa + size && pa < start + bytes) {
      drop(header);
      store<u32>(link, <u32>next);
    } else {
      map |= granulesOf(start, bytes);
      link = header + H_PAGE_NEXT;
    }
    header = next;
  }
  store<u64>(load<u32>(CODE_MAP_PTR) + (frame << 3), map);
  if (map == 0) {
    const info = load<u32>(FRAME_INFO_PTR) + frame;
    store<u8>(info, load<u8>(info) & ~FRAME_CODE);
  }
}

/** May a crossing block be entered at `linear`? Compares its bytes with memory; a fault of the second page is pending when it returns false with FAULT set. */
export function codeCrossingValid(cpu: usize, header: usize, linear: u64): bool {
  const second = fetchPtr(cpu, (linear | 0xfff) + 1);
  if (!second) return false;
  const bytes = load<u32>(header, H_BYTES);
  const first: u32 = 0x1000 - (<u32>linear & 0xfff);
  const copy = header + CROSSING_BYTES;
  if (memory.compare(load<u32>(header, H_HOST), copy, first) == 0 && memory.compare(second, copy + first, bytes - first) == 0) return true;
  drop(header);
  return false;
}

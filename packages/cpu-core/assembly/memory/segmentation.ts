// From logical to linear addresses: segment base, limit, type and canonical checks (SDM Vol. 3A §5.3-5.5, Vol. 1 §3.3.7.1), and the
// effective address of a decoded operation. Loading segment registers is system/segment-load.
import {
  CS,
  FS,
  MODE,
  MODE_64,
  MODE_FLAT,
  MODE_PE,
  SEG,
  SEG_ACCESS,
  SEG_BASE,
  SEG_LIMIT,
  SEG_SIZE,
  SS,
  U_BASE,
  U_DISP,
  U_INDEX,
  U_SCALE,
  U_SEG,
} from "../../src/layout";
import { GP, SS_, raiseError } from "../fault";

/** Do bits 63-47 agree? */
// @ts-ignore: decorator
@inline
export function canonical(linear: u64): bool {
  return (<i64>(linear << 16)) >> 16 == <i64>linear;
}

function violation(cpu: usize, seg: u32): u64 {
  raiseError(cpu, seg == SS ? SS_ : GP, 0);
  return 0;
}

/** Limit check of `size` bytes at `offset` (SDM Vol. 3A §5.3). */
export function withinLimit(limit: u32, access: u32, offset: u64, size: u32): bool {
  const last = offset + <u64>(size - 1);
  if ((access & 0x1c) == 0x14) return offset > <u64>limit && last <= <u64>(access & 0x4000 ? 0xffffffff : 0xffff); // expand-down
  return last <= <u64>limit || (limit == 0xffffffff && offset <= 0xffffffff);
}

/** Linear address of `size` bytes at `seg:offset`; on a violation #SS(0) for SS, #GP(0) for the others is pending. */
export function segAddress(cpu: usize, seg: u32, offset: u64, size: u32, write: bool): u64 {
  const mode = load<u32>(cpu, MODE);
  const segment = cpu + SEG + seg * SEG_SIZE;
  if (mode & MODE_64) {
    const linear = seg >= <u32>FS ? load<u64>(segment, SEG_BASE) + offset : offset;
    if (!canonical(linear) || !canonical(linear + <u64>(size - 1))) return violation(cpu, seg);
    return linear;
  }
  offset &= 0xffffffff;
  if (mode & MODE_FLAT && seg < <u32>FS && !(write && seg == CS)) return offset;
  const access = load<u32>(segment, SEG_ACCESS);
  if (mode & MODE_PE) {
    if (!(access & 0x80)) return violation(cpu, seg);
    const type = access & 0xa;
    // data: reading always, writing if writable; code: reading if readable, never writing
    if (write ? type != 2 : type == 8) return violation(cpu, seg);
  }
  if (!withinLimit(load<u32>(segment, SEG_LIMIT), access, offset, size)) return violation(cpu, seg);
  return (load<u64>(segment, SEG_BASE) + offset) & 0xffffffff;
}

/** Effective address of uop `u`, truncated to its address size. */
export function uopOffset(cpu: usize, u: usize): u64 {
  const ea =
    load<u64>(cpu + load<u16>(u, U_BASE)) + (load<u64>(cpu + load<u16>(u, U_INDEX)) << <u64>load<u8>(u, U_SCALE)) + <u64>(<i64>load<i32>(u, U_DISP));
  const size = (load<u8>(u, U_SEG) >> 4) & 3;
  return size == 2 ? ea : size == 1 ? ea & 0xffffffff : ea & 0xffff;
}

/** Linear address of uop `u`'s memory operand of `size` bytes. */
export function uopAddress(cpu: usize, u: usize, size: u32, write: bool): u64 {
  return segAddress(cpu, load<u8>(u, U_SEG) & 7, uopOffset(cpu, u), size, write);
}

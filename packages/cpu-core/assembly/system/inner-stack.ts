// The stack of a more privileged level, from the TSS (SDM Vol. 3A §5.8.5, §7.7): for call gates and interrupt gates.
import { SEG_ACCESS, SEG_BASE, SEG_LIMIT, SEG_SELECTOR, TR } from "../../src/layout";
import { SS_, TS, faulted, raiseError } from "../fault";
import { sysRd16, sysRd32, sysRd64 } from "../memory/access";
import { canonical } from "../memory/segmentation";
import { ACC_CODE, ACC_P, ACC_RW, ACC_S } from "./bits";
import { descAccess, descHigh, descLow, dplOf, external, markAccessed, raiseSelector, readDescriptor, segmentAt } from "./descriptor";

export let innerSs: u32 = 0;
export let innerSp: u64 = 0;
export let innerLow: u32 = 0;
export let innerHigh: u32 = 0;

/** Checks of a new SS for privilege `cpl`; `vector` is #TS or #GP. On success the descriptor is in innerLow and innerHigh. */
export function checkStackSegment(cpu: usize, selector: u32, cpl: u32, vector: i32): bool {
  if (!(selector & 0xfffc)) {
    raiseError(cpu, vector, external);
    return false;
  }
  if (!readDescriptor(cpu, selector, vector)) return false;
  const access = descAccess;
  if ((selector & 3) != cpl || dplOf(access) != cpl || (access & (ACC_S | ACC_CODE | ACC_RW)) != (ACC_S | ACC_RW)) {
    raiseSelector(cpu, vector, selector);
    return false;
  }
  if (!(access & ACC_P)) {
    raiseSelector(cpu, SS_, selector);
    return false;
  }
  if (!markAccessed(cpu)) return false;
  innerLow = descLow;
  innerHigh = descHigh;
  return true;
}

/** Reads and checks SSn:ESPn of a 16- or 32-bit TSS. */
export function readInnerStack(cpu: usize, cpl: u32): bool {
  const tr = segmentAt(cpu, TR);
  const wide = (load<u32>(tr, SEG_ACCESS) & 8) != 0;
  const offset: u32 = wide ? 4 + cpl * 8 : 2 + cpl * 4;
  if (offset + (wide ? 5 : 3) > load<u32>(tr, SEG_LIMIT)) {
    raiseSelector(cpu, TS, load<u32>(tr, SEG_SELECTOR));
    return false;
  }
  const at = load<u64>(tr, SEG_BASE) + <u64>offset;
  innerSp = wide ? sysRd32(cpu, at) : sysRd16(cpu, at);
  if (faulted(cpu)) return false;
  innerSs = sysRd16(cpu, at + (wide ? 4 : 2));
  if (faulted(cpu)) return false;
  return checkStackSegment(cpu, innerSs, cpl, TS);
}

/** Reads an RSP of a 64-bit TSS: `offset` is 4 + 8 * cpl, or 36 + 8 * (IST - 1). */
export function readInnerStack64(cpu: usize, offset: u32): bool {
  const tr = segmentAt(cpu, TR);
  if (offset + 7 > load<u32>(tr, SEG_LIMIT)) {
    raiseSelector(cpu, TS, load<u32>(tr, SEG_SELECTOR));
    return false;
  }
  innerSp = sysRd64(cpu, load<u64>(tr, SEG_BASE) + <u64>offset);
  if (faulted(cpu)) return false;
  if (canonical(innerSp)) return true;
  raiseError(cpu, SS_, external);
  return false;
}

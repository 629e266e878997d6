// MOV to and from debug registers. SDM Vol. 3B §17.2: what the registers accept. What breakpoints do is system/debug.
import { CR4, DR, FETCH_WATCH, MODE, MODE_64, RESTART, U_DST, WATCH } from "../../src/layout";
import { raise, UD } from "../fault";
import { tlbFlushAll } from "../memory/tlb";
import { raiseDebug } from "./debug";
import { updateMode } from "./mode";
import { privileged, refuse, regField } from "./privilege";

const CR4_DE: u32 = 0x8;
const DR6_BD: u32 = 0x2000;
const DR6_FIXED: u64 = 0xffff0ff0;
const DR6_BITS: u64 = 0xe00f;
const DR7_FIXED: u64 = 0x400;
const DR7_BITS: u64 = 0xffff23ff;
const DR7_GD: u64 = 0x2000;
const DR7_SLOT: usize = DR + 56;

/** After every change of DR0-DR3 or DR7: recomputes what watches memory and fetches. I/O breakpoints (kind 2) are debug's ioWatch. */
export function debugRegistersChanged(cpu: usize): void {
  const dr7 = load<u32>(cpu, DR7_SLOT);
  const before = load<u32>(cpu, WATCH);
  let data: u32 = 0;
  let code: u32 = 0;
  for (let i: u32 = 0; i < 4; i++) {
    if (!((dr7 >> (2 * i)) & 3)) continue;
    const kind = (dr7 >> (16 + 4 * i)) & 3;
    if (kind == 0) code |= 1 << i;
    else if (kind & 1) data |= 1 << i;
  }
  store<u32>(cpu, data, WATCH);
  store<u32>(cpu, code, FETCH_WATCH);
  if (before | data) tlbFlushAll(cpu); // watched pages have no tags
  updateMode(cpu);
  store<u32>(cpu, 1, RESTART);
}

/** Checks common to both directions; the register's number with DR4 and DR5 resolved, or -1 with a fault pending. */
function debugRegister(cpu: usize, u: usize): i32 {
  let number = <i32>regField(u);
  if (number > 7 || ((number & 6) == 4 && load<u32>(cpu, CR4) & CR4_DE)) {
    raise(cpu, UD);
    return -1;
  }
  if (!privileged(cpu)) return -1;
  if ((number & 6) == 4) number += 2;
  if (load<u64>(cpu, DR7_SLOT) & DR7_GD) {
    raiseDebug(cpu, DR6_BD);
    return -1;
  }
  return number;
}

export function movFromDr(cpu: usize, u: usize): void {
  const number = debugRegister(cpu, u);
  if (number < 0) return;
  const value = load<u64>(cpu + (<usize>number << 3), DR);
  store<u64>(cpu + load<u16>(u, U_DST), load<u32>(cpu, MODE) & MODE_64 ? value : value & 0xffffffff);
}

export function movToDr(cpu: usize, u: usize): void {
  const number = debugRegister(cpu, u);
  if (number < 0) return;
  let value = load<u64>(cpu + load<u16>(u, U_DST));
  if (!(load<u32>(cpu, MODE) & MODE_64)) value &= 0xffffffff;
  if (number >= 6 && value >> 32) {
    refuse(cpu);
    return;
  }
  if (number == 6) value = (value & DR6_BITS) | DR6_FIXED;
  else if (number == 7) value = (value & DR7_BITS) | DR7_FIXED;
  store<u64>(cpu + (<usize>number << 3), value, DR);
  if (number != 6) debugRegistersChanged(cpu);
}

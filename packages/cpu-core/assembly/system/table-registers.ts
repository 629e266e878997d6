// Descriptor-table registers: SGDT, SIDT, LGDT, LIDT, SLDT, LLDT, STR, LTR (SDM Vol. 2), with UMIP.
import {
  AUX_OP16,
  GDTR_BASE,
  GDTR_LIMIT,
  IDTR_BASE,
  IDTR_LIMIT,
  LDTR,
  MODE,
  MODE_64,
  MODE_PE,
  SCRATCH,
  SEG_SELECTOR,
  TR,
  U_AUX,
  U_DST,
} from "../../src/layout";
import { GP, NP, UD, faulted, raise, raiseError } from "../fault";
import { commit, rd16, rd32, rd64, writePtr } from "../memory/access";
import { canonical, uopAddress } from "../memory/segmentation";
import { umipAllows } from "./control";
import { segmentAt } from "./descriptor";
import { privileged } from "./privilege";
import { storeWord, wordOperand } from "./segment-instructions";
import { loadLdtr, loadTaskRegister } from "./segment-load";

function storeTable(cpu: usize, u: usize, base: u64, limit: u32): void {
  if (!umipAllows(cpu)) return;
  const long = (load<u32>(cpu, MODE) & MODE_64) != 0;
  const size: u32 = long ? 10 : 6;
  const linear = uopAddress(cpu, u, size, true);
  if (faulted(cpu)) return;
  const at = writePtr(cpu, linear, size);
  if (!at) return;
  store<u16>(at, <u16>limit);
  if (long) store<u64>(at + 2, base);
  else store<u32>(at + 2, <u32>base);
  if (at == cpu + SCRATCH) commit(cpu);
}
export function sgdt(cpu: usize, u: usize): void {
  storeTable(cpu, u, load<u64>(cpu, GDTR_BASE), load<u32>(cpu, GDTR_LIMIT));
}
export function sidt(cpu: usize, u: usize): void {
  storeTable(cpu, u, load<u64>(cpu, IDTR_BASE), load<u32>(cpu, IDTR_LIMIT));
}

/** LGDT, LIDT: `slot` is GDTR_BASE or IDTR_BASE, whose limit follows 8 bytes later. */
function loadTable(cpu: usize, u: usize, slot: usize): void {
  if (!privileged(cpu)) return;
  const long = (load<u32>(cpu, MODE) & MODE_64) != 0;
  const linear = uopAddress(cpu, u, long ? 10 : 6, false);
  if (faulted(cpu)) return;
  const limit = rd16(cpu, linear);
  if (faulted(cpu)) return;
  let base: u64 = long ? rd64(cpu, linear + 2) : <u64>rd32(cpu, linear + 2);
  if (faulted(cpu)) return;
  if (!long && load<u32>(u, U_AUX) & AUX_OP16) base &= 0xffffff;
  if (long && !canonical(base)) {
    raiseError(cpu, GP, 0);
    return;
  }
  store<u64>(cpu + slot, base);
  store<u32>(cpu + slot + 8, limit);
}
export function lgdt(cpu: usize, u: usize): void {
  loadTable(cpu, u, GDTR_BASE);
}
export function lidt(cpu: usize, u: usize): void {
  loadTable(cpu, u, IDTR_BASE);
}

/** These four exist in protected mode only. */
function protectedOnly(cpu: usize): bool {
  if (load<u32>(cpu, MODE) & MODE_PE) return true;
  raise(cpu, UD);
  return false;
}
export function sldt(cpu: usize, u: usize): void {
  if (protectedOnly(cpu) && umipAllows(cpu)) storeWord(cpu, u, load<u32>(segmentAt(cpu, LDTR), SEG_SELECTOR));
}
export function str(cpu: usize, u: usize): void {
  if (protectedOnly(cpu) && umipAllows(cpu)) storeWord(cpu, u, load<u32>(segmentAt(cpu, TR), SEG_SELECTOR));
}
export function lldt(cpu: usize, u: usize): void {
  if (!protectedOnly(cpu) || !privileged(cpu)) return;
  const selector = wordOperand(cpu, u, U_DST);
  if (!faulted(cpu)) loadLdtr(cpu, selector, GP, NP);
}
export function ltr(cpu: usize, u: usize): void {
  if (!protectedOnly(cpu) || !privileged(cpu)) return;
  const selector = wordOperand(cpu, u, U_DST);
  if (!faulted(cpu)) loadTaskRegister(cpu, selector);
}

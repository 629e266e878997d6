// Near branches, pushes and pops on stacks that are not flat: 16-bit, based or limited. SDM Vol. 2.
import {
  AUX_IMM, AUX_MEM, AUX_OP16, AUX_OP64, CS, GPR, MODE, MODE_64, MODE_SS32, RIP, RIP_BASE, SEG, SEG_LIMIT, SEG_SIZE, U_AUX, U_DST, U_IMM,
} from "../src/layout";
import { GP, faulted, raiseError } from "./fault";
import { rd16, rd32, rd64, wr16, wr32, wr64 } from "./memory/access";
import { uopAddress } from "./memory/segmentation";
import { popSlow, pushSlow, stackCommit, stackCurrent, stackPop } from "./system/stack";

function sizeOf(u: usize): u32 {
  const aux = load<u32>(u, U_AUX);
  return aux & AUX_OP64 ? 8 : aux & AUX_OP16 ? 2 : 4;
}
function truncate(value: u64, size: u32): u64 {
  return size == 8 ? value : size == 4 ? value & 0xffffffff : value & 0xffff;
}
function operand(cpu: usize, u: usize, size: u32): u64 {
  const aux = load<u32>(u, U_AUX);
  if (aux & AUX_IMM) return load<u64>(u, U_IMM);
  if (!(aux & AUX_MEM)) return truncate(load<u64>(cpu + load<u16>(u, U_DST)), size);
  const address = uopAddress(cpu, u, size, false);
  if (faulted(cpu)) return 0;
  return size == 8 ? rd64(cpu, address) : size == 4 ? <u64>rd32(cpu, address) : <u64>rd16(cpu, address);
}
/** Stack pointer after `size` more bytes, at the stack's width. */
function addSp(cpu: usize, bytes: u64): void {
  const mode = load<u32>(cpu, MODE);
  const sp = load<u64>(cpu, GPR + 32) + bytes;
  if (mode & MODE_64) store<u64>(cpu, sp, GPR + 32);
  else if (mode & MODE_SS32) store<u64>(cpu, sp & 0xffffffff, GPR + 32);
  else store<u16>(cpu, <u16>sp, GPR + 32);
}

/** Is `target` inside CS? #GP(0) otherwise, before anything else has happened. */
function inCode(cpu: usize, target: u64): bool {
  if (target <= <u64>load<u32>(cpu + CS * SEG_SIZE, SEG + SEG_LIMIT)) return true;
  raiseError(cpu, GP, 0);
  return false;
}
function call(cpu: usize, target: u64, size: u32): void {
  if (!inCode(cpu, target)) return;
  pushSlow(cpu, load<u64>(cpu, RIP), size);
  if (!faulted(cpu)) store<u64>(cpu, target, RIP);
}
export function callSlow(cpu: usize, u: usize): void {
  const size = sizeOf(u);
  call(cpu, truncate(load<u64>(cpu, RIP_BASE) + load<u64>(u, U_IMM), size), size);
}
export function callIndirectSlow(cpu: usize, u: usize): void {
  const size = sizeOf(u);
  const target = operand(cpu, u, size);
  if (!faulted(cpu)) call(cpu, target, size);
}
export function retSlow(cpu: usize, u: usize): void {
  stackCurrent(cpu, 0);
  const target = stackPop(cpu, sizeOf(u));
  if (faulted(cpu) || !inCode(cpu, target)) return;
  stackCommit(cpu);
  store<u64>(cpu, target, RIP);
}
export function retImmSlow(cpu: usize, u: usize): void {
  retSlow(cpu, u);
  if (!faulted(cpu)) addSp(cpu, <u64>load<u16>(u, U_IMM));
}
export function pushOperand(cpu: usize, u: usize): void {
  const size = sizeOf(u);
  const value = operand(cpu, u, size);
  if (!faulted(cpu)) pushSlow(cpu, value, size);
}
export function popOperand(cpu: usize, u: usize): void {
  const size = sizeOf(u);
  const sp = load<u64>(cpu, GPR + 32);
  const value = popSlow(cpu, size);
  if (faulted(cpu)) return;
  if (!(load<u32>(u, U_AUX) & AUX_MEM)) {
    const register = cpu + load<u16>(u, U_DST);
    if (size == 2) store<u16>(register, <u16>value);
    else store<u64>(register, value);
    return;
  }
  // The address is computed with the stack pointer already moved; a fault takes that back.
  const address = uopAddress(cpu, u, size, true);
  if (!faulted(cpu)) {
    if (size == 8) wr64(cpu, address, value);
    else if (size == 4) wr32(cpu, address, <u32>value);
    else wr16(cpu, address, <u32>value);
  }
  if (faulted(cpu)) store<u64>(cpu, sp, GPR + 32);
}

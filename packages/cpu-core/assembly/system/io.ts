// IN, OUT, INS, OUTS. SDM Vol. 1 §19.5 (protected-mode I/O), Vol. 2 "IN", "INS". A port access may make an interrupt pending or stop
// the machine: the host then sets RESTART, and the run loop looks before the next instruction.
import {
  AUX_OP16,
  AUX_REP,
  AUX_REPNE,
  CPL,
  EFLAGS,
  ES,
  MODE,
  MODE_PE,
  MODE_V86,
  SCRATCH,
  SEG,
  SEG_ACCESS,
  SEG_BASE,
  SEG_LIMIT,
  SEG_SIZE,
  TR,
  U_AUX,
  U_IMM,
  U_SEG,
} from "../../src/layout";
import { faulted } from "../fault";
import { hostPioRead, hostPioWrite } from "../imports";
import { commit, sysRd16 } from "../memory/access";
import { segAddress } from "../memory/segmentation";
import { setAccumulator } from "../string/move";
import { addressMask, fetch, put, RCX_SLOT, RDI_SLOT, readable, rewind, RSI_SLOT, setIndex, SLICE_PORTS, sliceOf, stride, writable } from "../string/run";
import { ioWatch } from "./debug";
import { AX, DX, refuse } from "./privilege";

/** May `size` ports from `port` on be used? IOPL first, then the permission bitmap of a 32- or 64-bit TSS; #GP(0) otherwise. */
export function portAllowed(cpu: usize, port: u32, size: u32): bool {
  const mode = load<u32>(cpu, MODE);
  if (!(mode & (MODE_PE | MODE_V86))) return true;
  if (!(mode & MODE_V86) && load<u32>(cpu, CPL) <= ((load<u32>(cpu, EFLAGS) >> 12) & 3)) return true;
  const tr = cpu + SEG + TR * SEG_SIZE;
  const access = load<u32>(tr, SEG_ACCESS);
  const limit = load<u32>(tr, SEG_LIMIT);
  if (!(access & 0x80) || (access & 0x1d) != 9 || limit < 103) return refuse(cpu);
  const base = load<u64>(tr, SEG_BASE);
  const map = sysRd16(cpu, base + 102);
  if (faulted(cpu)) return false;
  const at = map + (port >> 3);
  if (at + 1 > limit) return refuse(cpu);
  const bits = sysRd16(cpu, base + at);
  if (faulted(cpu)) return false;
  return !((bits >> (port & 7)) & ((1 << size) - 1)) || refuse(cpu);
}

function portIn(cpu: usize, port: u32, size: u32): void {
  if (!portAllowed(cpu, port, size)) return;
  setAccumulator(cpu, size, hostPioRead(cpu, port, size));
  ioWatch(cpu, port, size);
}

function portOut(cpu: usize, port: u32, size: u32): void {
  if (!portAllowed(cpu, port, size)) return;
  const value = load<u32>(cpu, AX);
  hostPioWrite(cpu, port, size, size == 1 ? value & 0xff : size == 2 ? value & 0xffff : value);
  ioWatch(cpu, port, size);
}

/** 2 or 4: REX.W has no effect on port instructions. */
// @ts-ignore: decorator
@inline
function portSize(u: usize): u32 {
  return load<u32>(u, U_AUX) & AUX_OP16 ? 2 : 4;
}

export function inByteImm(cpu: usize, u: usize): void {
  portIn(cpu, load<u8>(u, U_IMM), 1);
}
export function inWideImm(cpu: usize, u: usize): void {
  portIn(cpu, load<u8>(u, U_IMM), portSize(u));
}
export function inByteDx(cpu: usize, u: usize): void {
  portIn(cpu, load<u16>(cpu, DX), 1);
}
export function inWideDx(cpu: usize, u: usize): void {
  portIn(cpu, load<u16>(cpu, DX), portSize(u));
}
export function outByteImm(cpu: usize, u: usize): void {
  portOut(cpu, load<u8>(u, U_IMM), 1);
}
export function outWideImm(cpu: usize, u: usize): void {
  portOut(cpu, load<u8>(u, U_IMM), portSize(u));
}
export function outByteDx(cpu: usize, u: usize): void {
  portOut(cpu, load<u16>(cpu, DX), 1);
}
export function outWideDx(cpu: usize, u: usize): void {
  portOut(cpu, load<u16>(cpu, DX), portSize(u));
}

/** One element from the port to ES:rDI. The store is checked before the port is read: a fault must not lose the device's data. */
function insOne(cpu: usize, port: u32, size: u32, mask: u64, step: i64): bool {
  const rdi = load<u64>(cpu, RDI_SLOT) & mask;
  const linear = segAddress(cpu, ES, rdi, size, true);
  if (faulted(cpu)) return false;
  const to = writable(cpu, linear, size);
  if (!to) return false;
  put(to, size, hostPioRead(cpu, port, size));
  if (to == cpu + SCRATCH) commit(cpu);
  setIndex(cpu, RDI_SLOT, mask, rdi + step);
  return true;
}

/** One element from segment:rSI to the port. */
function outsOne(cpu: usize, seg: u32, port: u32, size: u32, mask: u64, step: i64): bool {
  const rsi = load<u64>(cpu, RSI_SLOT) & mask;
  const linear = segAddress(cpu, seg, rsi, size, false);
  if (faulted(cpu)) return false;
  const from = readable(cpu, linear, size);
  if (!from) return false;
  hostPioWrite(cpu, port, size, <u32>fetch(from, size));
  setIndex(cpu, RSI_SLOT, mask, rsi + step);
  return true;
}

function portString(cpu: usize, u: usize, size: u32, input: bool): void {
  const aux = load<u32>(u, U_AUX);
  const mask = addressMask(aux);
  const step = stride(cpu, size);
  const seg: u32 = load<u8>(u, U_SEG) & 7;
  const port: u32 = load<u16>(cpu, DX);
  const repeat = (aux & (AUX_REP | AUX_REPNE)) != 0;
  let count: u64 = repeat ? load<u64>(cpu, RCX_SLOT) & mask : 1;
  if (!portAllowed(cpu, port, size) || !count) return;
  ioWatch(cpu, port, size);
  let left = min(SLICE_PORTS, sliceOf(cpu, size));
  for (;;) {
    if (input ? !insOne(cpu, port, size, mask, step) : !outsOne(cpu, seg, port, size, mask, step)) return;
    if (!repeat) return;
    count--;
    left--;
    setIndex(cpu, RCX_SLOT, mask, count);
    if (!count) return;
    if (!left) {
      rewind(cpu, u);
      return;
    }
  }
}

export function insByte(cpu: usize, u: usize): void {
  portString(cpu, u, 1, true);
}
export function insWide(cpu: usize, u: usize): void {
  portString(cpu, u, portSize(u), true);
}
export function outsByte(cpu: usize, u: usize): void {
  portString(cpu, u, 1, false);
}
export function outsWide(cpu: usize, u: usize): void {
  portString(cpu, u, portSize(u), false);
}

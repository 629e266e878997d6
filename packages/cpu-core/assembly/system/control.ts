// Control registers: MOV to and from CRn, LMSW, SMSW, CLTS, XSETBV, XGETBV. SDM Vol. 2A "MOV - Move to/from Control Registers",
// Vol. 3A §2.5 (what each bit asks for), §9.8.5 (long mode on and off), §4.4.1 (PDPTE loads), §4.10.4.1 (what drops translations).
import {
  AUX_OP16,
  CR0,
  CR2,
  CR3,
  CR4,
  CR4_MASK,
  CS,
  EFER,
  FEATURES,
  FEATURE_XGETBV1,
  MODE,
  MODE_64,
  RESTART,
  SEG,
  SEG_ACCESS,
  SEG_SIZE,
  TR,
  U_AUX,
  U_DST,
  XCR0,
} from "../../src/layout";
import { raise, UD, faulted } from "../fault";
import { hostReadTaskPriority, hostWriteTaskPriority } from "../imports";
import { rd16, wr16 } from "../memory/access";
import { uopAddress } from "../memory/segmentation";
import { setCr3, tlbFlushAll } from "../memory/tlb";
import { loadPdptes } from "../memory/walk";
import { updateMode } from "./mode";
import { CX, pair, privileged, refuse, regField, setSized, setPair } from "./privilege";
import { componentsInUse } from "./xsave";

const CR0_PE: u64 = 0x1;
const CR0_TS: u64 = 0x8;
const CR0_ET: u64 = 0x10;
const CR0_WP: u64 = 0x10000;
const CR0_NW: u64 = 0x20000000;
const CR0_CD: u64 = 0x40000000;
const CR0_PG: u64 = 0x80000000;
const CR0_BITS: u64 = 0xe005003f;
const CR4_PSE: u64 = 0x10;
const CR4_PAE: u64 = 0x20;
const CR4_PGE: u64 = 0x80;
const CR4_UMIP: u64 = 0x800;
const CR4_PCIDE: u64 = 0x20000;
const CR4_OSXSAVE: u64 = 0x40000;
const CR4_SMEP: u64 = 0x100000;
const CR4_SMAP: u64 = 0x200000;
const EFER_LME: u64 = 0x100;
const EFER_LMA: u64 = 0x400;
const ACCESS_LONG: u32 = 0x2000; // CS.L in SEG_ACCESS

/** MOV to CR0. False: #GP(0) is pending and nothing has changed. */
export function writeCr0(cpu: usize, wanted: u64): bool {
  const old = load<u64>(cpu, CR0);
  const cr4 = load<u64>(cpu, CR4);
  let efer = load<u64>(cpu, EFER);
  if (wanted >> 32) return refuse(cpu);
  if (wanted & CR0_PG && !(wanted & CR0_PE)) return refuse(cpu);
  if (wanted & CR0_NW && !(wanted & CR0_CD)) return refuse(cpu);
  const value = (wanted & CR0_BITS) | CR0_ET;
  const changed = old ^ value;
  let pdptes = (value & CR0_PG) != 0 && (cr4 & CR4_PAE) != 0 && (changed & (CR0_PG | CR0_CD | CR0_NW)) != 0;
  if (changed & value & CR0_PG) {
    if (efer & EFER_LME) {
      if (!(cr4 & CR4_PAE) || load<u32>(cpu, SEG + CS * SEG_SIZE + SEG_ACCESS) & ACCESS_LONG) return refuse(cpu);
      if ((load<u32>(cpu, SEG + TR * SEG_SIZE + SEG_ACCESS) & 0x1d) == 1) return refuse(cpu); // a 16-bit TSS
      efer |= EFER_LMA;
    }
  } else if (changed & CR0_PG) {
    if (load<u32>(cpu, MODE) & MODE_64 || cr4 & CR4_PCIDE) return refuse(cpu);
    efer &= ~EFER_LMA;
  }
  if (efer & EFER_LMA) pdptes = false;
  if (pdptes && !loadPdptes(cpu, load<u64>(cpu, CR3))) return refuse(cpu);
  store<u64>(cpu, value, CR0);
  store<u64>(cpu, efer, EFER);
  if (changed & (CR0_PG | CR0_WP | CR0_PE)) tlbFlushAll(cpu);
  updateMode(cpu);
  store<u32>(cpu, 1, RESTART);
  return true;
}

/** MOV to CR4. False: #GP(0) is pending and nothing has changed. */
export function writeCr4(cpu: usize, value: u64): bool {
  const old = load<u64>(cpu, CR4);
  const changed = old ^ value;
  const lma = (load<u64>(cpu, EFER) & EFER_LMA) != 0;
  if (value & ~load<u64>(cpu, CR4_MASK)) return refuse(cpu);
  if (lma && !(value & CR4_PAE)) return refuse(cpu);
  if (changed & value & CR4_PCIDE && (!lma || load<u64>(cpu, CR3) & 0xfff)) return refuse(cpu);
  if (!lma && load<u64>(cpu, CR0) & CR0_PG && value & CR4_PAE && changed & (CR4_PAE | CR4_PSE | CR4_PGE | CR4_SMEP)) {
    if (!loadPdptes(cpu, load<u64>(cpu, CR3))) return refuse(cpu);
  }
  store<u64>(cpu, value, CR4);
  if (changed & (CR4_PAE | CR4_PSE | CR4_PGE | CR4_SMEP | CR4_SMAP | CR4_PCIDE)) tlbFlushAll(cpu);
  updateMode(cpu);
  store<u32>(cpu, 1, RESTART);
  return true;
}

/** MOV r, CRn. */
export function movFromCr(cpu: usize, u: usize): void {
  const number = regField(u);
  let value: u64 = 0;
  if (number == 0) value = load<u64>(cpu, CR0);
  else if (number == 2) value = load<u64>(cpu, CR2);
  else if (number == 3) value = load<u64>(cpu, CR3);
  else if (number == 4) value = load<u64>(cpu, CR4);
  else if (number != 8) {
    raise(cpu, UD);
    return;
  }
  if (!privileged(cpu)) return;
  if (number == 8) value = hostReadTaskPriority(cpu);
  store<u64>(cpu + load<u16>(u, U_DST), load<u32>(cpu, MODE) & MODE_64 ? value : value & 0xffffffff);
}

/** MOV CRn, r. */
export function movToCr(cpu: usize, u: usize): void {
  const number = regField(u);
  if (number > 8 || !((0x11d >> number) & 1)) {
    raise(cpu, UD);
    return;
  }
  if (!privileged(cpu)) return;
  let value = load<u64>(cpu + load<u16>(u, U_DST));
  if (!(load<u32>(cpu, MODE) & MODE_64)) value &= 0xffffffff;
  if (number == 0) writeCr0(cpu, value);
  else if (number == 2) store<u64>(cpu, value, CR2);
  else if (number == 3) setCr3(cpu, value);
  else if (number == 4) writeCr4(cpu, value);
  else if (value >> 4) refuse(cpu);
  else hostWriteTaskPriority(cpu, <u32>value);
}

/** LMSW sets PE, MP, EM and TS; it cannot clear PE. */
function loadMachineStatus(cpu: usize, word: u32): void {
  const old = load<u64>(cpu, CR0);
  writeCr0(cpu, (old & ~0xe) | <u64>(word & 0xf));
}

export function lmswRegister(cpu: usize, u: usize): void {
  if (privileged(cpu)) loadMachineStatus(cpu, load<u16>(cpu + load<u16>(u, U_DST)));
}

export function lmswMemory(cpu: usize, u: usize): void {
  if (!privileged(cpu)) return;
  const linear = uopAddress(cpu, u, 2, false);
  if (faulted(cpu)) return;
  const word = rd16(cpu, linear);
  if (!faulted(cpu)) loadMachineStatus(cpu, word);
}

/** UMIP: SMSW, SGDT, SIDT, SLDT and STR are #GP(0) outside CPL 0. */
export function umipAllows(cpu: usize): bool {
  return !(load<u64>(cpu, CR4) & CR4_UMIP) || privileged(cpu);
}

export function smswRegister(cpu: usize, u: usize): void {
  if (umipAllows(cpu)) setSized(cpu, load<u16>(u, U_DST), load<u32>(u, U_AUX), AUX_OP16, load<u64>(cpu, CR0));
}

export function smswMemory(cpu: usize, u: usize): void {
  if (!umipAllows(cpu)) return;
  const linear = uopAddress(cpu, u, 2, true);
  if (!faulted(cpu)) wr16(cpu, linear, load<u16>(cpu, CR0));
}

export function clts(cpu: usize, u: usize): void {
  if (!privileged(cpu)) return;
  store<u64>(cpu, load<u64>(cpu, CR0) & ~CR0_TS, CR0);
  updateMode(cpu);
}

export function xgetbv(cpu: usize, u: usize): void {
  const index = load<u32>(cpu, CX);
  if (!(load<u64>(cpu, CR4) & CR4_OSXSAVE)) raise(cpu, UD);
  else if (index == 0) setPair(cpu, load<u64>(cpu, XCR0));
  else if (index == 1 && load<u64>(cpu, FEATURES) & FEATURE_XGETBV1) setPair(cpu, load<u64>(cpu, XCR0) & componentsInUse(cpu));
  else refuse(cpu);
}

/** Components: x87 (always on) and SSE. */
export function xsetbv(cpu: usize, u: usize): void {
  if (!(load<u64>(cpu, CR4) & CR4_OSXSAVE)) {
    raise(cpu, UD);
    return;
  }
  if (!privileged(cpu)) return;
  const value = pair(cpu);
  if (load<u32>(cpu, CX) || !(value & 1) || value & ~3) refuse(cpu);
  else store<u64>(cpu, value, XCR0);
}

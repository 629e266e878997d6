// FNINIT, FNCLEX, FLDCW, FNSTCW, FNSTSW, FINCSTP, FDECSTP, FFREE and the instructions that do nothing (SDM Vol. 2A).
import { FCS, FCW, FDP, FDS, FIP, FOP, FSW, FTW, GPR } from "../../src/layout";
import { summarize } from "./pointers";
import { physical, pop } from "./stack";
import { C1, TOP } from "./state";

/** The state after FNINIT; register contents stay. */
export function fpuInit(cpu: usize): void {
  store<u32>(cpu, 0x37f, FCW);
  store<u32>(cpu, 0, FSW);
  store<u32>(cpu, 0, FTW);
  store<u32>(cpu, 0, FOP);
  store<u64>(cpu, 0, FIP);
  store<u64>(cpu, 0, FDP);
  store<u32>(cpu, 0, FCS);
  store<u32>(cpu, 0, FDS);
}

/** Writes FCW: bit 6 always reads as one, bits 7 and 13-15 as zero; ES and B follow the new masks. */
export function setFcw(cpu: usize, value: u32): void {
  const fcw = (value & 0x1f7f) | 0x40;
  store<u32>(cpu, fcw, FCW);
  store<u32>(cpu, summarize(load<u32>(cpu, FSW), fcw), FSW);
}

/** FNINIT. */
export function x87Fninit(cpu: usize, i: u32): void {
  fpuInit(cpu);
}

/** FNCLEX. */
export function x87Fnclex(cpu: usize, i: u32): void {
  store<u32>(cpu, load<u32>(cpu, FSW) & 0x7f00, FSW);
}

/** FLDCW. */
export function x87Fldcw(cpu: usize, src: usize): void {
  setFcw(cpu, load<u16>(src));
}

/** FNSTCW. */
export function x87Fnstcw(cpu: usize, dst: usize): bool {
  store<u16>(dst, <u16>load<u32>(cpu, FCW));
  return true;
}

/** FNSTSW m16. */
export function x87Fnstsw(cpu: usize, dst: usize): bool {
  store<u16>(dst, <u16>load<u32>(cpu, FSW));
  return true;
}

/** FNSTSW AX. */
export function x87FnstswAx(cpu: usize, i: u32): void {
  store<u16>(cpu, <u16>load<u32>(cpu, FSW), GPR);
}

/** Moves TOP, tags untouched. */
function turn(cpu: usize, by: u32): void {
  const fsw = load<u32>(cpu, FSW);
  store<u32>(cpu, (fsw & ~(TOP | C1)) | ((fsw + (by << 11)) & TOP), FSW);
}

/** FINCSTP. */
export function x87Fincstp(cpu: usize, i: u32): void {
  turn(cpu, 1);
}

/** FDECSTP. */
export function x87Fdecstp(cpu: usize, i: u32): void {
  turn(cpu, 7);
}

/** FFREE ST(i). */
export function x87Ffree(cpu: usize, i: u32): void {
  store<u32>(cpu, load<u32>(cpu, FSW) & ~C1, FSW);
  store<u32>(cpu, load<u32>(cpu, FTW) & ~(1 << physical(cpu, i)), FTW);
}

/** FFREEP ST(i), which no manual lists: FFREE, then pop. */
export function x87Ffreep(cpu: usize, i: u32): void {
  x87Ffree(cpu, i);
  pop(cpu);
}

/** FNOP, and the 8087's and 80287's FNENI, FNDISI and FNSETPM. */
export function x87Fnop(cpu: usize, i: u32): void {}

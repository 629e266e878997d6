/** The locals of a translated function and the numbers with which it ends. */

/** Parameters: the vCPU's block, which entry to begin at, and the address that all offsets of the region count from. */
export const CPU = 0;
export const NEXT = 1;
export const BASE = 2;
/** 16 general registers, then the two flag words and by which rule they wait (isa/flag-words.ts). */
export const REGISTERS = 3;
export const FR = 16;
export const FV = 17;
export const FK = 18;
export const REGISTER_COUNT = 19;
/** The flag registers, one bit each. Where a block begins or ends they are in the vCPU's block: their locals are copies. */
export const FLAG_REGISTERS = (1 << FR) | (1 << FV) | (1 << FK);
/** Of a way out: flag registers that are as they were where the block began, by bits so much higher than those of which it stores the locals. */
export const ENTERED_SHIFT = 4;
export const ALL_ENTERED = FLAG_REGISTERS << ENTERED_SHIFT;
/** Is a register's local an i64? */
export const isWideRegister = (register: number, long: boolean): boolean => (register < FR ? long : register !== FK);
/** Numbers of the vector registers, which follow. Only those that a unit uses have locals, after all others. */
export const XMM0 = REGISTER_COUNT;
export const VECTOR_COUNT = 16;
export const CTX = REGISTERS + REGISTER_COUNT;
/** Instructions left in this run. */
export const COUNT = CTX + 1;
/** Where to go on after leaving. */
export const TARGET = COUNT + 1;
/** The page of the stack: its linear address, or -1, and what makes a host address of one in it. */
export const STACK_PAGE = TARGET + 1;
export const TLB = STACK_PAGE + 1;
export const STACK_ADDEND = TLB + 1;
export const EXIT = STACK_ADDEND + 1;
/** Where a range of bytes that is asked for at once begins (the low half of its address), and how many they are. */
export const RANGE = EXIT + 1;
export const RANGE_BYTES = RANGE + 1;
/** Temporaries, by type. */
export const TEMPS = RANGE_BYTES + 1;
export const FIXED_I64 = TLB - REGISTERS;
export const FIXED_I32 = TEMPS - TLB;

/** Largest distance of a block from its region's base: what follows it is still reached with 24 bits. */
export const MAX_DELTA = 0x7fefff;

/** The same place and count with another UNIT_*. */
export const exitAs = (code: number, kind: number): number => (code & ~3) | kind;

/** What a leaving unit knows in one constant: offset of RIP, instructions that were counted but not done, and a UNIT_*. */
export function exitCode(delta: number, undo: number, kind: number): number {
  return (delta << 8) | (undo << 2) | kind;
}

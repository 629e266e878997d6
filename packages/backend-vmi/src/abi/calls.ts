/**
 * The calls of VMI 3.0 by number, under the names of Linux's vmi.h with VMI_CALL_ left out, and how the ROM answers GetRelocationInfo for each
 * when nobody says otherwise. Numbers 49 to 60 and 72 were never given out.
 */

/** What GetRelocationInfo says of a call: call the code, jump to it, there is nothing to do, or the native instruction stays. */
export type RomAnswer = "call" | "jump" | "nop" | "native";

/** Types in the answer's byte 4 (vmi.h, VMI_RELOCATION_*). */
export const relocationTypes = { native: 0, call: 1, jump: 2, nop: 3 } as const satisfies Record<RomAnswer, number>;

/** Number and usual answer. */
const table = {
  CPUID: [0, "call"],
  WRMSR: [1, "call"],
  RDMSR: [2, "call"],
  SetGDT: [3, "call"],
  SetLDT: [4, "call"],
  SetIDT: [5, "call"],
  SetTR: [6, "call"],
  GetGDT: [7, "call"],
  GetLDT: [8, "call"],
  GetIDT: [9, "call"],
  GetTR: [10, "call"],
  WriteGDTEntry: [11, "call"],
  WriteLDTEntry: [12, "call"],
  WriteIDTEntry: [13, "call"],
  UpdateKernelStack: [14, "call"],
  SetCR0: [15, "call"],
  SetCR2: [16, "call"],
  SetCR3: [17, "call"],
  SetCR4: [18, "call"],
  GetCR0: [19, "call"],
  GetCR2: [20, "call"],
  GetCR3: [21, "call"],
  GetCR4: [22, "call"],
  WBINVD: [23, "call"],
  SetDR: [24, "call"],
  GetDR: [25, "call"],
  RDPMC: [26, "call"],
  RDTSC: [27, "call"],
  CLTS: [28, "call"],
  EnableInterrupts: [29, "call"],
  DisableInterrupts: [30, "call"],
  GetInterruptMask: [31, "call"],
  SetInterruptMask: [32, "call"],
  IRET: [33, "call"],
  SYSEXIT: [34, "jump"],
  Halt: [35, "call"],
  Reboot: [36, "call"],
  Shutdown: [37, "call"],
  SetPxE: [38, "call"],
  SetPxELong: [39, "call"],
  UpdatePxE: [40, "call"],
  UpdatePxELong: [41, "call"],
  MachineToPhysical: [42, "call"],
  PhysicalToMachine: [43, "call"],
  AllocatePage: [44, "call"],
  ReleasePage: [45, "call"],
  InvalPage: [46, "call"],
  FlushTLB: [47, "call"],
  SetLinearMapping: [48, "call"],
  SetIOPLMask: [61, "call"],
  SetInitialAPState: [62, "call"],
  APICWrite: [63, "call"],
  APICRead: [64, "call"],
  IODelay: [65, "nop"],
  GetCycleFrequency: [66, "call"],
  GetCycleCounter: [67, "call"],
  SetAlarm: [68, "call"],
  CancelAlarm: [69, "call"],
  GetWallclockTime: [70, "call"],
  WallclockUpdated: [71, "call"],
  SetLazyMode: [73, "call"],
} as const satisfies Record<string, readonly [number: number, answer: RomAnswer]>;

/** Name of a call. */
export type CallName = keyof typeof table;

/** Every call, in the order of its number. */
export const callNames = Object.keys(table) as CallName[];

/** A call's number. */
export const callNumber = (name: CallName): number => table[name][0];

/** What is answered when no policy says otherwise. */
export const usualAnswer = (name: CallName): RomAnswer => table[name][1];

const byNumber = new Map<number, CallName>(callNames.map((name) => [table[name][0], name]));

/** A call by its number; undefined for numbers that were never given out. */
export const callByNumber = (number: number): CallName | undefined => byNumber.get(number);

/** Calls that do not come back to their caller: only these may be jumped to. */
export const withoutReturn: ReadonlySet<CallName> = new Set<CallName>(["IRET", "SYSEXIT", "Reboot", "Shutdown"]);

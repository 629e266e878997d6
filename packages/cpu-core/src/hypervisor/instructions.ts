/**
 * Which rows of the decode table are the contract's instructions that can be intercepted, and what is known of one when it is decoded.
 * Registers are looked at when it is executed.
 */
import type { AccessSize, ControlRegister, InterceptableInstruction, InterceptedInstruction } from "@paravane/paravirt-ops";
import type { Instruction } from "../decode/instruction.js";
import type { TableRow } from "../interp/handlers.js";

/** Where the source operand is: a general register by number, the immediate, memory (2 bytes), or the address of a memory operand itself. */
export type OperandSource = "register" | "accumulator" | "pair" | "immediate" | "word" | "address";

/** An intercepted instruction as far as decoding tells. */
export interface DecodedIntercept {
  readonly instruction: InterceptableInstruction;
  readonly length: number;
  readonly bits: 16 | 32 | 64;
  readonly control: ControlRegister | undefined;
  /** A number, or "rcx" for the register that names an MSR, a counter or XCR0. */
  readonly index: number | "rcx" | undefined;
  readonly source: OperandSource | undefined;
  /** Number of the register for source "register". */
  readonly register: number;
  readonly destination: number | undefined;
  /** A port, or "dx". */
  readonly port: number | "dx" | undefined;
  readonly size: AccessSize | undefined;
}

/** Engine functions and the instructions that they are; those that serve several are told apart by mnemonic below. */
const BY_FUNCTION: Readonly<Record<string, InterceptableInstruction>> = {
  movFromCr: "mov-from-cr",
  movToCr: "mov-to-cr",
  clts: "clts",
  lmswRegister: "lmsw",
  lmswMemory: "lmsw",
  movFromDr: "mov-from-dr",
  movToDr: "mov-to-dr",
  lgdt: "lgdt",
  lidt: "lidt",
  lldt: "lldt",
  ltr: "ltr",
  sgdt: "sgdt",
  sidt: "sidt",
  sldt: "sldt",
  str: "str",
  smswRegister: "smsw",
  smswMemory: "smsw",
  lar: "lar",
  lsl: "lsl",
  verr: "verr",
  verw: "verw",
  pushFlags: "pushf",
  popFlags: "popf",
  cli: "cli",
  sti: "sti",
  iret: "iret",
  hlt: "hlt",
  pause: "pause",
  invlpg: "invlpg",
  invpcid: "invpcid",
  rdmsr: "rdmsr",
  wrmsr: "wrmsr",
  rdtsc: "rdtsc",
  rdtscp: "rdtscp",
  rdpmc: "rdpmc",
  cpuid: "cpuid",
  xsetbv: "xsetbv",
  swapgs: "swapgs",
  inByteImm: "in",
  inWideImm: "in",
  inByteDx: "in",
  inWideDx: "in",
  outByteImm: "out",
  outWideImm: "out",
  outByteDx: "out",
  outWideDx: "out",
  insByte: "ins",
  insWide: "ins",
  outsByte: "outs",
  outsWide: "outs",
  syscall: "syscall",
  sysret: "sysret",
  sysenter: "sysenter",
  sysexit: "sysexit",
  intImmediate: "int",
  int3: "int3",
  into: "into",
};
const BY_MNEMONIC: Readonly<Record<string, InterceptableInstruction>> = {
  INVD: "invd",
  WBINVD: "wbinvd",
  VMCALL: "vmcall",
  VMMCALL: "vmmcall",
  UD2: "ud2",
};

/** The instruction that a row of the decode table is, if it is one that can be intercepted. */
export function interceptable({ entry }: TableRow): InterceptableInstruction | undefined {
  return entry.type === "outlined" ? (BY_MNEMONIC[entry.mnemonic] ?? BY_FUNCTION[entry.fn]) : undefined;
}

const CONTROL: Readonly<Record<number, ControlRegister>> = { 0: "cr0", 2: "cr2", 3: "cr3", 4: "cr4", 8: "cr8" };
const WORD_SOURCES: ReadonlySet<InterceptableInstruction> = new Set(["lldt", "ltr", "lmsw", "lar", "lsl", "verr", "verw"]);
const ADDRESSES: ReadonlySet<InterceptableInstruction> = new Set(["lgdt", "lidt", "sgdt", "sidt", "invlpg", "invpcid"]);
const STORES: ReadonlySet<InterceptableInstruction> = new Set(["sldt", "str", "smsw"]);

/** What decoding knows of `instruction`; undefined for one that does not exist in this form (MOV CR1). */
export function describe(instruction: InterceptableInstruction, i: Instruction, fn: string): DecodedIntercept | undefined {
  const memory = i.hasModrm && i.mod !== 3;
  const plain: DecodedIntercept = {
    instruction,
    length: i.length,
    bits: i.opsize,
    control: undefined,
    index: undefined,
    source: undefined,
    register: i.rm,
    destination: undefined,
    port: undefined,
    size: undefined,
  };
  switch (instruction) {
    case "mov-from-cr":
    case "mov-to-cr": {
      const control = CONTROL[i.reg];
      if (control === undefined) return undefined;
      return instruction === "mov-to-cr" ? { ...plain, control, source: "register" } : { ...plain, control, destination: i.rm };
    }
    case "mov-from-dr":
    case "mov-to-dr":
      if (i.reg > 7) return undefined;
      return instruction === "mov-to-dr" ? { ...plain, index: i.reg, source: "register" } : { ...plain, index: i.reg, destination: i.rm };
    case "rdmsr":
    case "rdpmc":
      return { ...plain, index: "rcx" };
    case "wrmsr":
    case "xsetbv":
      return { ...plain, index: "rcx", source: "pair" };
    case "int":
      return { ...plain, index: i.immediate & 0xff };
    case "in":
    case "out":
    case "ins":
    case "outs": {
      const size: AccessSize = fn.includes("Byte") ? 1 : i.opsize === 16 ? 2 : 4;
      const port = fn.endsWith("Imm") ? i.immediate & 0xff : "dx";
      const registers: Partial<DecodedIntercept> =
        instruction === "in" ? { destination: 0 } : instruction === "out" ? { source: "accumulator" } : {};
      return { ...plain, ...registers, size, port };
    }
    default:
  }
  if (ADDRESSES.has(instruction)) return { ...plain, source: "address" };
  if (STORES.has(instruction)) return memory ? { ...plain, source: "address" } : { ...plain, destination: i.rm };
  if (WORD_SOURCES.has(instruction)) {
    const destination = instruction === "lar" || instruction === "lsl" ? i.reg : undefined;
    return { ...plain, source: memory ? "word" : "register", destination };
  }
  return plain;
}

/** The parts of the contract's record that decoding already knows. */
export function knownParts(decoded: DecodedIntercept): Partial<InterceptedInstruction> {
  const { control, index, destination, port, size } = decoded;
  return {
    ...(control === undefined ? {} : { control }),
    ...(typeof index === "number" ? { index } : {}),
    ...(destination === undefined ? {} : { destination }),
    ...(typeof port === "number" ? { port } : {}),
    ...(size === undefined ? {} : { size }),
  };
}

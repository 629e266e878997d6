// What may differ, as data. Three kinds: what the manual leaves open, what QEMU 7.2 (TCG) is known to do otherwise than processors, and
// instructions whose result comes from outside the processor, which are not executed by the other machine at all: it takes our result.
import type { Disassembled } from "@paravane/cpu-core/disasm";
import type { Difference } from "./compare.js";
import type { State } from "./state.js";

const CF = 0x1,
  PF = 0x4,
  AF = 0x10,
  ZF = 0x40,
  SF = 0x80,
  OF = 0x800,
  RF = 0x10000;
const STATUS = CF | PF | AF | ZF | SF | OF;

/** The instruction at hand: what it is, and the state before it. */
export interface Executed {
  readonly instruction: Disassembled;
  readonly before: State;
}

/** A reason for which a difference does not count. */
export interface Rule {
  readonly name: string;
  readonly why: string;
  /** Bits of the field that may differ after the instruction. */
  readonly allows: (field: string, executed: Executed, ours: bigint) => bigint;
}

/** Status flags that the manual leaves undefined, by mnemonic (SDM Vol. 2, "Flags Affected"). */
const UNDEFINED_FLAGS: Readonly<Record<string, number>> = {
  AND: AF,
  OR: AF,
  XOR: AF,
  TEST: AF,
  MUL: SF | ZF | AF | PF,
  IMUL: SF | ZF | AF | PF,
  IMUL3: SF | ZF | AF | PF,
  DIV: STATUS,
  IDIV: STATUS,
  BT: OF | SF | AF | PF,
  BTS: OF | SF | AF | PF,
  BTR: OF | SF | AF | PF,
  BTC: OF | SF | AF | PF,
  BSF: STATUS & ~ZF,
  BSR: STATUS & ~ZF,
  AAA: OF | SF | ZF | PF,
  AAS: OF | SF | ZF | PF,
  AAM: OF | AF | CF,
  AAD: OF | AF | CF,
  DAA: OF,
  DAS: OF,
  ANDN: AF | PF,
  BEXTR: AF | SF | PF,
  BZHI: AF | PF,
  BLSI: AF | PF,
  BLSR: AF | PF,
  BLSMSK: AF | PF,
  LZCNT: OF | SF | AF | PF,
  TZCNT: OF | SF | AF | PF,
};

const SHIFTS = /^(?:SHL|SHR|SAR|SAL|SHLD|SHRD)$/;
const ROTATES = /^(?:ROL|ROR|RCL|RCR)$/;

/** Shifts leave flags open that depend on the count (SDM Vol. 2B "SAL/SAR/SHL/SHR", "SHLD"). */
function undefinedByCount({ instruction, before }: Executed): number {
  const { mnemonic, bits } = instruction;
  const shift = SHIFTS.test(mnemonic);
  if (!shift && !ROTATES.test(mnemonic)) return 0;
  const count = (instruction.immediate ?? Number(before.get("rcx") & 0xffn)) & (bits === 64 ? 63 : 31);
  if (count === 0) return 0;
  let open = count === 1 ? 0 : OF;
  if (shift) open |= AF;
  if (shift && count >= bits) open |= CF;
  if (mnemonic.length === 4 && count > bits) open |= STATUS;
  return open;
}

const TRANSCENDENTAL = new Set(["F2XM1", "FYL2X", "FYL2XP1", "FPTAN", "FPATAN", "FSIN", "FCOS", "FSINCOS"]);
const flags =
  (mask: number) =>
  (field: string): bigint =>
    field === "rflags" ? BigInt(mask) : 0n;
const forMnemonics =
  (names: readonly string[], mask: (field: string) => bigint): Rule["allows"] =>
  (field, { instruction }) =>
    names.includes(instruction.mnemonic) ? mask(field) : 0n;
const ANYTHING = (1n << 128n) - 1n;

/** All rules, in the order in which they are asked. */
export const RULES: readonly Rule[] = [
  {
    name: "undefined-flags",
    why: "the manual leaves these flags undefined after the instruction",
    allows: (field, executed) =>
      field === "rflags" ? BigInt((UNDEFINED_FLAGS[executed.instruction.mnemonic] ?? 0) | undefinedByCount(executed)) : 0n,
  },
  {
    name: "undefined-shift-double",
    why: "SHLD and SHRD of 16 bits by more than 16 leave destination and flags undefined",
    allows: (field, { instruction, before }) => {
      if (!/^SH[LR]D$/.test(instruction.mnemonic) || instruction.bits !== 16) return 0n;
      const count = (instruction.immediate ?? Number(before.get("rcx") & 0xffn)) & 31;
      return count > 16 && (field === "rflags" || /^r/.test(field)) && field !== "rip" ? 0xffffn : 0n;
    },
  },
  {
    name: "undefined-bswap",
    why: "BSWAP of a 16-bit register is undefined",
    allows: (field, { instruction }) =>
      instruction.mnemonic === "BSWAP" && instruction.bits === 16 && /^r(?!ip|flags)/.test(field) ? ANYTHING : 0n,
  },
  { name: "resume-flag", why: "QEMU keeps RF where processors clear it after each instruction", allows: flags(RF) },
  { name: "tss-busy", why: "QEMU's TR does not remember that LTR made the TSS busy", allows: (field) => (field === "tr.access" ? 2n : 0n) },
  {
    name: "segment-accessed",
    why: "QEMU marks a descriptor accessed in memory, but not in the segment register that it loads from it",
    allows: (field) => (field.endsWith(".access") ? 1n : 0n),
  },
  {
    name: "qemu-bls-carry",
    why: "QEMU 7.2 computes CF of BLSI, BLSR and BLSMSK wrongly",
    allows: forMnemonics(["BLSI", "BLSR", "BLSMSK"], flags(CF)),
  },
  {
    name: "qemu-adx-flags",
    why: "QEMU 7.2 corrupts EFLAGS in ADCX and ADOX",
    allows: forMnemonics(["ADCX", "ADOX"], flags(STATUS)),
  },
  {
    name: "qemu-fcomi-flags",
    why: "QEMU keeps OF, SF and AF in FCOMI where processors clear them",
    allows: forMnemonics(["FCOMI", "FCOMIP", "FUCOMI", "FUCOMIP"], flags(OF | SF | AF)),
  },
  {
    name: "qemu-transcendental",
    why: "QEMU computes transcendental x87 functions in double precision",
    allows: (field, { instruction }) => (TRANSCENDENTAL.has(instruction.mnemonic) && /^st[01]$|^fsw$/.test(field) ? ANYTHING : 0n),
  },
  {
    name: "qemu-x87-status",
    why: "QEMU raises no x87 stack faults, keeps TOP in EMMS, and sets C1 and the exception flags otherwise",
    allows: (field, { instruction }) => (field === "fsw" || (field === "ftw" && /^(?:F|EMMS)/.test(instruction.mnemonic)) ? 0xffffn : 0n),
  },
  {
    name: "qemu-mmx-exponent",
    why: "QEMU leaves sign and exponent of a register alone that MMX instructions write; processors set them to ones",
    allows: (field, _, ours) => (field.startsWith("st") && ours >> 64n === 0xffffn ? 0xffffn << 64n : 0n),
  },
  {
    name: "qemu-denormal-flag",
    why: "QEMU does not set MXCSR.DE for denormal operands",
    allows: (field) => (field === "mxcsr" ? 2n : 0n),
  },
  {
    name: "qemu-approximations",
    why: "RCPPS and RSQRTPS may differ within their error",
    allows: (field, { instruction }) => (/^(?:RCP|RSQRT)[PS]S$/.test(instruction.mnemonic) && field.startsWith("xmm") ? ANYTHING : 0n),
  },
];

/** Bits that processors set in tables in RAM, and not at the same moment or not at all. */
export const TABLE_RULES: readonly { readonly name: string; readonly why: string; readonly bits: bigint }[] = [
  {
    name: "accessed-dirty",
    why: "accessed and dirty bits of page tables are set when a translation is cached, and caches differ",
    bits: 0x0000_0060_0000_0060n,
  },
  {
    name: "pushed-resume-flag",
    why: "processors push RF as one when a fault is delivered, QEMU does not",
    bits: 0x0001_0000_0001_0000n,
  },
  { name: "descriptor-accessed", why: "QEMU does not mark code descriptors accessed in far transfers", bits: 1n << 40n },
];

/** The names, for whoever lists or switches off. */
export const RULE_NAMES: readonly string[] = [...RULES, ...TABLE_RULES].map(({ name }) => name);

/** What is left of the differences when the rules have been asked, and which rules were used. */
export function judge(
  found: readonly Difference[],
  executed: Executed,
  rules: readonly Rule[],
): { left: Difference[]; excused: Difference[]; used: string[] } {
  const left: Difference[] = [];
  const excused: Difference[] = [];
  const used = new Set<string>();
  for (const difference of found) {
    let bits = difference.bits;
    for (const rule of rules) {
      const allowed = bits & rule.allows(difference.field, executed, difference.ours);
      if (allowed === 0n) continue;
      used.add(rule.name);
      bits &= ~allowed;
    }
    if (bits !== 0n) left.push({ ...difference, bits });
    if (bits !== difference.bits) excused.push({ ...difference, bits: difference.bits & ~bits });
  }
  return { left, excused, used: [...used] };
}

/** Why the other machine does not execute an instruction but takes our result. Keys are mnemonics. */
export const FROM_OUTSIDE: Readonly<Record<string, string>> = {
  IN: "port",
  INS: "port",
  INSB: "port",
  CPUID: "the processors' identities differ",
  RDTSC: "clock",
  RDTSCP: "clock",
  RDPMC: "counters",
  RDPID: "the processors' identities differ",
  RDMSR: "the processors' MSRs differ",
  RDRAND: "random numbers",
  RDSEED: "random numbers",
  XSAVE: "processors track unused state differently",
  XSAVEOPT: "processors track unused state differently",
  XSAVEC: "processors track unused state differently",
  HLT: "nothing wakes the other machine",
  MONITOR: "nothing wakes the other machine",
  MWAIT: "nothing wakes the other machine",
};

/** MSRs that change how a processor runs, so that both must be written; writes of others stay on our side. */
export const WRITTEN_ON_BOTH: ReadonlySet<number> = new Set([
  0x174, 0x175, 0x176, 0x277, 0xc0000080, 0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102, 0xc0000103,
]);

/** Features of ours that QEMU 7.2's TCG does not have; the guest must not find them. */
export const NOT_IN_QEMU: readonly string[] = ["sha", "pcid", "invpcid", "xsavec", "autoibrs"];

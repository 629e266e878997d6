/** A vCPU's architectural state as verification compares it: copies of its block, and which bits of them mean something. */
import { generalRegisters } from "@paravane/paravirt-ops";
import * as L from "../layout.js";

/** One register as it lies in the vCPU's block; `mask` where not all bits of a single word count. */
interface Field {
  readonly name: string;
  readonly offset: number;
  readonly bytes: number;
  readonly mask?: number;
}

const SEGMENTS = ["es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"];
const several = (count: number, each: (n: number) => Field | readonly Field[]): Field[] =>
  Array.from({ length: count }, (_, n) => each(n)).flat();
const words = (offset: number, bytes: number, fields: Readonly<Record<string, number>>): Field[] =>
  Object.entries(fields).map(([name, at]) => ({ name, offset: offset + at, bytes }));

/** Everything that an instruction can change but memory, the status flags (see `flags`) and the count. */
const FIELDS: readonly Field[] = [
  ...several(16, (n) => ({ name: generalRegisters[n]!, offset: L.GPR + n * 8, bytes: 8 })),
  { name: "rip", offset: L.RIP, bytes: 8 },
  ...words(0, 4, { cpl: L.CPL, mode: L.MODE, "tlb array": L.TLB }),
  ...words(0, 8, { "linear mask": L.LIN_MASK, "tlb context": L.CTX }),
  ...several(8, (n) => [
    { name: `${SEGMENTS[n]}.base`, offset: L.SEG + n * L.SEG_SIZE + L.SEG_BASE, bytes: 8 },
    { name: `${SEGMENTS[n]}.limit`, offset: L.SEG + n * L.SEG_SIZE + L.SEG_LIMIT, bytes: 4 },
    { name: `${SEGMENTS[n]}.access`, offset: L.SEG + n * L.SEG_SIZE + L.SEG_ACCESS, bytes: 4 },
    { name: `${SEGMENTS[n]}.selector`, offset: L.SEG + n * L.SEG_SIZE + L.SEG_SELECTOR, bytes: 4 },
  ]),
  ...words(0, 8, {
    "gdtr.base": L.GDTR_BASE,
    "idtr.base": L.IDTR_BASE,
    cr0: L.CR0,
    cr2: L.CR2,
    cr3: L.CR3,
    cr4: L.CR4,
    efer: L.EFER,
    xcr0: L.XCR0,
  }),
  ...words(0, 4, { "gdtr.limit": L.GDTR_LIMIT, "idtr.limit": L.IDTR_LIMIT }),
  ...several(4, (n) => ({ name: `pdpte${n}`, offset: L.PDPTE + n * 8, bytes: 8 })),
  ...several(8, (n) => ({ name: `dr${n}`, offset: L.DR + n * 8, bytes: 8 })),
  ...words(0, 8, {
    star: L.MSR_STAR,
    lstar: L.MSR_LSTAR,
    cstar: L.MSR_CSTAR,
    sfmask: L.MSR_SFMASK,
    kernel_gs_base: L.MSR_KERNEL_GS_BASE,
    sysenter_cs: L.MSR_SYSENTER_CS,
    sysenter_esp: L.MSR_SYSENTER_ESP,
    sysenter_eip: L.MSR_SYSENTER_EIP,
    tsc_aux: L.MSR_TSC_AUX,
    tsc_offset: L.TSC_OFFSET,
    debugctl: L.MSR_DEBUGCTL,
    spec_ctrl: L.MSR_SPEC_CTRL,
  }),
  ...words(0, 4, {
    fault: L.FAULT,
    "nmi blocked": L.NMI_BLOCKED,
    halted: L.HALTED,
    exit: L.EXIT,
    "debug pending": L.DEBUG_PENDING,
    fcw: L.FCW,
    fsw: L.FSW,
    ftw: L.FTW,
    fop: L.FOP,
    fcs: L.FCS,
    fds: L.FDS,
    mxcsr: L.MXCSR,
  }),
  // STI casts no shadow where the engine sees that nothing waits, and it sees that by the count too.
  { name: "shadow", offset: L.SHADOW, bytes: 4, mask: L.SHADOW_MOV_SS },
  ...words(0, 8, { fip: L.FIP, fdp: L.FDP }),
  ...several(8, (n) => [
    { name: `fpr${n}`, offset: L.FPR + n * 16, bytes: 8 },
    { name: `fpr${n}.exponent`, offset: L.FPR + n * 16 + 8, bytes: 4, mask: 0xffff },
  ]),
  ...several(16, (n) => ({ name: `xmm${n}`, offset: L.XMM + n * 16, bytes: 16 })),
];
const FAULT_FIELDS = words(0, 4, { "fault error": L.FAULT_ERROR, "fault has error": L.FAULT_HAS_ERROR });

/** The block's first words, with ones where they are compared: what `VERIFY_MASK_PTR` points to. */
export function comparedMask(): Int32Array {
  const words = new Int32Array(L.STATE_BYTES / 4);
  for (const { offset, bytes, mask } of FIELDS) words.fill(mask ?? -1, offset / 4, (offset + bytes) / 4);
  return words;
}

/** One row of a report. */
export interface Row {
  readonly name: string;
  readonly values: readonly string[];
}

export class State {
  readonly #words: Int32Array;

  /**
   * A copy of the state at byte address `at` of `memory`.
   *
   * @param flags - RFLAGS with the status flags in their places
   * @param retired - instructions since the comparison began
   */
  constructor(
    memory: Int32Array,
    at: number,
    readonly flags: number,
    readonly retired: number,
  ) {
    this.#words = memory.slice(at >>> 2, (at + L.STATE_BYTES) >>> 2);
  }
  /** A word of the block. */
  word(offset: number): number {
    return this.#words[offset >>> 2]!;
  }
  get rip(): bigint {
    return BigInt.asUintN(64, (BigInt(this.word(L.RIP + 4)) << 32n) | BigInt(this.word(L.RIP) >>> 0));
  }

  #text({ offset, bytes }: Field): string {
    let text = "";
    for (let at = offset + bytes - 4; at >= offset; at -= 4) text += (this.word(at) >>> 0).toString(16).padStart(8, "0");
    return text;
  }
  /** Where the first two of the states differ. */
  static differences(states: readonly [State, State, ...State[]]): Row[] {
    const [one, other] = states;
    const rows: Row[] = [];
    const row = (name: string, text: (state: State) => string): void => {
      rows.push({ name, values: states.map(text) });
    };
    if (one.retired !== other.retired) row("instructions", (state) => String(state.retired));
    if (one.flags !== other.flags) row("rflags", (state) => (state.flags >>> 0).toString(16).padStart(8, "0"));
    for (const field of [...FIELDS, ...(one.word(L.FAULT) < 0 ? [] : FAULT_FIELDS)]) {
      const differ = several(field.bytes / 4, (n) => ({ ...field, offset: field.offset + n * 4 })).some(
        ({ offset, mask }) => ((one.word(offset) ^ other.word(offset)) & (mask ?? -1)) !== 0,
      );
      if (differ) row(field.name, (state) => state.#text(field));
    }
    return rows;
  }
}

/** Cold access to a vCPU's architectural state, as bigints and plain records. */
import { type ControlRegister, type DebugRegister, generalRegisters, type SegmentName, type VcpuRegisters } from "@paravane/paravirt-ops";
import * as L from "../layout.js";
import type { EngineExports } from "../engine.js";
import { readFxState, writeFxState } from "./fx-state.js";

const SEGMENTS: readonly SegmentName[] = ["es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"];
const CONTROL: Record<Exclude<ControlRegister, "cr8">, number> = {
  cr0: L.CR0,
  cr2: L.CR2,
  cr3: L.CR3,
  cr4: L.CR4,
  efer: L.EFER,
  xcr0: L.XCR0,
};
const DEBUG: Record<DebugRegister, number> = {
  dr0: L.DR,
  dr1: L.DR + 8,
  dr2: L.DR + 16,
  dr3: L.DR + 24,
  dr6: L.DR + 48,
  dr7: L.DR + 56,
};
/** What is a plain field, and so is reached without asking what kind of register it is. */
const FIELDS: Readonly<Record<string, number>> = Object.fromEntries<number>([
  ["rip", L.RIP],
  ...generalRegisters.map((name, number): [string, number] => [name, L.GPR + number * 8]),
]);
const SEGMENT_FIELDS: Readonly<Record<SegmentName, number>> = Object.fromEntries(
  SEGMENTS.map((name, number) => [name, L.SEG + number * L.SEG_SIZE]),
) as Record<SegmentName, number>;
/** Of CS and SS, which are looked at when a guest goes to its kernel and back, without a search. */
const segmentField = (name: SegmentName): number =>
  name === "cs" ? L.SEG + L.CS * L.SEG_SIZE : name === "ss" ? L.SEG + L.SS * L.SEG_SIZE : SEGMENT_FIELDS[name];
/** Segments by which code is decoded and addressed as flat or not. */
const MODE_SEGMENTS: ReadonlySet<SegmentName> = new Set<SegmentName>(["cs", "ss", "ds", "es"]);
/** Flags that decide how code is decoded and what accesses are checked: VM and AC. */
const MODE_FLAGS = 0x6_0000;
/** MSRs that can be set beyond what WRMSR allows; all others go through the engine. */
const MSRS: ReadonlyMap<number, number> = new Map([
  [0x174, L.MSR_SYSENTER_CS],
  [0x175, L.MSR_SYSENTER_ESP],
  [0x176, L.MSR_SYSENTER_EIP],
  [0x277, L.MSR_PAT],
  [0xc0000080, L.EFER],
  [0xc0000081, L.MSR_STAR],
  [0xc0000082, L.MSR_LSTAR],
  [0xc0000083, L.MSR_CSTAR],
  [0xc0000084, L.MSR_SFMASK],
  [0xc0000100, L.SEG + L.FS * L.SEG_SIZE + L.SEG_BASE],
  [0xc0000101, L.SEG + L.GS * L.SEG_SIZE + L.SEG_BASE],
  [0xc0000102, L.MSR_KERNEL_GS_BASE],
  [0xc0000103, L.MSR_TSC_AUX],
]);
/** The same of those from here on, by their distance from it: a hypervisor's guests have it look them up at each system call. */
const EXTENDED = 0xc0000080;
const EXTENDED_FIELDS = Array.from({ length: 0x84 }, (_, distance) => MSRS.get(EXTENDED + distance));
const msrField = (index: number): number | undefined => (index >= EXTENDED ? EXTENDED_FIELDS[index - EXTENDED] : MSRS.get(index));

export function createRegisters(
  view: DataView,
  cpu: number,
  engine: EngineExports,
  taskPriority: { read(): number; write(value: number): void },
): VcpuRegisters {
  /** Segments, flags and control registers decide how code is decoded and with whose rights memory is accessed. */
  const modeChanged = (): void => engine.updateMode(cpu);
  /** Some control registers and EFER also decide how addresses are translated. */
  const pagingChanged = (): void => {
    engine.updateMode(cpu);
    engine.pagingChanged(cpu);
  };
  const setFlags = (value: number): void => {
    const before = view.getUint32(cpu + L.EFLAGS, true);
    engine.setFlags(cpu, value | 0);
    if (((before ^ view.getUint32(cpu + L.EFLAGS, true)) & MODE_FLAGS) !== 0) modeChanged();
  };
  return {
    general: new BigUint64Array(view.buffer, view.byteOffset + cpu + L.GPR, generalRegisters.length),
    get(name) {
      const field = name === "rip" ? L.RIP : FIELDS[name];
      if (field !== undefined) return view.getBigUint64(cpu + field, true);
      if (name === "rflags") return BigInt(engine.getFlags(cpu) >>> 0);
      if (name === "cr8") return BigInt(taskPriority.read());
      if (name in CONTROL) return view.getBigUint64(cpu + CONTROL[name as keyof typeof CONTROL], true);
      return view.getBigUint64(cpu + DEBUG[name as DebugRegister], true);
    },
    set(name, value) {
      const field = name === "rip" ? L.RIP : FIELDS[name];
      if (field !== undefined) view.setBigUint64(cpu + field, value, true);
      else if (name === "rflags") setFlags(Number(BigInt.asUintN(32, value)));
      else if (name === "cr8") taskPriority.write(Number(value));
      else if (name in CONTROL) {
        view.setBigUint64(cpu + CONTROL[name as keyof typeof CONTROL], value, true);
        if (name !== "cr2" && name !== "xcr0") pagingChanged();
      } else {
        view.setBigUint64(cpu + DEBUG[name as DebugRegister], value, true);
        engine.debugRegistersChanged(cpu);
      }
    },
    flags: () => engine.getFlags(cpu) >>> 0,
    setFlags,
    segment(name) {
      const at = cpu + segmentField(name);
      return {
        selector: view.getUint32(at + L.SEG_SELECTOR, true),
        base: view.getBigUint64(at + L.SEG_BASE, true),
        limit: view.getUint32(at + L.SEG_LIMIT, true),
        access: view.getUint32(at + L.SEG_ACCESS, true),
      };
    },
    selector: (name) => view.getUint32(cpu + segmentField(name) + L.SEG_SELECTOR, true),
    setSegment(name, value) {
      const at = cpu + segmentField(name);
      view.setUint32(at + L.SEG_SELECTOR, value.selector, true);
      const level = (value.access >> 5) & 3;
      // A selector alone decides nothing.
      if (
        view.getUint32(at + L.SEG_LIMIT, true) === value.limit &&
        view.getUint32(at + L.SEG_ACCESS, true) === value.access &&
        view.getBigUint64(at + L.SEG_BASE, true) === value.base &&
        (name !== "ss" || view.getUint32(cpu + L.CPL, true) === level)
      )
        return;
      view.setBigUint64(at + L.SEG_BASE, value.base, true);
      view.setUint32(at + L.SEG_LIMIT, value.limit, true);
      view.setUint32(at + L.SEG_ACCESS, value.access, true);
      // The stack segment's DPL is the CPL (SDM Vol. 3A §5.5); real and virtual-8086 mode fix it themselves.
      if (name === "ss") view.setUint32(cpu + L.CPL, level, true);
      if (MODE_SEGMENTS.has(name)) modeChanged();
    },
    table(name) {
      const [base, limit] = name === "gdtr" ? [L.GDTR_BASE, L.GDTR_LIMIT] : [L.IDTR_BASE, L.IDTR_LIMIT];
      return { base: view.getBigUint64(cpu + base, true), limit: view.getUint32(cpu + limit, true) };
    },
    setTable(name, value) {
      const [base, limit] = name === "gdtr" ? [L.GDTR_BASE, L.GDTR_LIMIT] : [L.IDTR_BASE, L.IDTR_LIMIT];
      view.setBigUint64(cpu + base, value.base, true);
      view.setUint32(cpu + limit, value.limit, true);
    },
    fxState: () => readFxState(view, cpu),
    setFxState: (image) => writeFxState(view, cpu, image),
    msr(index) {
      const at = msrField(index);
      if (at !== undefined) return view.getBigUint64(cpu + at, true);
      return engine.msrGet(cpu, index) ? view.getBigUint64(cpu + L.EXIT_ARG, true) : undefined;
    },
    setMsr(index, value) {
      const at = msrField(index);
      if (at === undefined) return engine.msrPut(cpu, index, BigInt.asUintN(64, value)) !== 0;
      view.setBigUint64(cpu + at, value, true);
      if (at === L.EFER) pagingChanged();
      return true;
    },
  };
}

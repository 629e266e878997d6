// Architectural state as one row of 64-bit fields, so that two rows are compared without making an object for each register.
import type { ControlRegister, DebugRegister, GeneralRegister, SegmentName, Vcpu } from "@paravane/paravirt-ops";

export const GENERAL: readonly GeneralRegister[] = [
  "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
]; // biome-ignore format: one line reads better
export const SEGMENTS: readonly SegmentName[] = ["es", "cs", "ss", "ds", "fs", "gs", "ldtr", "tr"];
const CONTROL: readonly ControlRegister[] = ["cr0", "cr2", "cr3", "cr4", "efer"];
const DEBUG: readonly DebugRegister[] = ["dr0", "dr1", "dr2", "dr3", "dr6", "dr7"];
const PARTS = ["selector", "base", "limit", "access"] as const;

/** Names of the fields, in the order in which they lie in a row. */
export const FIELDS: readonly string[] = [
  ...GENERAL,
  "rip",
  "rflags",
  ...SEGMENTS.flatMap((segment) => PARTS.map((part) => (part === "selector" ? segment : `${segment}.${part}`))),
  "gdtr.base",
  "gdtr.limit",
  "idtr.base",
  "idtr.limit",
  ...CONTROL,
  ...DEBUG,
];
const INDEX = new Map(FIELDS.map((name, at) => [name, at]));

/** Where a field lies. */
export function fieldIndex(name: string): number {
  const at = INDEX.get(name);
  if (at === undefined) throw new Error(`no field ${name}`);
  return at;
}

const SEGMENT_AT = fieldIndex("es");
const TABLES_AT = fieldIndex("gdtr.base");
const CONTROL_AT = fieldIndex("cr0");
const DEBUG_AT = fieldIndex("dr0");
const RIP = fieldIndex("rip");
const RFLAGS = fieldIndex("rflags");
const CR0 = fieldIndex("cr0");
const EFER = fieldIndex("efer");
const CS_ACCESS = fieldIndex("cs.access");

/** One moment of a processor. */
export class State {
  readonly fields = new BigUint64Array(FIELDS.length);
  readonly words = new Uint32Array(this.fields.buffer);
  /** x87 and SSE as FXSAVE64 has them; undefined when they were not read. */
  fx: Uint8Array | undefined;

  get(name: string): bigint {
    return this.fields[fieldIndex(name)]!;
  }

  set(name: string, value: bigint): void {
    this.fields[fieldIndex(name)] = value;
  }

  get rip(): bigint {
    return this.fields[RIP]!;
  }

  get rflags(): number {
    return this.words[RFLAGS * 2]!;
  }

  get protectedMode(): boolean {
    return (this.words[CR0 * 2]! & 1) !== 0 && (this.words[RFLAGS * 2]! & 0x20000) === 0;
  }

  get longMode(): boolean {
    return (this.words[EFER * 2]! & 0x400) !== 0;
  }

  /** Width of the code that runs. */
  get bits(): 16 | 32 | 64 {
    const access = this.words[CS_ACCESS * 2]!;
    if (this.longMode && (access & 0x2000) !== 0) return 64;
    return (access & 0x4000) !== 0 && this.protectedMode ? 32 : (access & 0x4000) !== 0 && (this.rflags & 0x20000) === 0 ? 32 : 16;
  }

  /** Linear address of the next instruction. */
  get linearRip(): bigint {
    return this.bits === 64 ? this.rip : BigInt.asUintN(32, this.rip + this.get("cs.base"));
  }

  copy(): State {
    const copy = new State();
    copy.fields.set(this.fields);
    copy.fx = this.fx;
    return copy;
  }
}

/** Reads a vCPU's state; x87 and SSE on request. */
export function stateOf({ registers }: Vcpu, withFx = false): State {
  const state = new State();
  const { fields } = state;
  for (let i = 0; i < GENERAL.length; i++) fields[i] = registers.get(GENERAL[i]!);
  fields[RIP] = registers.get("rip");
  fields[RFLAGS] = registers.get("rflags");
  for (let i = 0; i < SEGMENTS.length; i++) {
    const segment = registers.segment(SEGMENTS[i]!);
    const at = SEGMENT_AT + i * PARTS.length;
    fields[at] = BigInt(segment.selector);
    fields[at + 1] = segment.base;
    fields[at + 2] = BigInt(segment.limit);
    fields[at + 3] = BigInt(segment.access);
  }
  for (const [i, name] of (["gdtr", "idtr"] as const).entries()) {
    const table = registers.table(name);
    fields[TABLES_AT + i * 2] = table.base;
    fields[TABLES_AT + i * 2 + 1] = BigInt(table.limit);
  }
  for (let i = 0; i < CONTROL.length; i++) fields[CONTROL_AT + i] = registers.get(CONTROL[i]!);
  for (let i = 0; i < DEBUG.length; i++) fields[DEBUG_AT + i] = registers.get(DEBUG[i]!);
  if (withFx) state.fx = registers.fxState();
  return state;
}

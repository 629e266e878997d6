// Where two states differ in what the architecture defines: upper halves outside 64-bit mode, hidden parts of unusable segments and the like
// do not count. What one of the two is known to do otherwise is not decided here but in rules.ts.
import { FIELDS, fieldIndex, type State } from "./state.js";

/** One field that differs; values are whole, `bits` says where. */
export interface Difference {
  readonly field: string;
  readonly ours: bigint;
  readonly theirs: bigint;
  /** Ones where they differ and it counts. */
  readonly bits: bigint;
}

const ALL = 0xffff_ffff_ffff_ffffn;
const LOW = 0xffff_ffffn;
const HIGH_GENERAL = new Set(["r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"]);
const SEGMENT = /^(es|cs|ss|ds|fs|gs|ldtr|tr)(?:\.(base|limit|access))?$/;

/** Bits of a field that have a meaning in this state. */
function significant(field: string, state: State): bigint {
  const { bits } = state;
  if (HIGH_GENERAL.has(field)) return bits === 64 ? ALL : 0n;
  const segment = SEGMENT.exec(field);
  if (segment === null) return bits === 64 || field.includes(".") || field.startsWith("cr") || field.startsWith("dr") ? ALL : LOW;
  const [, name = "", part] = segment;
  if (part === undefined) return 0xffffn;
  const inLong = (name === "fs" || name === "gs") && state.longMode;
  if (part === "base" && inLong) return ALL;
  const system = name === "ldtr" || name === "tr";
  const isNull = (state.get(name) & 0xfffcn) === 0n;
  if (isNull && (state.protectedMode || system)) return 0n;
  if (!state.protectedMode && !system) return part === "base" ? LOW : 0n;
  if (bits === 64 && !system && part !== "access") return 0n;
  return part === "base" && system && state.longMode ? ALL : LOW;
}

/** Differences of the registers; empty when there are none that count. */
export function differences(ours: State, theirs: State): Difference[] {
  const a = ours.words;
  const b = theirs.words;
  let found: Difference[] | undefined;
  for (let i = 0; i < a.length; i += 2) {
    if (a[i] === b[i] && a[i + 1] === b[i + 1]) continue;
    const at = i >> 1;
    const field = FIELDS[at]!;
    const bits = (ours.fields[at]! ^ theirs.fields[at]!) & significant(field, ours);
    if (bits === 0n) continue;
    found ??= [];
    found.push({ field, ours: ours.fields[at]!, theirs: theirs.fields[at]!, bits });
  }
  return found ?? [];
}

/** Parts of an FXSAVE64 image that are compared: name, offset, bytes. Pointers and the last opcode are not. */
const FX_PARTS: readonly (readonly [name: string, offset: number, bytes: number])[] = [
  ["fcw", 0, 2],
  ["fsw", 2, 2],
  ["ftw", 4, 1],
  ["mxcsr", 24, 4],
  ...Array.from({ length: 8 }, (_, i) => [`st${i}`, 32 + i * 16, 10] as const),
  ...Array.from({ length: 16 }, (_, i) => [`xmm${i}`, 160 + i * 16, 16] as const),
];

function little(image: Uint8Array, offset: number, bytes: number): bigint {
  let value = 0n;
  for (let i = bytes - 1; i >= 0; i--) value = (value << 8n) | BigInt(image[offset + i]!);
  return value;
}

/** Differences of x87 and SSE state; empty unless both states have it. */
export function fxDifferences(ours: State, theirs: State): Difference[] {
  const { fx } = ours;
  if (fx === undefined || theirs.fx === undefined) return [];
  const found: Difference[] = [];
  const registers = ours.bits === 64 ? 16 : 8;
  for (const [field, offset, bytes] of FX_PARTS) {
    if (field.startsWith("xmm") && Number(field.slice(3)) >= registers) continue;
    const mine = little(fx, offset, bytes);
    const other = little(theirs.fx, offset, bytes);
    if (mine !== other) found.push({ field, ours: mine, theirs: other, bits: mine ^ other });
  }
  return found;
}

/** One field of an FXSAVE64 image. */
export function fxField(image: Uint8Array, field: string): bigint {
  const part = FX_PARTS.find(([name]) => name === field);
  if (part === undefined) throw new Error(`no field ${field}`);
  return little(image, part[1], part[2]);
}

/** True for a field of the FXSAVE64 image. */
export const isFxField = (field: string): boolean => FX_PARTS.some(([name]) => name === field);

/** A copy of `state` with some bits of its fields taken from `other`. */
export function withBits(state: State, other: State, changes: readonly Difference[]): State {
  const copy = state.copy();
  for (const { field, bits } of changes) {
    if (isFxField(field)) continue;
    const at = fieldIndex(field);
    copy.fields[at] = (copy.fields[at]! & ~bits) | (other.fields[at]! & bits);
  }
  return copy;
}

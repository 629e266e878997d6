/** What is said when a unit and the interpreter differ. */
import { disassemble } from "../disasm.js";
import * as L from "../layout.js";
import { type Row, State } from "./state.js";

/** A unit, for people. */
export interface UnitText {
  readonly blocks: readonly { readonly header: number; readonly delta: number }[];
  readonly instructions: number;
}

/** A byte of RAM by its physical address. */
export interface MemoryDifference {
  readonly address: number;
  readonly before: number;
  readonly translated: number;
  readonly interpreted: number;
}

export interface Difference {
  /** Where both still agreed. */
  readonly before: State;
  readonly translated: State;
  readonly interpreted: State;
  readonly memory: readonly MemoryDifference[];
  /** What differs beside registers and memory. */
  readonly otherwise: string | undefined;
}

/** Bytes of memory and blocks that are told. */
const MOST = 16;

const hex = (value: number | bigint): string => `0x${value.toString(16)}`;

export function differenceText(unit: UnitText, base: bigint, found: Difference, memory: Uint8Array, view: DataView): string {
  const { before, translated, interpreted } = found;
  const bits = before.word(L.MODE) & L.MODE_64 ? 64 : 32;
  const addressOf = (delta: number): bigint => BigInt.asUintN(bits, base + BigInt(delta));
  const rows: Row[] = State.differences([translated, interpreted, before]);
  for (const { address, ...bytes } of found.memory.slice(0, MOST))
    rows.push({
      name: `memory ${hex(address)}`,
      values: [bytes.translated, bytes.interpreted, bytes.before].map((b) => b.toString(16).padStart(2, "0")),
    });
  if (found.memory.length > MOST) rows.push({ name: `and ${found.memory.length - MOST} bytes more`, values: ["", "", ""] });
  const name = Math.max(...rows.map((row) => row.name.length), 6);
  const line = (first: string, values: readonly string[]): string =>
    `  ${first.padEnd(name)}  ${values
      .map((value) => value.padEnd(32))
      .join("  ")
      .trimEnd()}`;
  const block =
    unit.blocks.find(({ delta }) => addressOf(delta) === before.rip) ??
    unit.blocks.find(({ header, delta }) => contains(view, header, addressOf(delta), before.rip));
  return [
    `the translation at ${hex(addressOf(0))} (${unit.instructions} instructions in ${unit.blocks.length} blocks) and the interpreter differ: ` +
      `both were at ${hex(before.rip)} after ${before.retired} instructions, then ` +
      `the translation went to ${hex(translated.rip)} (${translated.retired}), the interpreter to ${hex(interpreted.rip)} (${interpreted.retired})`,
    ...(found.otherwise === undefined ? [] : [`  ${found.otherwise}`]),
    line("", ["translated", "interpreted", "before"]),
    ...rows.map((row) => line(row.name, row.values)),
    ...(block === undefined ? [] : ["the code from there:", ...listing(view, memory, block.header, addressOf(block.delta), bits)]),
    `the translation's blocks begin at ${unit.blocks
      .slice(0, MOST)
      .map(({ delta }) => hex(addressOf(delta)))
      .join(" ")}${unit.blocks.length > MOST ? " …" : ""}`,
  ].join("\n");
}

function contains(view: DataView, header: number, start: bigint, address: bigint): boolean {
  return address >= start && address < start + BigInt(view.getUint32(header + L.H_BYTES, true));
}

function listing(view: DataView, memory: Uint8Array, header: number, start: bigint, bits: 32 | 64): string[] {
  const host = view.getUint32(header + L.H_HOST, true);
  const bytes = view.getUint32(header + L.H_BYTES, true);
  const lines: string[] = [];
  for (let at = 0; at < bytes; ) {
    const address = BigInt.asUintN(bits, start + BigInt(at));
    const { length, text } = disassemble(memory.subarray(host + at, host + at + 15), bits, address);
    const code = [...memory.subarray(host + at, host + at + length)].map((byte) => byte.toString(16).padStart(2, "0"));
    lines.push(`  ${address.toString(16)}  ${code.join(" ").padEnd(30)}  ${text}`);
    at += length;
  }
  return lines;
}

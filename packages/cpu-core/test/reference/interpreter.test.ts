/**
 * The generated interpreter against the evaluator: every encoding of every instruction whose meaning is in the vocabulary, with every operand
 * size, in register and memory form, on all pairs of 8-bit operands or on boundary and seeded random values. Undefined flags count too: both
 * read one definition.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { OPERAND_SIZES, buildTable, type TableRow } from "../../src/interp/handlers.js";
import type { FamilyEntry } from "../../src/isa/define.js";
import { instructions } from "../../src/isa/index.js";
import { type Flag, RAX, RCX, RDX, RSP, type Width } from "../../src/isa/sem.js";
import * as L from "../../src/layout.js";
import { FLAG_BITS, STATUS } from "../../src/reference/flags.js";
import { boundaries, Random } from "../../src/reference/values.js";
import { Bench, HANDLERS, STACK0 } from "../system/bench.js";
import { assemble, encodable, type Form } from "./assemble.js";
import { execute, type Machine, type Placed, place } from "./frame.js";

const CODE = 0x20000,
  CODE_END = 0x60000,
  DATA = 0x100800;
const HLT = 0xf4;

/** Register assignments: plain, one register in all places, the implicit ones, upper ones, and the high bytes. */
const ASSIGNMENTS = [
  { rm: 3, reg: 7, vvvv: 6, rex: true },
  { rm: 5, reg: 5, vvvv: 5, rex: true },
  { rm: 0, reg: 2, vvvv: 1, rex: false },
  { rm: 2, reg: 0, vvvv: 3, rex: false },
  { rm: 9, reg: 12, vvvv: 14, rex: true },
  { rm: 7, reg: 5, vvvv: 0, rex: false },
] as const;
const CASES = 24;
const IMMEDIATES = [0n, 1n, 7n, 8n, 31n, 63n, 0x7fn, 0x80n, 0xffn, 0x7fffffffn, 0x80000000n, 0x8123456789abcdefn];
/** Counts beyond the masked range repeat what is below it. */
const COUNTS = [...Array(34).keys(), 63, 64, 65, 128, 160, 255].map(BigInt);

class Comparison {
  readonly random = new Random(3);
  readonly wrong: string[] = [];
  ran = 0;
  readonly #gpr: BigUint64Array;
  readonly #cpu = L.VCPU_BASE;
  #next = CODE;
  #at = CODE;
  constructor(readonly bench: Bench) {
    this.#gpr = new BigUint64Array(bench.view.buffer, L.VCPU_BASE + L.GPR, 16);
  }

  /** Puts an instruction where none was yet. */
  load(bytes: readonly number[]): void {
    if (this.#next + 32 > CODE_END) this.#next = CODE;
    this.#at = this.#next;
    this.bench.core.guestMemory.write(this.#at as never, Uint8Array.from([...bytes, HLT]));
    this.#next += 32;
  }

  check(entry: FamilyEntry, form: Form, placed: readonly Placed[], machine: Machine, name: () => string): void {
    const { bench } = this;
    const { view, core, vcpu } = bench;
    machine.state.gpr[RSP] = BigInt(STACK0);
    const address = DATA + bitDisplacement(placed, machine, form);
    this.#gpr.set(machine.state.gpr);
    vcpu.engine.setFlags(this.#cpu, machine.state.flags | 2);
    view.setBigUint64(this.#cpu + L.RIP, BigInt(this.#at), true);
    view.setUint32(this.#cpu + L.HALTED, 0, true);
    if (form.memory !== undefined) core.guestMemory.writeU64(address as never, machine.memory);
    vcpu.run(1);
    this.ran++;
    const rip = Number(view.getBigUint64(this.#cpu + L.RIP, true));
    const { after, evaluation } = execute(entry, placed, machine, form);
    const handler = rip - 1 - HANDLERS;
    const vector = handler >= 0 && handler < 0x1000 ? handler / 16 : undefined;
    let bad: string | undefined;
    if (vector !== evaluation.vector) bad = `exception ${vector}, not ${evaluation.vector}`;
    for (let i = 0; i < 16; i++)
      if (this.#gpr[i] !== after.state.gpr[i] && !(vector !== undefined && i === RSP))
        bad ??= `register ${i}: ${this.#gpr[i]!.toString(16)}, not ${after.state.gpr[i]!.toString(16)}`;
    const flags = vcpu.engine.getFlags(this.#cpu) & STATUS;
    if (vector === undefined && flags !== (after.state.flags & STATUS))
      bad ??= `flags ${flags.toString(16)}, not ${(after.state.flags & STATUS).toString(16)}`;
    if (form.memory !== undefined) {
      const value = core.guestMemory.readU64(address as never);
      if (value !== after.memory) bad ??= `memory ${value.toString(16)}, not ${after.memory.toString(16)}`;
    }
    if (bad !== undefined && this.wrong.length < 20) this.wrong.push(`${name()}: ${bad}`);
  }

  machine(): Machine {
    return {
      state: { gpr: Array.from({ length: 16 }, () => this.random.value(64)), flags: this.random.next() & STATUS },
      memory: this.random.value(64),
    };
  }
  /** A boundary value half of the time. */
  value(bits: Width): bigint {
    const special = boundaries(bits);
    return this.random.below(2) === 0 ? special[this.random.below(special.length)]! : this.random.value(bits);
  }
}

/** BT and its kin with a register index reach outside the operand. Keeps the index within the page, and says how far it leads. */
function bitDisplacement(placed: readonly Placed[], machine: Machine, form: Form): number {
  const [first, index] = placed;
  if (form.memory === undefined || !bitString.has(placed) || first === undefined || index?.location.kind !== "gpr") return 0;
  const { register } = index.location;
  const position = BigInt.asIntN(12, machine.state.gpr[register]!);
  machine.state.gpr[register] = BigInt.asUintN(64, position);
  return (Number(position) >> Math.log2(first.width)) * (first.width / 8);
}
const bitString = new WeakSet<readonly Placed[]>();

/** Writes `value` where operand `location` will be read. */
function put(machine: Machine, { location, width }: Placed, value: bigint): void {
  if (location.kind === "memory") machine.memory = (machine.memory & ~((1n << BigInt(width)) - 1n)) | value;
  if (location.kind !== "gpr") return;
  const { gpr } = machine.state;
  const shift = location.high ? 8n : 0n;
  const mask = ((1n << BigInt(width)) - 1n) << shift;
  gpr[location.register] = BigInt.asUintN(64, (gpr[location.register]! & ~mask) | (value << shift));
}

const families = buildTable(instructions).rows.filter((row): row is TableRow & { entry: FamilyEntry } => row.entry.type === "family");
const hex = (bytes: readonly number[]): string => bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
const sizes = (row: TableRow): readonly (16 | 32 | 64)[] =>
  row.operands.some(({ width }) => typeof width === "string") ? OPERAND_SIZES : row.operands.length === 0 ? [32] : [32, 64];

/** Register and memory forms that a row has, in one mode. */
function* forms(row: TableRow, bits: 32 | 64): Generator<Form> {
  const absolute = row.operands.some(({ place: where }) => where === "offset");
  const hasRm = row.operands.some(({ place: where }) => where === "rm");
  for (const opsize of sizes(row)) {
    if (!encodable(row, { bits, opsize })) continue;
    const immediates = row.operands.some(({ place: where }) => where === "imm") ? IMMEDIATES.map((n) => [n]) : [[]];
    for (const given of immediates) {
      if (absolute || (hasRm && row.pattern.mod !== "reg")) yield { bits, opsize, ...ASSIGNMENTS[0], memory: DATA, immediates: given };
      if (absolute || row.pattern.mod === "mem") continue;
      const usesRegister = hasRm || row.operands.some(({ place: where }) => where === "reg" || where === "opcode" || where === "vex");
      for (const assignment of usesRegister ? ASSIGNMENTS : ASSIGNMENTS.slice(0, 1)) {
        if (row.pattern.opcode === 0x90 && assignment.rm === 0) continue; // NOP
        if (bits === 32 && (assignment.rm > 7 || (assignment.rex && assignment.rm !== 3))) continue;
        yield { bits, opsize, ...assignment, rex: assignment.rex && bits === 64, memory: undefined, immediates: given };
      }
    }
  }
}

function compareRow(c: Comparison, row: TableRow & { entry: FamilyEntry }, bits: 32 | 64): void {
  for (const form of forms(row, bits)) {
    const bytes = assemble(row, form);
    c.load(bytes);
    const placed = place(row, form);
    if (row.operands.some((operand) => operand.bitString)) bitString.add(placed);
    for (let i = 0; i < CASES; i++) {
      const machine = c.machine();
      // Implicit operands first, so that named ones win.
      for (const register of [RAX, RCX, RDX]) machine.state.gpr[register] = c.value(64);
      for (const operand of placed) put(machine, operand, c.value(operand.width));
      const { gpr } = machine.state;
      if (bits === 32) for (let r = 0; r < 16; r++) gpr[r] = r < 8 ? gpr[r]! & 0xffffffffn : 0n;
      c.check(
        row.entry,
        form,
        placed,
        machine,
        () => `${row.entry.mnemonic} ${row.spec.join(" ")} ${hex(bytes)} with ${gpr.map((value) => value.toString(16)).join(" ")}`,
      );
    }
  }
}

let comparison: Comparison;
beforeAll(async () => {
  comparison = new Comparison(await Bench.create());
});

describe("the interpreter and the evaluator agree", () => {
  for (const bits of [64, 32] as const) {
    it(`on every encoding in ${bits}-bit code`, { timeout: 60_000 }, () => {
      comparison.bench.start(bits === 64 ? "long" : "protected");
      comparison.wrong.length = 0;
      // In 32-bit code only what 64-bit code does not have; the rest shares its handlers.
      for (const row of families) if (bits === 64 || row.pattern.invalidIn64) compareRow(comparison, row, bits);
      expect(comparison.wrong).toEqual([]);
    });
  }

  it("on all pairs of 8-bit operands", { timeout: 120_000 }, () => {
    comparison.bench.start("long");
    comparison.wrong.length = 0;
    for (const row of families) {
      const [first, second, third] = row.operands;
      if (first?.width !== 8 || second?.width !== 8 || third !== undefined || row.pattern.mod === "mem" || second.place === "imm") continue;
      if (first.place !== "rm" || !row.entry.roles[0]!.includes("r")) continue;
      comparePairs(comparison, row, second.place === "fixed" ? COUNTS : BYTES);
    }
    expect(comparison.wrong).toEqual([]);
  });

  it("on every AL and every byte that multiplies or divides it", { timeout: 60_000 }, () => {
    comparison.bench.start("long");
    comparison.wrong.length = 0;
    for (const row of families) {
      if (!["MUL", "IMUL", "DIV", "IDIV"].includes(row.entry.mnemonic) || row.operands.length !== 1 || row.operands[0]!.width !== 8)
        continue;
      const form: Form = { bits: 64, opsize: 32, ...ASSIGNMENTS[0], memory: undefined, immediates: [] };
      comparison.load(assemble(row, form));
      const placed = place(row, form);
      for (const x of BYTES)
        for (const y of BYTES) {
          const machine: Machine = { state: { gpr: new Array<bigint>(16).fill(0n), flags: 0 }, memory: 0n };
          machine.state.gpr[RAX] = x | (((x * 7n + y) % (y + 1n)) << 8n);
          put(machine, placed[0]!, y);
          comparison.check(
            row.entry,
            form,
            placed,
            machine,
            () => `${row.entry.mnemonic} AX=${machine.state.gpr[RAX]!.toString(16)} by ${y.toString(16)}`,
          );
        }
    }
    expect(comparison.wrong).toEqual([]);
  });

  it("on every byte and base of AAM and AAD, and every AX of the other adjustments", { timeout: 60_000 }, () => {
    comparison.bench.start("protected");
    comparison.wrong.length = 0;
    for (const row of families) {
      if (!/^(AA|DA)/.test(row.entry.mnemonic)) continue;
      const based = row.operands.length > 0;
      for (const base of based ? BYTES : [0n]) {
        const form: Form = { bits: 32, opsize: 32, ...ASSIGNMENTS[0], rex: false, memory: undefined, immediates: [base] };
        comparison.load(assemble(row, form));
        const placed = place(row, form);
        for (let ax = 0; ax < 0x10000; ax += based ? 0x111 : 7)
          for (const flags of based ? [0] : [0, FLAG_BITS.CF, FLAG_BITS.AF, FLAG_BITS.CF | FLAG_BITS.AF]) {
            const machine: Machine = { state: { gpr: new Array<bigint>(16).fill(0n), flags }, memory: 0n };
            machine.state.gpr[RAX] = BigInt(ax);
            comparison.check(
              row.entry,
              form,
              placed,
              machine,
              () => `${row.entry.mnemonic} ${base} AX=${ax.toString(16)} flags ${flags.toString(16)}`,
            );
          }
      }
    }
    expect(comparison.wrong).toEqual([]);
  });

  it("on many cases", () => {
    expect(comparison.ran).toBeGreaterThan(1_000_000);
  });
});

const BYTES = Array.from({ length: 256 }, (_, i) => BigInt(i));

/** All pairs, with all values of the flags that the meaning reads. */
function comparePairs(c: Comparison, row: TableRow & { entry: FamilyEntry }, seconds: readonly bigint[]): void {
  const assignment = ASSIGNMENTS[0];
  const form: Form = { bits: 64, opsize: 32, ...assignment, memory: undefined, immediates: [] };
  c.load(assemble(row, form));
  const placed = place(row, form);
  const probe = execute(row.entry, placed, c.machine(), form).evaluation.flagsRead;
  for (const flags of combinations(probe)) {
    const machine: Machine = { state: { gpr: new Array<bigint>(16).fill(0n), flags }, memory: 0n };
    for (const x of BYTES)
      for (const y of seconds) {
        put(machine, placed[0]!, x);
        put(machine, placed[1]!, y);
        machine.state.gpr[RAX] = y ^ 0x55n;
        c.check(
          row.entry,
          form,
          placed,
          machine,
          () => `${row.entry.mnemonic} ${row.spec.join(" ")} ${x.toString(16)} ${y.toString(16)} flags ${flags.toString(16)}`,
        );
      }
  }
}

function combinations(flags: ReadonlySet<Flag>): number[] {
  const all = [0];
  for (const flag of flags) all.push(...all.map((value) => value | FLAG_BITS[flag]));
  return all;
}

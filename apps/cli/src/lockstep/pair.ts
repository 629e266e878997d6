// Two processors in the same state, and the ways to move both on: one instruction with everything compared, or a stretch that QEMU logs.
// What comes from outside the processor is not executed by the other one: it takes our registers and the memory that was written.
import { type Disassembled, disassemble, type MemoryOperand } from "@paravane/cpu-core/disasm";
import { type Difference, differences, fxDifferences, fxField, isFxField } from "./compare.js";
import type { GdbAddress } from "./gdb-client.js";
import type { Halt, OurMachine } from "./our-machine.js";
import type { Qemu } from "./qemu.js";
import { type Executed, FROM_OUTSIDE, judge, type Rule, WRITTEN_ON_BOTH } from "./rules.js";
import { GENERAL, type State, stateOf } from "./state.js";
import { transplant } from "./transplant.js";
import { readLinear, translate } from "./walk.js";

/** A difference that no rule explains. */
export interface Finding {
  /** Instructions that our machine had retired before this one. */
  readonly count: number;
  readonly instruction: Disassembled;
  readonly bytes: Uint8Array;
  readonly before: State;
  readonly ours: State;
  readonly theirs: State;
  readonly registers: readonly Difference[];
  readonly memory: readonly MemoryDifference[];
}

/** Eight bytes of RAM that differ. */
export interface MemoryDifference {
  readonly physical: number;
  readonly ours: bigint;
  readonly theirs: bigint;
}

/** How a move ended: both went on, they differ, or our guest is over. */
export type Moved =
  | { readonly kind: "moved" }
  | { readonly kind: "differs"; readonly finding: Finding }
  | (Halt & { readonly kind: "ended" });

/** Counters of what was and was not compared. */
export interface PairCounters {
  compared: number;
  /** Results taken over, by reason. */
  readonly outside: Map<string, number>;
  /** Differences that rules explain, by name. */
  readonly excused: Map<string, number>;
  /** Times the whole state had to be put into the other machine again. */
  resyncs: number;
}

/** New counters, all zero. */
export const newCounters = (): PairCounters => ({ compared: 0, outside: new Map(), excused: new Map(), resyncs: 0 });

const INSTRUCTION_BYTES = 15;
const STACK_BYTES = 512;
const MAX_STRING_BYTES = 1 << 20;
const STEPS_OF_A_REPEAT = 64n;
const LONG_REPEAT = 2000n;
/** The largest memory operand: an XSAVE area. */
const OPERAND_BYTES = 576;
/** Below the stack pointer: what a handler's first instruction may have popped. */
const POPPED_BYTES = 16n;
const SELECTORS = ["cs", "ss", "ds", "es", "fs", "gs"] as const;
const bump = (map: Map<string, number>, key: string): void => void map.set(key, (map.get(key) ?? 0) + 1);

/** Fields that the port writes without side effects. */
const PLAIN: ReadonlySet<string> = new Set([...GENERAL, "rip", "rflags"]);
const SEGMENT_NAMES = ["es", "cs", "ss", "ds", "fs", "gs"] as const;

/** Where a memory operand was before its instruction. */
function linearAddress(state: State, operand: MemoryOperand): bigint {
  const { base, index, scale, displacement, bits, segment } = operand;
  const part = (number: number | undefined): bigint => (number === undefined ? 0n : state.get(GENERAL[number]!));
  const offset = BigInt.asUintN(bits, part(base) + (part(index) << BigInt(scale)) + displacement);
  const name = SEGMENT_NAMES[segment]!;
  const flat = state.bits === 64 && name !== "fs" && name !== "gs";
  return BigInt.asUintN(state.bits === 64 ? 64 : 32, offset + (flat ? 0n : state.get(`${name}.base`)));
}

/** The two of them. */
export class Pair {
  /** Physical addresses of 8 bytes that are compared after each instruction. */
  watched: readonly number[] = [];

  private constructor(
    readonly ours: OurMachine,
    private qemu: Qemu,
    private readonly where: GdbAddress | { readonly trace: boolean },
    private readonly rules: readonly Rule[],
    private readonly ignoredBits: readonly bigint[],
    readonly counters: PairCounters,
  ) {}

  /** Puts our present state into the other machine. */
  static async join(
    ours: OurMachine,
    where: GdbAddress | { readonly trace: boolean },
    rules: readonly Rule[],
    ignoredBits: readonly bigint[],
    counters: PairCounters,
  ): Promise<Pair> {
    const pair = new Pair(ours, await transplant(ours.vcpu, ours.memory, where), where, rules, ignoredBits, counters);
    try {
      await pair.#verify();
    } catch (error) {
      await pair.qemu.close();
      throw error;
    }
    return pair;
  }

  /** Lets go of the other machine; ours stays. */
  close(): Promise<void> {
    return this.qemu.close();
  }

  get other(): Qemu {
    return this.qemu;
  }

  /** The instruction at a state's RIP. */
  instructionAt(state: State): { instruction: Disassembled; bytes: Uint8Array } {
    const bytes = readLinear(this.ours.memory, state, state.linearRip, INSTRUCTION_BYTES);
    return { instruction: disassemble(bytes, state.bits, state.rip), bytes };
  }

  /** One instruction on both. `perturb` changes the other machine's state before the comparison, if there is one. */
  async stepOne(perturb?: (qemu: Qemu) => Promise<void>): Promise<Moved> {
    const { ours } = this;
    const count = ours.count;
    const before = stateOf(ours.vcpu, true);
    const { instruction, bytes } = this.instructionAt(before);
    const halt = await ours.step(
      () => true,
      () => false,
    );
    if (halt.kind === "ended") return halt;
    const after = stateOf(ours.vcpu, true);
    const reason = this.outsideReason(instruction, before);
    if (reason !== undefined) {
      await this.adopt(before, after, reason);
      return { kind: "moved" };
    }
    const executed: Executed = { instruction, before };
    let theirs = await this.#stepOther(instruction, before, after);
    if (perturb) {
      await perturb(this.qemu);
      theirs = await this.qemu.state();
    }
    let verdict = this.#judge(after, theirs, executed);
    if (verdict.left.some(({ field }) => field === "rip")) {
      // Our step goes through an exception's delivery to the handler's first instruction; theirs stops in between.
      const further = await this.#stepAgain();
      const second = this.#judge(after, further, executed);
      if (second.left.length === 0) {
        verdict = second;
        theirs = further;
      }
    }
    const memory = await this.differences([...new Set([...this.watched, ...this.#cellsOf(instruction, before, after)])]);
    this.counters.compared++;
    for (const name of verdict.used) bump(this.counters.excused, name);
    if (verdict.left.length > 0 || memory.length > 0) {
      return { kind: "differs", finding: { count, instruction, bytes, before, ours: after, theirs, registers: verdict.left, memory } };
    }
    if (verdict.excused.length > 0) await this.#takeOver(after, verdict.excused);
    return { kind: "moved" };
  }

  /** Cells that the instruction may have written: its memory operand, and the top of the stack. */
  #cellsOf({ memory }: Disassembled, before: State, after: State): number[] {
    const cells: number[] = [];
    const add = (state: State, linear: bigint, count: bigint): void => {
      for (let i = 0n; i < count; i++) {
        const physical = translate(this.ours.memory, state, BigInt.asUintN(state.bits === 64 ? 64 : 32, linear + 8n * i));
        if (physical === undefined) continue;
        const cell = physical - (physical % 8);
        if (this.ours.memory.contains(cell, 8)) cells.push(cell);
      }
    };
    if (memory !== undefined) add(before, linearAddress(before, memory), 3n);
    if (after.get("rsp") !== before.get("rsp"))
      add(after, after.get("rsp") - POPPED_BYTES + (after.bits === 64 ? 0n : after.get("ss.base")), 9n);
    return cells;
  }

  /** Why the other machine does not execute what ours just did, or undefined. */
  outsideReason(instruction: Disassembled, before: State): string | undefined {
    const { interrupt, touched, written } = this.ours.outside;
    if (interrupt !== undefined) return `interrupt ${interrupt}`;
    if (instruction.mnemonic === "WRMSR") {
      return WRITTEN_ON_BOTH.has(Number(before.get("rcx") & 0xffffffffn)) ? undefined : "the processors' MSRs differ";
    }
    if (touched !== undefined) return touched;
    if (written.length > 0) return "a device wrote to memory";
    return FROM_OUTSIDE[instruction.mnemonic];
  }

  #judge(ours: State, theirs: State, executed: Executed) {
    return judge([...differences(ours, theirs), ...fxDifferences(ours, theirs)], executed, this.rules);
  }

  async #stepOther(instruction: Disassembled, before: State, after: State): Promise<State> {
    const { qemu } = this;
    await qemu.gdb.step();
    let theirs = await qemu.state();
    if (!instruction.repeated) return theirs;
    // Theirs stops after each iteration, ours after many.
    while (theirs.rip === before.rip && differences(after, theirs).length > 0) {
      if (after.rip !== before.rip && theirs.get("rcx") - after.get("rcx") > STEPS_OF_A_REPEAT) await qemu.runTo(after.linearRip);
      else {
        const rcx = theirs.get("rcx");
        await qemu.gdb.step();
        theirs = await qemu.state();
        if (theirs.get("rcx") === rcx) break;
        continue;
      }
      theirs = await qemu.state();
      break;
    }
    return theirs;
  }

  /** True in front of a string instruction that QEMU would log thousands of times. */
  atLongRepeat(): boolean {
    const { registers } = this.ours.vcpu;
    if (registers.get("rcx") < LONG_REPEAT) return false;
    const state = stateOf(this.ours.vcpu);
    return this.instructionAt(state).instruction.repeated;
  }

  /** All iterations of the repeated instruction at hand, on both. */
  async passRepeat(): Promise<Moved> {
    const { ours } = this;
    const count = ours.count;
    const before = stateOf(ours.vcpu, true);
    const { instruction, bytes } = this.instructionAt(before);
    let reason: string | undefined;
    while (reason === undefined && ours.vcpu.registers.get("rip") === before.rip) {
      const halt = await ours.step(
        () => true,
        () => false,
      );
      if (halt.kind === "ended") return halt;
      reason = this.outsideReason(instruction, before);
    }
    if (reason !== undefined) {
      bump(this.counters.outside, reason.startsWith("interrupt") ? "hardware interrupt" : reason);
      ours.outside.written.length = 0;
      await this.startOver();
      return { kind: "moved" };
    }
    const after = stateOf(ours.vcpu, true);
    await this.qemu.runTo(after.linearRip);
    const theirs = await this.qemu.state();
    const { left, used } = this.#judge(after, theirs, { instruction, before });
    this.counters.compared++;
    for (const name of used) bump(this.counters.excused, name);
    if (left.length === 0) return { kind: "moved" };
    return { kind: "differs", finding: { count, instruction, bytes, before, ours: after, theirs, registers: left, memory: [] } };
  }

  async #stepAgain(): Promise<State> {
    await this.qemu.gdb.step();
    return this.qemu.state();
  }

  /** The other machine takes our result of something that came from outside. */
  async adopt(before: State, after: State, reason: string): Promise<void> {
    bump(this.counters.outside, reason.startsWith("interrupt") ? "hardware interrupt" : reason);
    const { outside } = this.ours;
    for (const { from, to } of outside.written) await this.#copyRam(from, to - from);
    outside.written.length = 0;
    const changed = differences(after, before);
    const { memory } = this.instructionAt(before).instruction;
    if (memory !== undefined) await this.#copyLinear(before, linearAddress(before, memory), OPERAND_BYTES);
    if (changed.length === 0) return;
    if (changed.some(({ field }) => field === "rsp" || field === "cs"))
      await this.#copyLinear(after, after.get("rsp") + (after.bits === 64 ? 0n : after.get("ss.base")), STACK_BYTES);
    if (changed.some(({ field }) => field === "rdi")) {
      const [low, high] = [before.get("rdi"), after.get("rdi")].sort((a, b) => (a < b ? -1 : 1)) as [bigint, bigint];
      const length = Number(high - low) + 16;
      const base = after.bits === 64 ? 0n : after.get("es.base");
      if (length <= MAX_STRING_BYTES) await this.#copyLinear(after, low + base - 8n, length);
    }
    await this.#takeOver(after, changed);
  }

  /** Writes the fields named in `changes` from our state; starts over where the port cannot. */
  async #takeOver(state: State, changes: readonly Difference[]): Promise<void> {
    const { gdb } = this.qemu;
    const fields = new Set(changes.map(({ field }) => field));
    if (fields.has("rflags")) await gdb.writeRegister("eflags", BigInt(state.rflags));
    for (const name of SELECTORS) if (fields.has(name)) await gdb.writeRegister(name, state.get(name));
    for (const name of ["fs", "gs"] as const) {
      if (fields.has(name) || fields.has(`${name}.base`)) await gdb.writeRegister(`${name}_base`, state.get(`${name}.base`));
    }
    if (fields.has("cr2")) await gdb.writeRegister("cr2", state.get("cr2"));
    for (const name of GENERAL) if (fields.has(name)) await gdb.writeRegister(name, state.get(name));
    if (fields.has("rip")) await gdb.writeRegister("rip", state.rip);
    for (const field of fields) {
      if (!isFxField(field) || state.fx === undefined) continue;
      const name = field === "fcw" ? "fctrl" : field;
      if (gdb.registers.has(name)) await gdb.writeRegister(name, fxField(state.fx, field));
    }
    // General registers go in as they are; anything else may not.
    if (![...fields].every((field) => PLAIN.has(field))) await this.#verify();
  }

  /** Checks that both are equal up to what the rules ignore in any place; otherwise puts the whole state there anew. */
  async #verify(): Promise<void> {
    const state = stateOf(this.ours.vcpu, true);
    const { instruction } = this.instructionAt(state);
    const { left } = this.#judge(state, await this.qemu.state(), { instruction, before: state });
    if (left.length > 0) await this.startOver();
  }

  /** Puts our whole state into the other machine anew. */
  async startOver(): Promise<void> {
    await this.qemu.close();
    this.counters.resyncs++;
    this.qemu = await transplant(this.ours.vcpu, this.ours.memory, this.where);
  }

  async #copyLinear(state: State, linear: bigint, length: number): Promise<void> {
    for (let done = 0; done < length; ) {
      const at = BigInt.asUintN(state.bits === 64 ? 64 : 32, linear + BigInt(done));
      const size = Math.min(length - done, 0x1000 - Number(at & 0xfffn));
      const physical = translate(this.ours.memory, state, at);
      if (physical !== undefined && this.ours.memory.contains(physical, size)) await this.#copyRam(physical, size);
      done += size;
    }
  }

  async #copyRam(at: number, length: number): Promise<void> {
    if (!this.ours.memory.contains(at, length)) return;
    const mine = this.ours.memory.view(at, length);
    const theirs = Buffer.alloc(length);
    await this.qemu.readRam(at, theirs);
    if (theirs.compare(mine) !== 0) await this.qemu.writeRam(at, mine.slice());
  }

  /** Writes our 8 bytes at a physical address into the other machine. */
  copyCell(physical: number): Promise<void> {
    return this.#copyRam(physical, 8);
  }

  /** Are the bits in which 8 bytes differ of those that may? */
  mayDiffer(bits: bigint): boolean {
    return this.ignoredBits.some((ignored) => (bits & ~ignored) === 0n);
  }

  /** Which of these cells of 8 bytes differ. */
  async differences(cells: readonly number[]): Promise<MemoryDifference[]> {
    const found: MemoryDifference[] = [];
    const cell = Buffer.alloc(8);
    for (const physical of cells) {
      await this.qemu.readRam(physical, cell);
      const ours = this.ours.memory.readU64(physical);
      const theirs = cell.readBigUInt64LE();
      if (ours === theirs) continue;
      if (this.mayDiffer(ours ^ theirs)) await this.copyCell(physical);
      else found.push({ physical, ours, theirs });
    }
    return found;
  }
}

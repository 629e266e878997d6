/**
 * `--engine verify`: what a unit does is done again by the interpreter, and both must agree. A second instance of the engine, and a second
 * compilation of each unit, note the stores that they make (log-stores.ts). Such a unit runs; its stores are taken back; the interpreter
 * of the second instance retires as many instructions from the same state; registers and the memory that either has written are compared.
 * Whatever units learn to do is covered, since they are written as they are for "jit", and all that is specific is around them.
 */
import { HvError } from "@paravane/paravirt-ops";
import { type EngineExports, type EngineImports, engineBytes, instantiateEngine } from "../engine.js";
import * as L from "../layout.js";
import { LOG_BYTES, type MemoryPlan } from "../memory-plan.js";
import { HostRecord } from "./host-record.js";
import { type StoreLog, logStores } from "./log-stores.js";
import { type Difference, type MemoryDifference, type UnitText, differenceText } from "./report.js";
import { State } from "./state.js";

/** Which runs of a unit are compared. */
export interface Sampling {
  /** The first so many runs of each unit. */
  readonly first: number;
  /** Then each so many-th. */
  readonly every: number;
}

/** Everything is compared. */
export const ALL_RUNS: Sampling = { first: 0, every: 1 };

/** A unit as the engine calls it. */
export type UnitFunction = (cpu: number, entry: number, base: bigint) => number;

/** What is verified together: one run ends after so many instructions at the latest, so that the notes of its stores have room. */
const MOST_INSTRUCTIONS = 512;
const EVERYWHERE = [0, 0xffffffff] as const;
const FLAG_WORDS = [L.FR, L.FR + 4, L.FV, L.FV + 4, L.FLAG_KIND] as const;

export interface VerifierOptions {
  /** LOG_BYTES larger than the plan. */
  readonly memory: WebAssembly.Memory;
  readonly plan: MemoryPlan;
  readonly ramBytes: number;
  readonly host: EngineImports;
  readonly sampling: Sampling | undefined;
}

/** One comparison: where the notes of the unit (from), of its results and of the interpreter's stores end. */
interface Attempt {
  readonly left: number;
  readonly ends: readonly [number, number, number];
}

/** The engine that notes its stores, for the place where the last machine's notes end. */
let compiled: { readonly end: number; readonly module: Promise<WebAssembly.Module> } | undefined;

export class Verifier {
  /** Where notes of stores go. */
  readonly #log: StoreLog & { readonly start: number };
  readonly #sampling: Sampling;
  readonly #view: DataView;
  readonly #words: Int32Array;
  readonly #record: HostRecord;
  readonly #ram: readonly [number, number];
  /** The flag words on entry, as they lay there. */
  readonly #flags = new Int32Array(FLAG_WORDS.length);
  readonly #before = new State();
  readonly #translated = new State();
  readonly #interpreted = new State();
  /** The engine that does everything else; notes are read by it, so that this leaves none. */
  #plain!: EngineExports;
  #noting!: EngineExports;
  #runs = 0;
  #compared = 0;

  constructor(readonly options: VerifierOptions) {
    const { memory, plan, ramBytes, host } = options;
    this.#log = { next: L.STORE_LOG_PTR, start: plan.memoryBytes, end: plan.memoryBytes + LOG_BYTES };
    this.#sampling = options.sampling ?? ALL_RUNS;
    this.#view = new DataView(memory.buffer);
    this.#words = new Int32Array(memory.buffer);
    this.#record = new HostRecord(this.#view, host);
    this.#ram = [plan.ramBase, plan.ramBase + ramBytes + plan.hypervisorFrames * 0x1000];
  }

  /** Makes the second instance, beside the machine's own. */
  async connect(plain: EngineExports): Promise<void> {
    this.#plain = plain;
    if (compiled?.end !== this.#log.end) compiled = { end: this.#log.end, module: WebAssembly.compile(this.noting(engineBytes())) };
    this.#noting = await instantiateEngine(this.options.memory, this.#record.imports(), compiled.module);
  }
  /** The instance whose stores are noted. */
  get engine(): EngineExports {
    return this.#noting;
  }
  /** A module of units, to be linked with `engine`. */
  noting(module: Uint8Array): Uint8Array<ArrayBuffer> {
    return logStores(module, this.#log);
  }
  /** See Core.stats. */
  get stats(): Readonly<Record<string, number>> {
    return { "verify.runs": this.#runs, "verify.compared": this.#compared, "verify.skipped": this.#runs - this.#compared };
  }

  /** What is to stand in the engine's table for a unit: `plain` is compiled for the machine's instance, `noting` for the other. */
  install(slot: number, unit: UnitText, plain: UnitFunction, noting: UnitFunction): UnitFunction {
    const { first, every } = this.#sampling;
    const { table } = this.#noting;
    if (table.length <= slot) table.grow(slot + 1 - table.length);
    table.set(slot, noting);
    let runs = 0;
    return exported((cpu, entry, base) => {
      const run = runs++;
      this.#runs++;
      if (run >= first && run % every !== 0) return plain(cpu, entry, base);
      this.#compared++;
      return this.#compare(unit, noting, cpu >>> 0, entry, base);
    });
  }

  #compare(unit: UnitText, noting: UnitFunction, cpu: number, entry: number, base: bigint): number {
    const view = this.#view;
    const limit = Math.min(Number(view.getBigInt64(cpu + L.COUNT, true)), MOST_INSTRUCTIONS);
    const restart = view.getUint32(cpu + L.RESTART, true);
    this.#record.begin();
    this.#takeEntry(cpu);
    const attempt = this.#attempt(noting, cpu, entry, base, limit);
    const memory = this.#memoryDiffers(attempt);
    if (memory || !this.#translated.equals(this.#interpreted) || this.#otherwise(attempt) !== undefined)
      this.#fail(unit, noting, cpu, entry, base, attempt);
    view.setUint32(cpu + L.SHADOW, this.#translated.word(L.SHADOW), true);
    // What a device asked for while the unit ran stays asked for.
    view.setUint32(cpu + L.RESTART, view.getUint32(cpu + L.RESTART, true) | restart | this.#translated.word(L.RESTART), true);
    return attempt.left;
  }

  /** Runs the unit and then the interpreter; memory is left as the interpreter leaves it. */
  #attempt(noting: UnitFunction, cpu: number, entry: number, base: bigint, limit: number): Attempt {
    const view = this.#view;
    const { start } = this.#log;
    const count = view.getBigInt64(cpu + L.COUNT, true);
    const spared = count - BigInt(limit);
    this.#spare(cpu, spared);
    view.setUint32(L.STORE_LOG_PTR, start, true);
    const left = noting(cpu, entry, base);
    this.#plain.settleFlags(cpu);
    const stored = view.getUint32(L.STORE_LOG_PTR, true);
    const retired = limit - Number(view.getBigInt64(cpu + L.COUNT, true));
    this.#translated.take(this.#words, cpu, this.#plain.getFlags(cpu), retired);
    const results = this.#plain.logCapture(start, stored, stored, ...this.#ram) >>> 0;
    this.#plain.logRestore(start, stored, ...EVERYWHERE);
    this.#giveFlags(cpu);
    this.#plain.settleFlags(cpu);
    view.setUint32(L.STORE_LOG_PTR, results, true);
    this.#record.replay();
    // An instruction that faults is not retired, but must be tried.
    const tried = this.#translated.word(L.FAULT) >= 0 ? retired + 1 : retired;
    if (tried > 0) this.#noting.runPlain(cpu, BigInt(tried));
    const done = limit - Number(view.getBigInt64(cpu + L.COUNT, true));
    this.#interpreted.take(this.#words, cpu, this.#plain.getFlags(cpu), done);
    this.#spare(cpu, -spared);
    return { left, ends: [stored, results, view.getUint32(L.STORE_LOG_PTR, true)] };
  }
  /** Notes the state before; flag words may be waiting there (FLAG_KIND), and the unit is to find them so. */
  #takeEntry(cpu: number): void {
    for (const [i, offset] of FLAG_WORDS.entries()) this.#flags[i] = this.#words[(cpu + offset) >>> 2]!;
    this.#plain.settleFlags(cpu);
    this.#before.take(this.#words, cpu, this.#plain.getFlags(cpu), 0);
    this.#giveFlags(cpu);
  }
  #giveFlags(cpu: number): void {
    for (const [i, offset] of FLAG_WORDS.entries()) this.#words[(cpu + offset) >>> 2] = this.#flags[i]!;
  }
  /** Takes `instructions` of the run away; what is retired stays right. */
  #spare(cpu: number, instructions: bigint): void {
    const view = this.#view;
    view.setBigInt64(cpu + L.COUNT, view.getBigInt64(cpu + L.COUNT, true) - instructions, true);
    view.setBigInt64(cpu + L.RETIRED, view.getBigInt64(cpu + L.RETIRED, true) - instructions, true);
  }
  /** After an attempt: to the state before it. */
  #takeBack({ ends }: Attempt, cpu: number, count: bigint, retired: bigint): void {
    this.#plain.logRestore(ends[1], ends[2], ...EVERYWHERE);
    this.#giveFlags(cpu);
    this.#view.setBigInt64(cpu + L.COUNT, count, true);
    this.#view.setBigInt64(cpu + L.RETIRED, retired, true);
  }

  /** A difference beside the state: calls of the host, and a way of leaving that hides what the run loop must see. */
  #otherwise({ left }: Attempt): string | undefined {
    if (this.#record.difference !== undefined) return this.#record.difference;
    if (left === L.UNIT_LOOK) return undefined;
    if (this.#translated.word(L.FAULT) >= 0) return "a fault is pending, and the translation left as if nothing were";
    const changed = this.#translated.word(L.MODE) !== this.#before.word(L.MODE);
    return changed ? "the mode is another one, and the translation left as if it were the same" : undefined;
  }

  /** Do the two differ in memory? Visits what either has written. */
  #memoryDiffers({ ends: [stored, results, end] }: Attempt): boolean {
    const plain = this.#plain;
    const { start } = this.#log;
    if (plain.logDiffers(stored, results) !== 0) return true;
    const own = plain.logCapture(results, end, end, ...this.#ram) >>> 0;
    if (own === end) return false;
    // Memory as the unit left it, for what only the interpreter has written; and back.
    plain.logRestore(results, end, ...this.#ram);
    plain.logRestore(stored, results, ...this.#ram);
    const differs = plain.logDiffers(end, own) !== 0;
    plain.logRestore(start, stored, ...this.#ram);
    plain.logRestore(end, own, ...this.#ram);
    return differs;
  }
  /** The same, byte by byte, for a report. */
  #memory({ ends: [stored, results, end] }: Attempt): MemoryDifference[] {
    const plain = this.#plain;
    const bytes = new Uint8Array(this.options.memory.buffer);
    const own = plain.logCapture(results, end, end, ...this.#ram) >>> 0;
    const places = new Set<number>();
    for (const [from, to] of [
      [stored, results],
      [end, own],
    ] as const)
      for (let at = to; at > from; ) {
        const size = this.#view.getUint32(at - 4, true);
        const address = this.#view.getUint32(at - 8, true);
        for (let n = 0; n < size; n++) places.add(address + n);
        at -= 8 + ((size + 7) & ~7);
      }
    const interpreted = new Map([...places].map((at) => [at, bytes[at]!]));
    plain.logRestore(results, end, ...this.#ram);
    const before = new Map([...places].map((at) => [at, bytes[at]!]));
    plain.logRestore(stored, results, ...this.#ram);
    const translated = new Map([...places].map((at) => [at, bytes[at]!]));
    plain.logRestore(this.#log.start, stored, ...this.#ram);
    plain.logRestore(end, own, ...this.#ram);
    return [...places]
      .filter((at) => interpreted.get(at) !== translated.get(at))
      .sort((a, b) => a - b)
      .map((at) => ({
        address: at - this.#ram[0],
        before: before.get(at)!,
        translated: translated.get(at)!,
        interpreted: interpreted.get(at)!,
      }));
  }

  /** Looks for the shortest run that shows a difference, and tells it. */
  #fail(unit: UnitText, noting: UnitFunction, cpu: number, entry: number, base: bigint, attempt: Attempt): never {
    const view = this.#view;
    const otherwise = this.#otherwise(attempt);
    const limit = this.#translated.retired;
    let last = attempt;
    let before = this.#before.copy();
    const count = view.getBigInt64(cpu + L.COUNT, true) + BigInt(this.#interpreted.retired);
    const retired = view.getBigInt64(cpu + L.RETIRED, true);
    if (this.#record.length === 0)
      for (let n = 1; n <= limit; n++) {
        this.#takeBack(last, cpu, count, retired);
        last = this.#attempt(noting, cpu, entry, base, n);
        if (this.#memoryDiffers(last) || !this.#translated.equals(this.#interpreted)) break;
        before = this.#interpreted.copy();
      }
    const difference: Difference = {
      before,
      translated: this.#translated,
      interpreted: this.#interpreted,
      memory: this.#memory(last),
      otherwise,
    };
    throw new HvError("core/verify", differenceText(unit, base, difference, new Uint8Array(this.options.memory.buffer), view));
  }
}

/** Verification for a machine whose engine is `plain`. */
export async function createVerifier(plain: EngineExports, options: VerifierOptions): Promise<Verifier> {
  const verifier = new Verifier(options);
  await verifier.connect(plain);
  return verifier;
}

/** A table takes functions of WebAssembly only: this one comes back from a module that imports and exports it. */
function exported(unit: UnitFunction): UnitFunction {
  return new WebAssembly.Instance(passing(), { m: { f: unit } }).exports["f"] as UnitFunction;
}

let passingModule: WebAssembly.Module | undefined;
/** (import "m" "f" (func (param i32 i32 i64) (result i32))) (export "f" (func 0)) */
function passing(): WebAssembly.Module {
  const type = [1, 8, 1, 0x60, 3, 0x7f, 0x7f, 0x7e, 1, 0x7f];
  const imported = [2, 7, 1, 1, 0x6d, 1, 0x66, 0, 0];
  const exports = [7, 5, 1, 1, 0x66, 0, 0];
  passingModule ??= new WebAssembly.Module(Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...type, ...imported, ...exports]));
  return passingModule;
}

/**
 * `--engine verify`: what a unit does is done again by the interpreter, and both must agree. A second instance of the engine, and a second
 * compilation of each unit, note the stores that they make (log-stores.ts). Such a unit runs; its stores are taken back; the interpreter
 * of the second instance retires as many instructions from the same state; registers and the memory that either has written are compared
 * (assembly/verify.ts). Whatever units learn to do is covered, since they are written as they are for "jit", and all that is specific is
 * around them.
 */
import { HvError } from "@paravane/paravirt-ops";
import { type EngineExports, type EngineImports, engineBytes, instantiateEngine } from "../engine.js";
import * as L from "../layout.js";
import { LOG_BYTES, type MemoryPlan } from "../memory-plan.js";
import { type UnitFunction, gate } from "./gate.js";
import { HostRecord } from "./host-record.js";
import { type StoreLog, logStores } from "./log-stores.js";
import { type MemoryDifference, type UnitText, differenceText } from "./report.js";
import { State, comparedMask } from "./state.js";

/** Which runs of a unit are compared. */
export interface Sampling {
  /** The first so many runs of each unit. */
  readonly first: number;
  /** Then each so many-th. */
  readonly every: number;
}

/** Everything is compared. */
export const ALL_RUNS: Sampling = { first: 0, every: 1 };

/** What is verified together: one run ends after so many instructions at the latest, so that the notes of its stores have room. */
const MOST_INSTRUCTIONS = 512;

export interface VerifierOptions {
  /** LOG_BYTES larger than the plan. */
  readonly memory: WebAssembly.Memory;
  readonly plan: MemoryPlan;
  readonly ramBytes: number;
  readonly host: EngineImports;
  readonly sampling: Sampling | undefined;
}

/** The engine that notes its stores, for the place where the last machine's notes end. */
let compiled: { readonly end: number; readonly module: Promise<WebAssembly.Module> } | undefined;

export class Verifier {
  /** Where notes of stores go. */
  readonly #log: StoreLog;
  readonly #view: DataView;
  readonly #words: Int32Array;
  readonly #record: HostRecord;
  /** The engine that does everything else; notes are read by it, so that this leaves none. */
  #plain!: EngineExports;
  #noting!: EngineExports;

  constructor(readonly options: VerifierOptions) {
    const { memory, plan, ramBytes, host, sampling = ALL_RUNS } = options;
    this.#view = new DataView(memory.buffer);
    this.#words = new Int32Array(memory.buffer);
    this.#record = new HostRecord(this.#view, host);
    const before = plan.memoryBytes;
    const translated = before + L.STATE_BYTES;
    const mask = translated + L.STATE_BYTES;
    this.#words.set(comparedMask(), mask >>> 2);
    for (const [pointer, value] of [
      [L.VERIFY_BEFORE_PTR, before],
      [L.VERIFY_TRANSLATED_PTR, translated],
      [L.VERIFY_MASK_PTR, mask],
      [L.VERIFY_LOG_PTR, mask + L.STATE_BYTES],
      [L.VERIFY_LOW_PTR, plan.ramBase],
      [L.VERIFY_HIGH_PTR, plan.ramBase + ramBytes + plan.hypervisorFrames * 0x1000],
      [L.VERIFY_FIRST_PTR, sampling.first],
      [L.VERIFY_EVERY_PTR, sampling.every],
      [L.VERIFY_MOST_PTR, MOST_INSTRUCTIONS],
    ] as const)
      this.#view.setUint32(pointer, value, true);
    this.#log = {
      next: L.STORE_LOG_PTR,
      end: plan.memoryBytes + LOG_BYTES,
      silent: { from: L.STORE_SILENT_PTR, bytes: L.STATE_BYTES },
    };
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
    const runs = Number(this.#view.getBigUint64(L.VERIFY_RUNS_PTR, true));
    const compared = Number(this.#view.getBigUint64(L.VERIFY_COMPARED_PTR, true));
    return { "verify.runs": runs, "verify.compared": compared, "verify.skipped": runs - compared };
  }

  /** What is to stand in the engine's table for a unit: `plain` is compiled for the machine's instance, `noting` for the other. */
  gate(unit: UnitText, plain: UnitFunction, noting: UnitFunction): UnitFunction {
    const { verifyBegin, verifyAgain, verifyDiffers } = this.#plain;
    const { runPlain } = this.#noting;
    const fail = (cpu: number, entry: number, base: bigint, left: number): never =>
      this.#fail(unit, noting, cpu >>> 0, entry, BigInt.asUintN(64, base), left);
    return gate({ plain, noting, verifyBegin, verifyAgain, verifyDiffers, runPlain, fail });
  }

  /** The unit and the interpreter once more, for at most `most` instructions; true when they differ. */
  #compare(noting: UnitFunction, cpu: number, entry: number, base: bigint, most: number): boolean {
    this.#view.setUint32(L.VERIFY_MOST_PTR, most, true);
    this.#plain.verifyBegin(cpu, 0);
    const left = noting(cpu, entry, base);
    this.#noting.runPlain(cpu, this.#plain.verifyAgain(cpu));
    return this.#plain.verifyDiffers(cpu, left) !== 0;
  }
  get #retired(): number {
    return this.#view.getInt32(L.VERIFY_RETIRED_PTR, true);
  }
  /** The state before the unit; its flags may be waiting there, and are made in a copy. */
  #before(): State {
    const before = this.#view.getUint32(L.VERIFY_BEFORE_PTR, true);
    const copy = (this.#view.getUint32(L.STORE_LOG_PTR, true) + 15) & ~15;
    this.#words.copyWithin(copy >>> 2, before >>> 2, (before + L.STATE_BYTES) >>> 2);
    this.#plain.settleFlags(copy);
    return new State(this.#words, copy, this.#plain.getFlags(copy), 0);
  }
  #translated(): State {
    const at = this.#view.getUint32(L.VERIFY_TRANSLATED_PTR, true);
    return new State(this.#words, at, this.#view.getUint32(at + L.EFLAGS, true), this.#retired);
  }
  /** The vCPU as it is. */
  #interpreted(cpu: number): State {
    const count = (at: number): bigint => this.#view.getBigInt64(at + L.COUNT, true);
    const retired = Number(count(this.#view.getUint32(L.VERIFY_BEFORE_PTR, true)) - count(cpu));
    return new State(this.#words, cpu, this.#plain.getFlags(cpu), retired);
  }

  /** A difference beside the state: calls of the host, and a way of leaving that hides what the run loop must see. */
  #otherwise(left: number): string | undefined {
    const words = (pointer: number, offset: number): number => this.#view.getInt32(this.#view.getUint32(pointer, true) + offset, true);
    if (this.#record.difference !== undefined) return this.#record.difference;
    if (left === L.UNIT_LOOK) return undefined;
    if (words(L.VERIFY_TRANSLATED_PTR, L.FAULT) >= 0) return "a fault is pending, and the translation left as if nothing were";
    const changed = words(L.VERIFY_TRANSLATED_PTR, L.MODE) !== words(L.VERIFY_BEFORE_PTR, L.MODE);
    return changed ? "the mode is another one, and the translation left as if it were the same" : undefined;
  }

  /** Bytes of memory that differ, after a comparison. */
  #memory(): MemoryDifference[] {
    const plain = this.#plain;
    const view = this.#view;
    const bytes = new Uint8Array(this.options.memory.buffer);
    const pointers = [
      L.VERIFY_LOG_PTR,
      L.VERIFY_STORED_PTR,
      L.VERIFY_RESULTS_PTR,
      L.STORE_LOG_PTR,
      L.VERIFY_LOW_PTR,
      L.VERIFY_HIGH_PTR,
    ] as const;
    const [start, stored, results, end, low, high] = pointers.map((at) => view.getUint32(at, true)) as [
      number,
      number,
      number,
      number,
      number,
      number,
    ];
    const own = plain.logCapture(results, end, end, low, high) >>> 0;
    const places = new Set<number>();
    for (const [from, to] of [
      [stored, results],
      [end, own],
    ] as const)
      for (let at = to; at > from; ) {
        const size = view.getUint32(at - 4, true);
        const address = view.getUint32(at - 8, true);
        for (let n = 0; n < size; n++) places.add(address + n);
        at -= 8 + ((size + 7) & ~7);
      }
    const here = (): Map<number, number> => new Map([...places].map((at) => [at, bytes[at]!]));
    const interpreted = here();
    plain.logRestore(results, end, low, high);
    const before = here();
    plain.logRestore(stored, results, low, high);
    const translated = here();
    plain.logRestore(start, stored, low, high);
    plain.logRestore(end, own, low, high);
    return [...places]
      .filter((at) => interpreted.get(at) !== translated.get(at))
      .sort((a, b) => a - b)
      .map((at) => ({
        address: at - low,
        before: before.get(at)!,
        translated: translated.get(at)!,
        interpreted: interpreted.get(at)!,
      }));
  }

  /** Looks for the shortest run that shows a difference, and tells it. */
  #fail(unit: UnitText, noting: UnitFunction, cpu: number, entry: number, base: bigint, left: number): never {
    const otherwise = this.#otherwise(left);
    const limit = this.#retired;
    let before = this.#before();
    if (this.#record.length === 0)
      for (let most = 1; ; most = most < limit ? most + 1 : MOST_INSTRUCTIONS) {
        this.#plain.verifyUndo(cpu);
        if (this.#compare(noting, cpu, entry, base, most) || most === MOST_INSTRUCTIONS) break;
        before = this.#interpreted(cpu);
      }
    const difference = {
      before,
      translated: this.#translated(),
      interpreted: this.#interpreted(cpu),
      memory: this.#memory(),
      otherwise,
    };
    throw new HvError("core/verify", differenceText(unit, base, difference, new Uint8Array(this.options.memory.buffer), this.#view));
  }
}

/** Verification for a machine whose engine is `plain`. */
export async function createVerifier(plain: EngineExports, options: VerifierOptions): Promise<Verifier> {
  const verifier = new Verifier(options);
  await verifier.connect(plain);
  return verifier;
}

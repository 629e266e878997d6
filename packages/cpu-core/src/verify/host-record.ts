/**
 * What a unit asked of the host is answered from a record when the interpreter asks again: a device sees each access once, and both tiers
 * see the same answer.
 */
import { HvError } from "@paravane/paravirt-ops";
import type { EngineImports } from "../engine.js";
import * as L from "../layout.js";

/** Calls that can be answered again. */
const REPEATABLE = new Set<string>([
  "pioRead",
  "pioWrite",
  "mmioRead",
  "mmioWrite",
  "msrRead",
  "msrWrite",
  "readTaskPriority",
  "writeTaskPriority",
  "acknowledge",
  "readTsc",
  "random",
] satisfies (keyof EngineImports)[]);

/** Calls that change nothing of the vCPU but EXIT_ARG. */
const ANSWERS_ONLY = new Set<string>(["readTsc", "random"] satisfies (keyof EngineImports)[]);

interface Call {
  readonly name: string;
  readonly values: readonly number[];
  readonly result: number;
  /** Instructions retired before it: what clocks count from. */
  readonly retired: bigint;
  /** EXIT_ARG behind it. */
  readonly argument: bigint;
  /** What else it has changed of the vCPU's state (a line, a request to stop): words by their place in the block. */
  readonly changes: readonly (readonly [place: number, word: number])[];
}

/** The engine that notes its stores says in VERIFY_PHASE_PTR who is calling, and a new comparison by VERIFY_COMPARED_PTR. */
export class HostRecord {
  readonly #words: Int32Array;
  /** Calls of the unit; in VERIFY_CALLS_PTR is how many of them the interpreter has still to make. */
  #calls: Call[] = [];
  #comparison = -1;
  #difference: string | undefined;

  constructor(
    readonly view: DataView,
    readonly host: EngineImports,
  ) {
    this.#words = new Int32Array(view.buffer);
  }

  /** Calls of the unit. */
  get length(): number {
    this.#begin();
    return this.#calls.length;
  }
  /** A call that only one of the two made, or made otherwise; undefined when there is none. */
  get difference(): string | undefined {
    this.#begin();
    const left = this.#left;
    return this.#difference ?? (left > 0 ? `only the translation called ${text(this.#calls[this.#calls.length - left]!)}` : undefined);
  }

  /** Forgets the calls of another comparison. */
  #begin(): void {
    const comparison = this.#words[L.VERIFY_COMPARED_PTR >>> 2]!;
    if (comparison === this.#comparison) return;
    this.#comparison = comparison;
    this.#calls = [];
    this.#difference = undefined;
  }
  get #unitRuns(): boolean {
    return this.#words[L.VERIFY_PHASE_PTR >>> 2] === L.VERIFY_UNIT;
  }
  get #left(): number {
    return this.#words[L.VERIFY_CALLS_PTR >>> 2]!;
  }
  set #left(calls: number) {
    this.#words[L.VERIFY_CALLS_PTR >>> 2] = calls;
  }

  /** The host's functions for the engine that is verified. What a unit drops is not told: it comes back when the stores are taken back. */
  imports(): EngineImports {
    const { host } = this;
    const once =
      (name: string, call: (...values: number[]) => number) =>
      (...values: number[]): number => {
        if (this.#unitRuns) throw new HvError("core/verify-unit", `a unit called the host's ${name}, which verification cannot repeat`);
        return call(...values);
      };
    const entries = Object.entries(host).map(([name, call]) => {
      const carryOut = call as (...values: number[]) => number;
      if (name === "dropped") return [name, (header: number) => (this.#unitRuns ? undefined : host.dropped(header))];
      return [name, REPEATABLE.has(name) ? (...values: number[]) => this.#call(name, carryOut, values) : once(name, carryOut)];
    });
    return Object.fromEntries(entries) as EngineImports;
  }

  #call(name: string, carryOut: (...values: number[]) => number, values: number[]): number {
    this.#begin();
    const cpu = values[0]! >>> 0;
    const at = cpu + L.EXIT_ARG;
    const retired = this.view.getBigInt64(cpu + L.RETIRED, true) - this.view.getBigInt64(cpu + L.COUNT, true);
    if (this.#unitRuns) {
      const changes: [place: number, word: number][] = [];
      const state = this.#words.subarray(cpu >>> 2, (cpu + L.STATE_BYTES) >>> 2);
      const before = ANSWERS_ONLY.has(name) ? undefined : state.slice();
      const result = carryOut(...values);
      before?.forEach((word, place) => {
        if (word !== state[place]) changes.push([place, state[place]!]);
      });
      this.#left = this.#calls.push({ name, values, result, retired, argument: this.view.getBigUint64(at, true), changes });
      return result;
    }
    const call = this.#left < 0 ? undefined : this.#calls[this.#calls.length - this.#left];
    if (call === undefined || call.name !== name || call.values.some((value, i) => value !== values[i])) {
      this.#difference ??= `the interpreter called ${text({ name, values })}, the translation ${call === undefined ? "nothing" : text(call)}`;
      this.#left = L.VERIFY_OTHER_CALL;
      return 0;
    }
    if (retired !== call.retired) {
      this.#difference = `the interpreter called ${text(call)} after ${retired} instructions, the translation after ${call.retired}`;
      this.#left = L.VERIFY_OTHER_CALL;
    } else this.#left--;
    for (const [place, word] of call.changes) this.#words[(cpu >>> 2) + place] = word;
    this.view.setBigUint64(at, call.argument, true);
    return call.result;
  }
}

const text = ({ name, values }: { name: string; values: readonly number[] }): string =>
  `${name}(${values
    .slice(1)
    .map((value) => `0x${(value >>> 0).toString(16)}`)
    .join(", ")})`;

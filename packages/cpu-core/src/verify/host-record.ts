/**
 * What a unit asked of the host is answered from a record when the interpreter asks again: a device sees each access once, and both tiers
 * see the same answer.
 */
import { HvError } from "@paravane/paravirt-ops";
import type { EngineImports } from "../engine.js";
import * as L from "../layout.js";

/** Answers that can be given again. */
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

interface Call {
  readonly name: string;
  readonly values: readonly number[];
  readonly result: number;
  /** Instructions retired before it: what clocks count from. */
  readonly retired: bigint;
  /** EXIT_ARG behind it. */
  readonly argument: bigint;
}

export class HostRecord {
  /** What is running: a unit, whose calls are carried out and noted, or the interpreter, which is told what the unit was told. */
  phase: "unit" | "interpreter" = "unit";
  #calls: Call[] = [];
  #next = 0;
  #difference: string | undefined;

  constructor(
    readonly view: DataView,
    readonly host: EngineImports,
  ) {}

  /** Calls of the unit. */
  get length(): number {
    return this.#calls.length;
  }
  begin(): void {
    this.phase = "unit";
    if (this.#calls.length > 0) this.#calls = [];
  }
  /** From here on calls are answered from the record, from its beginning. */
  replay(): void {
    this.phase = "interpreter";
    this.#next = 0;
    this.#difference = undefined;
  }
  /** A call that only one of the two made, or made otherwise; undefined when there is none. */
  get difference(): string | undefined {
    return (
      this.#difference ?? (this.#next < this.#calls.length ? `only the translation called ${text(this.#calls[this.#next]!)}` : undefined)
    );
  }

  /** The host's functions for the engine that is verified. What a unit drops is not told: it comes back when the stores are taken back. */
  imports(): EngineImports {
    const { host } = this;
    const once =
      (name: string, call: (...values: number[]) => number) =>
      (...values: number[]): number => {
        if (this.phase === "unit")
          throw new HvError("core/verify-unit", `a unit called the host's ${name}, which verification cannot repeat`);
        return call(...values);
      };
    const entries = Object.entries(host).map(([name, call]) => {
      const carryOut = call as (...values: number[]) => number;
      if (name === "dropped") return [name, (header: number) => (this.phase === "unit" ? undefined : host.dropped(header))];
      return [name, REPEATABLE.has(name) ? (...values: number[]) => this.#call(name, carryOut, values) : once(name, carryOut)];
    });
    return Object.fromEntries(entries) as EngineImports;
  }

  #call(name: string, carryOut: (...values: number[]) => number, values: number[]): number {
    const cpu = values[0]! >>> 0;
    const at = cpu + L.EXIT_ARG;
    const retired = this.view.getBigInt64(cpu + L.RETIRED, true) - this.view.getBigInt64(cpu + L.COUNT, true);
    if (this.phase === "unit") {
      const result = carryOut(...values);
      this.#calls.push({ name, values, result, retired, argument: this.view.getBigUint64(at, true) });
      return result;
    }
    const call = this.#calls[this.#next];
    if (call === undefined || call.name !== name || call.values.some((value, i) => value !== values[i])) {
      this.#difference ??= `the interpreter called ${text({ name, values })}, the translation ${call === undefined ? "nothing" : text(call)}`;
      return 0;
    }
    if (retired !== call.retired)
      this.#difference ??= `the interpreter called ${text(call)} after ${retired} instructions, the translation after ${call.retired}`;
    this.#next++;
    this.view.setBigUint64(at, call.argument, true);
    return call.result;
  }
}

const text = ({ name, values }: { name: string; values: readonly number[] }): string =>
  `${name}(${values
    .slice(1)
    .map((value) => `0x${(value >>> 0).toString(16)}`)
    .join(", ")})`;

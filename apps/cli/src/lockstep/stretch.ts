// A stretch of instructions at once: ours executes it noting each state, QEMU then runs to the same place while its log is compared with the
// notes, record by record. What looks different here is only a suspicion, because excused flags live on; stepping decides.
import type { Disassembled } from "@paravane/cpu-core/disasm";
import { type Difference, differences, fxDifferences, isFxField } from "./compare.js";
import type { Halt } from "./our-machine.js";
import type { Pair } from "./pair.js";
import { type Executed, FROM_OUTSIDE, judge, type Rule } from "./rules.js";
import { type State, stateOf } from "./state.js";

/** How a stretch went. */
export type StretchResult =
  | { readonly kind: "moved"; readonly compared: number }
  | { readonly kind: "suspicious"; readonly from: number; readonly to: number; readonly why: string }
  | (Halt & { readonly kind: "ended"; readonly compared?: number });

const MAX_NOTES = 200_000;
/** Instructions before and behind a suspicion that are looked at again. */
const AROUND = 60;
/** A string instruction with more iterations than this is not followed by the log. */
const MANY_ITERATIONS = 2000n;

/** What is known about the instruction at an address; code that changes is noticed by stepping. */
class InstructionCache {
  readonly #known = new Map<bigint, Disassembled>();
  #root = -1n;

  constructor(private readonly pair: Pair) {}

  at(state: State): Disassembled {
    const root = state.get("cr3");
    if (root !== this.#root || this.#known.size > MAX_NOTES) {
      this.#known.clear();
      this.#root = root;
    }
    const linear = state.linearRip;
    let known = this.#known.get(linear);
    if (known === undefined) {
      known = this.pair.instructionAt(state).instruction;
      this.#known.set(linear, known);
    }
    return known;
  }
}

/** Both machines over about `length` instructions, at most until something comes from outside. */
export async function stretch(pair: Pair, length: number, rules: readonly Rule[]): Promise<StretchResult> {
  const { ours } = pair;
  const start = ours.count;
  const cache = new InstructionCache(pair);
  const notes: State[] = [];
  const executed: Disassembled[] = [];
  const seen = new Set<bigint>();
  let after: State | undefined;
  let outside: string | undefined;
  const halt = await ours.step(
    () => {
      const state = stateOf(ours.vcpu);
      const instruction = cache.at(state);
      notes.push(state);
      executed.push(instruction);
      if (notes.length > 1 && (FROM_OUTSIDE[instruction.mnemonic] !== undefined || instruction.mnemonic === "WRMSR")) return false;
      if (notes.length > 1 && instruction.repeated && state.get("rcx") > MANY_ITERATIONS) return false;
      // A place that was not passed before: the other one stops there at the first time.
      if (notes.length > length && (!seen.has(state.rip) || notes.length > 2 * length)) return false;
      seen.add(state.rip);
      return true;
    },
    () => {
      outside = pair.outsideReason(executed.at(-1)!, notes.at(-1)!);
      if (outside === undefined) return true;
      after = stateOf(ours.vcpu, true);
      return false;
    },
  );
  const last = notes.length - 1;
  if (last < 0) return halt.kind === "ended" ? halt : { kind: "moved", compared: 0 };
  const ended = halt.kind === "ended";
  const suspicion = await follow(pair, notes, executed, rules, after === undefined && !ended);
  if (suspicion !== undefined) {
    const at = start + suspicion.index;
    return {
      kind: "suspicious",
      from: Math.max(start, at - AROUND),
      to: start + (suspicion.last ?? suspicion.index) + AROUND,
      why: suspicion.why,
    };
  }
  if (ended) return { ...halt, compared: last };
  if (after !== undefined) await pair.adopt(notes[last]!, after, outside!);
  return { kind: "moved", compared: last };
}

interface Suspicion {
  /** The note that is not matched. */
  readonly index: number;
  readonly why: string;
  /** It may have begun anywhere up to this note. */
  readonly last?: number;
}

/** Runs the other machine from the first note to the last; what looks different, if anything. `exact`: ours is at the last note. */
async function follow(
  pair: Pair,
  notes: readonly State[],
  executed: readonly Disassembled[],
  rules: readonly Rule[],
  exact: boolean,
): Promise<Suspicion | undefined> {
  const { other } = pair;
  const last = notes.length - 1;
  const target = notes[last]!;
  const comparison = new Comparison(notes, executed, rules);
  if (last > 0) {
    const passes = notes.reduce((sum, note) => sum + (note.rip === target.rip ? 1 : 0), 0);
    const stop = await other.trace(passes === 1 ? target.linearRip : undefined, (state) =>
      comparison.record(state) ? last - comparison.next : -1,
    );
    if (stop.kind === "exited") return { index: comparison.next, why: "the other machine ended" };
    if (comparison.suspicion !== undefined) return { index: comparison.next, why: comparison.suspicion };
  }
  if (last === 0) return undefined;
  const here = await other.state();
  const state = exact ? stateOf(pair.ours.vcpu, true) : target;
  const context: Executed = { instruction: executed[last - 1]!, before: notes[last - 1]! };
  const found: Difference[] = [...differences(state, here), ...(exact ? fxDifferences(state, here) : [])];
  const { left } = judge(found, context, rules);
  const open = left.filter(({ field, bits }) => !(field === "rflags" && (bits & ~comparison.loose) === 0n));
  if (open.length === 0) return undefined;
  // x87 and SSE are not in the log: what differs now may have begun anywhere.
  const early = open.some(({ field }) => isFxField(field));
  return {
    index: early ? 0 : last,
    why: `at the end of the stretch: ${open.map(({ field }) => field).join(" ")}`,
    ...(early ? { last } : {}),
  };
}

/** Goes through the notes as records arrive. */
class Comparison {
  /** The next note that a record is expected to match. */
  next = 0;
  suspicion: string | undefined;
  /** Flags that differ with an excuse, until they are equal again. */
  loose = 0n;
  #skipped = false;

  constructor(
    private readonly notes: readonly State[],
    private readonly executed: readonly Disassembled[],
    private readonly rules: readonly Rule[],
  ) {}

  /** One record of the log; false when the comparison is over. */
  record(state: State): boolean {
    const { notes, next } = this;
    const note = notes[next];
    if (note === undefined) return true;
    if (state.rip === note.rip && this.#matches(note, state)) {
      this.next++;
      this.#skipped = false;
      return true;
    }
    // The same instruction again: an iteration, or a record written twice.
    if (next > 0 && state.rip === notes[next - 1]!.rip) return true;
    if (!this.#skipped && next > 0) {
      // An exception's handler: ours notes it only behind its first instruction.
      this.#skipped = true;
      return true;
    }
    this.suspicion ??= differences(note, state)
      .map(({ field, ours, theirs }) => `${field} ${ours.toString(16)} and ${theirs.toString(16)}`)
      .join(", ");
    return false;
  }

  #matches(note: State, state: State): boolean {
    const found = differences(note, state);
    if (found.length === 0) {
      this.loose = 0n;
      return true;
    }
    const { next } = this;
    const context: Executed =
      next > 0
        ? { instruction: this.executed[next - 1]!, before: this.notes[next - 1]! }
        : { instruction: this.executed[0]!, before: note };
    const { left, excused } = judge(found, context, this.rules);
    const flags = found.find(({ field }) => field === "rflags")?.bits ?? 0n;
    const excusedFlags = excused.find(({ field }) => field === "rflags")?.bits ?? 0n;
    if (left.some(({ field, bits }) => field !== "rflags" || (bits & ~this.loose) !== 0n)) return false;
    this.loose = flags & (excusedFlags | this.loose);
    return true;
  }
}

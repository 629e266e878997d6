// The search for the first difference: long stretches by QEMU's log, RAM as a whole now and then, and wherever something looks wrong the
// same again (our machine is deterministic, so it can be made anew and run to any instruction) one instruction at a time.
import { CliError, ExitStatus } from "../errors.js";
import { Names } from "../profile/names.js";
import type { SymbolTable } from "../profile/symbols.js";
import type { GdbAddress } from "./gdb-client.js";
import { OurMachine, type OurOptions } from "./our-machine.js";
import { type Finding, type MemoryDifference, type Moved, newCounters, Pair, type PairCounters } from "./pair.js";
import type { Qemu } from "./qemu.js";
import type { Rule } from "./rules.js";
import { stretch } from "./stretch.js";
import { ramRanges } from "./transplant.js";

/** Where the comparison starts. */
export type From = { readonly count: number } | { readonly address: bigint };

/** What is asked for. */
export interface LockstepOptions {
  readonly ours: OurOptions;
  /** A gdb port that listens, or a QEMU of our own. */
  readonly vs: GdbAddress | "qemu";
  readonly from: From;
  /** Instructions to compare. */
  readonly count: number;
  /** Compare `count` instructions, then let ours run alone for so many, again and again until the guest ends or `samples` are done. */
  readonly skip: number;
  readonly samples: number;
  /** So many differences are reported; after each the other machine takes our state. */
  readonly findings: number;
  /** One instruction at a time from the start. */
  readonly exact: boolean;
  readonly rules: readonly Rule[];
  /** Names for the report; a Linux kernel's are found in its memory. */
  readonly symbols: readonly SymbolTable[];
  /** Bits that may differ in 8 bytes of RAM. */
  readonly ignoredTableBits: readonly bigint[];
  /** After this many instructions since the start the other machine's register gets this value: shows that differences are seen. */
  readonly perturb: { readonly at: number; readonly register: string; readonly value: bigint } | undefined;
  /** Ends the search; its reason is what `lockstep` rejects with. */
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

/** A finding, and the function in which it lies, where that has a name. */
export interface NamedFinding extends Finding {
  readonly where: string | undefined;
}

/** What came of it. */
export interface LockstepResult {
  readonly outcome: "equal" | "differs" | "ended";
  /** Our guest's instruction count where the comparison began and where it stopped. */
  readonly first: number;
  readonly last: number;
  /** Differences in the order in which they were found. */
  readonly findings: readonly NamedFinding[];
  /** The signal's reason, when it came before the end. */
  readonly stopped: unknown;
  /** How the guest ended, when it did. */
  readonly ended: string | undefined;
  readonly counters: PairCounters;
  /** Suspicions that stepping did not confirm. */
  readonly falseAlarms: number;
  readonly seconds: number;
}

const STRETCH = 20_000;
const SHORT_STRETCH = 1000;
const RAM_EVERY = 2_000_000;
const RAM_CHUNK = 1 << 20;
const MAX_CELLS = 8;

/** Runs the search. */
export async function lockstep(options: LockstepOptions): Promise<LockstepResult> {
  const search = new Search(options);
  try {
    return await search.run();
  } finally {
    await search.close();
  }
}

class Search {
  readonly #counters = newCounters();
  readonly #started = performance.now();
  #ours: OurMachine | undefined;
  #pair: Pair | undefined;
  #falseAlarms = 0;
  #perturbed = false;
  #first = 0;
  readonly #findings: NamedFinding[] = [];
  #ended: string | undefined;
  #reported = performance.now();

  constructor(private readonly options: LockstepOptions) {}

  async run(): Promise<LockstepResult> {
    const { options } = this;
    let stopped: unknown;
    try {
      await this.#search();
    } catch (error) {
      if (!options.signal.aborted) throw error;
      stopped = options.signal.reason;
    }
    const outcome = this.#findings.length > 0 ? "differs" : this.#ended !== undefined ? "ended" : "equal";
    return {
      outcome,
      first: this.#first,
      last: this.#ours?.count ?? 0,
      findings: this.#findings,
      stopped,
      ended: this.#ended,
      counters: this.#counters,
      falseAlarms: this.#falseAlarms,
      seconds: (performance.now() - this.#started) / 1000,
    };
  }

  async #search(): Promise<void> {
    const { options } = this;
    await this.#anew();
    await this.#seek();
    this.#first = this.#machine.count;
    for (let sample = 0; sample < options.samples; sample++) {
      if (sample > 0) {
        await this.#pair?.close();
        this.#pair = undefined;
        if (!(await this.#runTo(this.#machine.count + options.skip))) break;
      }
      await this.#join();
      if (!(await this.#compare(this.#machine.count + options.count))) break;
    }
  }

  async close(): Promise<void> {
    await this.#pair?.close();
    await this.#ours?.close();
  }

  get #machine(): OurMachine {
    return this.#ours!;
  }

  #nameOf({ before }: Finding): string | undefined {
    const names = new Names(this.options.symbols, { vcpus: [this.#machine.vcpu], guestMemory: this.#machine.memory });
    const { name, offset } = names.of({
      address: before.linearRip,
      level: Number(before.get("cs") & 3n),
      mode: before.protectedMode ? `${before.bits}-bit` : "real mode",
      root: before.get("cr3"),
    });
    return name.startsWith("[") ? undefined : `${name}+0x${offset.toString(16)}`;
  }

  /** A new machine of ours, before its first instruction. */
  async #anew(): Promise<void> {
    await this.close();
    this.#pair = undefined;
    this.#ours = await OurMachine.create(this.options.ours, this.options.signal);
  }

  async #join(): Promise<void> {
    const { vs, exact, rules, ignoredTableBits } = this.options;
    await this.#pair?.close();
    this.#pair = undefined;
    this.#pair = await Pair.join(this.#machine, vs === "qemu" ? { trace: !exact } : vs, rules, ignoredTableBits, this.#counters);
  }

  /** Both machines in the state that ours had after so many instructions. */
  async #goBack(count: number): Promise<Pair> {
    await this.#anew();
    await this.#runTo(count);
    await this.#join();
    return this.#pair!;
  }

  async #runTo(count: number): Promise<boolean> {
    const halt = await this.#machine.runTo(count);
    if (halt.kind === "ended") this.#ended = halt.result.detail;
    return halt.kind !== "ended";
  }

  async #seek(): Promise<void> {
    const { from } = this.options;
    if ("count" in from) {
      await this.#runTo(from.count);
      return;
    }
    const { vcpu } = this.#machine;
    const halt = await this.#machine.step(
      () => vcpu.registers.get("rip") !== from.address,
      () => true,
    );
    if (halt.kind === "ended") this.#ended = halt.result.detail;
  }

  /** Compares until our count; false when the search is over. */
  async #compare(until: number): Promise<boolean> {
    if (this.#ended !== undefined) return false;
    const { exact, perturb } = this.options;
    let equalSince = this.#machine.count;
    let nextRam = equalSince + RAM_EVERY;
    while (this.#machine.count < until) {
      this.options.signal.throwIfAborted();
      const { count } = this.#machine;
      const perturbAt = perturb === undefined || this.#perturbed ? Number.POSITIVE_INFINITY : this.#first + perturb.at;
      const pair = this.#pair!;
      if (exact || !pair.other.traces || perturbAt < count + STRETCH) {
        if (!(await this.#took(await pair.stepOne(count >= perturbAt ? (qemu) => this.#perturb(qemu) : undefined)))) return false;
      } else if (pair.atLongRepeat()) {
        if (!(await this.#took(await pair.passRepeat()))) return false;
      } else {
        const result = await stretch(pair, Math.min(STRETCH, until - count), this.options.rules);
        if (result.kind === "ended") {
          this.#counters.compared += result.compared ?? 0;
          this.#ended = result.result.detail;
          return false;
        }
        if (result.kind === "suspicious") {
          this.#counters.compared += result.from - count;
          if (!(await this.#confirm(result.from, Math.min(result.to, this.#machine.count), result.why))) return false;
        } else this.#counters.compared += result.compared;
      }
      if (this.#machine.count >= nextRam || (this.#machine.count >= until && this.#pair!.other.sharesRam)) {
        if (!(await this.#compareRam(equalSince))) return false;
        equalSince = this.#machine.count;
        nextRam = equalSince + RAM_EVERY;
      }
      this.#tell();
    }
    return true;
  }

  /** Steps through a stretch that looked different. False when it is, or when the guest ended. */
  async #confirm(from: number, to: number, why: string): Promise<boolean> {
    this.options.progress(`looks different between instructions ${from} and ${to} (${why}): stepping through`);
    const before = this.#findings.length;
    let pair = await this.#goBack(from);
    let end = to;
    while (end - this.#machine.count > 2 * SHORT_STRETCH) {
      // Somewhere in a long one: shorter ones tell where.
      const start = this.#machine.count;
      const result = pair.atLongRepeat() ? await pair.passRepeat() : await stretch(pair, SHORT_STRETCH, this.options.rules);
      if (result.kind === "moved") continue;
      end = Math.min(this.#machine.count, to);
      pair = await this.#goBack(start);
      break;
    }
    while (this.#machine.count < end) {
      this.options.signal.throwIfAborted();
      if (!(await this.#took(await pair.stepOne()))) return false;
      if (this.#findings.length > before) return true;
    }
    this.#falseAlarms++;
    return true;
  }

  /** False when the search is over. */
  async #took(moved: Moved): Promise<boolean> {
    if (moved.kind === "ended") {
      this.#ended = moved.result.detail;
      return false;
    }
    return moved.kind === "moved" || this.#report(moved.finding);
  }

  /** Notes a finding; true when the search goes on, from our state. */
  async #report(finding: Finding): Promise<boolean> {
    this.#findings.push({ ...finding, where: this.#nameOf(finding) });
    if (this.#findings.length >= this.options.findings) return false;
    await this.#pair!.startOver();
    return true;
  }

  async #perturb(qemu: Qemu): Promise<void> {
    const { register, value } = this.options.perturb!;
    if (!qemu.gdb.registers.has(register)) {
      throw new CliError(ExitStatus.usage, `--perturb: the other machine has no register ${register}`);
    }
    await qemu.gdb.writeRegister(register, value);
    this.#perturbed = true;
  }

  /** Compares all RAM, where it is a file; false when a difference was found. */
  async #compareRam(equalSince: number): Promise<boolean> {
    const pair = this.#pair!;
    if (!pair.other.sharesRam) return true;
    const cells = await this.#differingCells(pair);
    if (cells.length === 0) return true;
    const to = this.#machine.count;
    this.options.progress(`memory differs at ${cells.map(({ physical }) => physical.toString(16)).join(" ")}: looking for the instruction`);
    const watched = cells.map(({ physical }) => physical);
    const found = await this.#narrow(equalSince, to, watched);
    if (found !== undefined) return this.#report(found);
    this.#falseAlarms++;
    return true;
  }

  /** The instruction after which one of the cells differs; undefined when it does not happen again. */
  async #narrow(from: number, to: number, watched: readonly number[]): Promise<Finding | undefined> {
    let start = from;
    let pair = await this.#goBack(from);
    let differs = false;
    while (!differs && this.#machine.count < to) {
      this.options.signal.throwIfAborted();
      start = this.#machine.count;
      const result = pair.atLongRepeat() ? await pair.passRepeat() : await stretch(pair, Math.min(STRETCH, to - start), this.options.rules);
      if (result.kind !== "moved") break;
      differs = (await pair.differences(watched)).length > 0;
    }
    const end = this.#machine.count;
    pair = await this.#goBack(start);
    pair.watched = watched;
    while (this.#machine.count < end) {
      this.options.signal.throwIfAborted();
      const moved = await pair.stepOne();
      if (moved.kind === "differs") return moved.finding;
      if (moved.kind === "ended") return undefined;
    }
    pair.watched = [];
    return undefined;
  }

  async #differingCells(pair: Pair): Promise<MemoryDifference[]> {
    const { memory } = this.#machine;
    const found: MemoryDifference[] = [];
    const theirs = Buffer.alloc(RAM_CHUNK);
    for (const [from, to] of ramRanges(memory.size)) {
      for (let at = from; at < to && found.length < MAX_CELLS; at += RAM_CHUNK) {
        const size = Math.min(RAM_CHUNK, to - at);
        const part = theirs.subarray(0, size);
        await pair.other.readRam(at, part);
        const ours = memory.view(at, size);
        if (part.compare(ours) === 0) continue;
        for (let offset = 0; offset < size && found.length < MAX_CELLS; offset += 8) {
          const mine = memory.readU64(at + offset);
          const other = part.readBigUInt64LE(offset);
          if (mine === other) continue;
          if (pair.mayDiffer(mine ^ other)) {
            await pair.copyCell(at + offset);
            continue;
          }
          found.push({ physical: at + offset, ours: mine, theirs: other });
        }
      }
    }
    return found;
  }

  #tell(): void {
    if (performance.now() - this.#reported < 2000) return;
    this.#reported = performance.now();
    const { compared } = this.#counters;
    const rate = compared / ((performance.now() - this.#started) / 1000);
    this.options.progress(`${compared} instructions compared, at ${this.#machine.count} (${rate.toFixed(0)} a second)`);
  }
}

/**
 * Translations of one machine: asked for by blocks that have run often, compiled off the main path while the interpreter goes on, entered
 * through the engine's table, dropped with the blocks that they contain. Nothing here runs while guests do their work in units.
 */
import type { CodeRegion, PrivilegeLevel } from "@paravane/paravirt-ops";
import { findBlock } from "../code-blocks.js";
import * as L from "../layout.js";
import type { Handler } from "../interp/handlers.js";
import { Assumptions, type Mistake } from "./assumptions.js";
import { type BlockSource, formRegion, type RegionLimits, type Root } from "./region.js";
import { RBP, RSP } from "../isa/sem.js";
import { MAX_DELTA } from "./locals.js";
import { MOST_BYTES } from "./probes.js";
import { PE } from "./vector-code.js";
import { Repetition } from "./repetition.js";
import { type UnitBlock, writeUnit } from "./unit.js";
import { type FunctionBody, writeModule } from "./wasm.js";
import type { UnitFunction } from "../verify/gate.js";
import type { Verifier } from "../verify/verifier.js";

/** When blocks are translated. */
export interface TranslationTuning {
  /** Runs of a block in the interpreter before it is translated; fewer are enough while the interpreter repeats itself. */
  readonly heat?: number;
  /** Runs of a block before a neighbour's translation takes it along. */
  readonly leastRuns?: number;
  /** Entries of a unit from others before it is joined with the one that control came from. */
  readonly leaps?: number;
  /** Bytes of WebAssembly that are kept at most. */
  readonly maxCodeBytes?: number;
  /** Compiles at the end of the vCPU's run instead of in the background. */
  readonly synchronous?: boolean;
  /** What becomes of each module before it is compiled; for tests that plant mistakes, so that verification has something to find. */
  readonly rewrite?: (module: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>;
}

const HEAT = 5000;
/** The same while the interpreter repeats itself: such code runs so seldom that the host's caches have forgotten it each time. */
const REPEATED_HEAT = 200;
const LEAST_RUNS = 100;
const LEAPS = 50_000;
/** How many of those the translator is told of, on average: the engine counts all leaps together. */
const LEAP_SAMPLES = 8;
/** Exits of a unit over what it takes for granted after which it is asked whether it should be written anew. */
const MISTAKES = 100;
/** It should when they come more often than once in so many instructions; less is gained by knowing the stack's page. */
const MISTAKE_WORTH = 2000;
const STACK_WORTH = 20_000;
/** Bytes between a frame pointer and the stack pointer, less than. */
const FRAME_REACH = 0x800n;
/** Entries of a table of addresses that are looked at. */
const MOST_CASES = 64;
const FIRST_LIMITS: RegionLimits = { blocks: 96, instructions: 300 };
/** Instructions of two units that are joined, together, and the limits of what is written for them: what has become hot since is taken in. */
const JOINED_MOST = 800;
const JOINED_LIMITS: RegionLimits = { blocks: 240, instructions: 1200 };
/** Bytes of WebAssembly that are kept at most, so that a guest that writes code forever finds a bound: the host has about eight for each. */
const MAX_CODE_BYTES = 6 << 20;
/** Mode keys in which code is translated, at most; H_UNIT has eight bits for their number. */
const MAX_MODES = 255;
/** Units written before a run is over are compiled together, this many at most to a module. */
const BATCH = 64;

/** The engine's exports, as far as the translator uses them: the table, and by name what units call. */
export interface TranslatorEngine {
  readonly table: WebAssembly.Table;
  jumpForget(slot: number): void;
  jumpWipe(cpu: number): void;
}

export interface TranslatorOptions extends TranslationTuning {
  readonly view: DataView;
  readonly memory: WebAssembly.Memory;
  readonly engine: TranslatorEngine;
  readonly handlers: readonly Handler[];
  /** False: nothing is ever translated. */
  readonly enabled: boolean;
  /** Compares each unit with the interpreter. */
  readonly verifier?: Verifier | undefined;
}

interface Unit {
  readonly blocks: readonly UnitBlock[];
  readonly entries: readonly UnitBlock[];
  /** H_UNIT of the first entry. */
  readonly number: number;
  readonly bytes: number;
  readonly instructions: number;
  /** Linear address of the first instruction, then. */
  readonly address: bigint;
  readonly level: PrivilegeLevel;
  /** Headers of blocks inside that are reached by a table and cannot be entered. */
  readonly cases: ReadonlySet<number>;
  /** Until it is compiled. */
  body: FunctionBody | undefined;
  /** Its place in the engine's table. */
  readonly slot: number;
  installed: boolean;
  dead: boolean;
  /** Units that end when this one is installed. */
  readonly replaces: readonly Unit[];
  /** MXCSR.PE when it was written. */
  readonly inexact: boolean;
  /** A unit that is being compiled will replace this one. */
  leaving: boolean;
  /** Entries from other units, as far as samples tell. */
  leaps: number;
  /** How often it has left because something was not as it takes it to be. */
  mistakes: number;
  /** Instructions that had retired when these began to be counted. */
  mistakesSince: number;
  /** What it was compiled with. */
  module: Module | undefined;
}

/** Units that were compiled together: the host's engine keeps the code of all while one of them lives. */
interface Module {
  readonly units: readonly Unit[];
  readonly bytes: number;
  live: number;
}

/** The middle of what lies too far from the base to be reached from there, in whole pages; 0 if all is near. */
function centreOf(roots: readonly Root[]): number {
  const deltas = roots.map(({ delta }) => delta);
  const low = Math.min(...deltas);
  const high = Math.max(...deltas);
  return Math.max(-low, high) > MAX_DELTA ? Math.floor((low + high) / 8192) * 4096 : 0;
}

export class Translator {
  readonly #view: DataView;
  readonly #queue: Unit[] = [];
  /** Units by the blocks that they contain. */
  readonly #byBlock = new Map<number, Set<Unit>>();
  /** Live units by their places in the engine's table. */
  readonly #bySlot = new Map<number, Unit>();
  readonly #freeSlots: number[] = [];
  readonly #assumptions = new Assumptions();
  readonly #repetition = new Repetition();
  /** Numbers of the modes in which something was translated. */
  readonly #modes = new Map<number, number>();
  #generation = 0;
  #compiling = 0;
  /** Since the beginning: units written, written to replace two others, to do without what was taken for granted, and dropped, their size in bytes and guest instructions, modules compiled, host ms spent writing. */
  readonly #counts = {
    units: 0,
    unitsJoined: 0,
    unitsApart: 0,
    unitsDropped: 0,
    unitBytes: 0,
    unitInstructions: 0,
    modules: 0,
    translateMs: 0,
  };
  /** Modules with a live unit, oldest first, and their bytes. */
  readonly #held = new Set<Module>();
  #heldBytes = 0;
  /** No place is free. */
  #full = false;

  readonly #heat: number;
  readonly #leastRuns: number;
  readonly #leaps: number;
  /** One leap is told of so many. */
  readonly #leapsTold: number;

  constructor(readonly options: TranslatorOptions) {
    this.#view = options.view;
    this.#heat = options.enabled ? (options.heat ?? HEAT) : 0;
    this.#leastRuns = options.leastRuns ?? LEAST_RUNS;
    this.#leaps = options.leaps ?? LEAPS;
    this.#leapsTold = Math.ceil(this.#leaps / LEAP_SAMPLES) | 1; // odd, so that no short cycle shows always the same leap
    for (const at of [L.UNIT_LEAPS_PTR, L.UNIT_LEAPS_START_PTR]) this.#view.setUint32(at, options.enabled ? this.#leapsTold : 0, true);
  }

  /** How often a block of this mode runs before it is translated; 0 where there is no translation: 16-bit code, segments that are not flat. */
  heat(mode: number): number {
    if (mode & (L.MODE_SINGLE | L.MODE_PLAIN | L.MODE_V86)) return 0;
    if (mode & L.MODE_64) return this.#heat;
    const flat = L.MODE_FLAT | L.MODE_CS32 | L.MODE_SS32 | L.MODE_PE;
    return (mode & flat) === flat ? this.#heat : 0;
  }

  /** What is translated at present. Entries and exits are not counted by region. */
  regions(): readonly CodeRegion[] {
    const units = new Set<Unit>();
    for (const containing of this.#byBlock.values()) for (const unit of containing) if (unit.installed) units.add(unit);
    return [...units].map(({ address, level, instructions, bytes }) => ({
      tier: "jit",
      address,
      level,
      instructions,
      bytes,
      entries: 0,
      exits: {},
    }));
  }

  /** Counters by name; see Core.stats. */
  get stats(): Readonly<Record<string, number>> {
    const counter = (at: number): number => Number(this.#view.getBigUint64(at, true));
    return {
      ...this.#counts,
      ...this.options.verifier?.stats,
      unitBytesKept: this.#heldBytes,
      unitRuns: counter(L.UNIT_RUNS_PTR),
      "tiers.jit.instructions": counter(L.UNIT_INSTRUCTIONS_PTR),
      "exits.interpret": counter(L.UNIT_SIDES_PTR),
      "exits.look": counter(L.UNIT_LOOKS_PTR),
      "exits.untranslated": counter(L.UNIT_MISSES_PTR),
    };
  }

  /** Block `header`, which begins at vCPU `cpu`'s RIP, has run often: writes its region, to be compiled by the next `pump`. */
  hot(cpu: number, header: number): void {
    this.#view.setUint32(header + L.H_HEAT, 0, true); // The next run takes it below zero: it does not ask again.
    // The interpreter follows a link to a block before it sees that its bytes have changed.
    if (this.#view.getUint32(header + L.H_STATE, true) & L.BLOCK_STALE) return;
    for (const unit of this.#byBlock.get(header) ?? [])
      if (!unit.installed) {
        // Its translation is on the way.
        this.#view.setUint32(header + L.H_HEAT, this.#heat, true);
        return;
      } else if (unit.cases.has(header)) return;
    this.#translate(cpu, header, this.#view.getBigUint64(cpu + L.RIP, true), [{ header, delta: 0 }], FIRST_LIMITS, []);
  }

  /** A sample of leaps from one unit to another: where they are many, writes one that contains both. `from` and `to` are H_UNITs; see hostGrow. */
  grow(cpu: number, from: number, to: number): void {
    const slotOf = (unit: number): number => (unit >>> L.UNIT_SHIFT) & (L.UNIT_SLOTS - 1);
    const first = this.#bySlot.get(slotOf(from));
    const second = this.#bySlot.get(slotOf(to));
    if (first === undefined || second === undefined || first === second || first.leaving || second.leaving) return;
    second.leaps += this.#leapsTold;
    if (second.leaps < this.#leaps) return;
    second.leaps = 0;
    if (first.instructions + second.instructions > JOINED_MOST) return;
    const base = this.#view.getBigUint64(cpu + L.EXIT_ARG, true);
    const entry = second.entries[to & 0xff]!;
    const distance = Number(BigInt.asIntN(64, this.#view.getBigUint64(cpu + L.RIP, true) - base)) - entry.delta;
    const deltas = new Set(first.entries.map(({ delta }) => delta));
    const roots = [
      ...first.entries,
      ...second.entries.map(({ header, delta }) => ({ header, delta: delta + distance })).filter(({ delta }) => !deltas.has(delta)),
    ];
    const shift = centreOf(roots);
    if (roots.length > JOINED_LIMITS.blocks || roots.some(({ delta }) => Math.abs(delta - shift) > MAX_DELTA)) return;
    const centred = roots.map(({ header, delta }) => ({ header, delta: delta - shift }));
    this.#translate(cpu, entry.header, base + BigInt(shift), centred, JOINED_LIMITS, [first, second]);
  }

  /** Is MXCSR.PE set? */
  #inexact(cpu: number): boolean {
    return (this.#view.getUint32(cpu + L.MXCSR, true) & PE) !== 0;
  }

  /** Something is not as a unit takes it to be: when that comes often, writes it anew without; see hostApart. */
  apart(cpu: number, number: number): void {
    const why = this.#view.getUint32(cpu + L.APART_WHY, true);
    this.#view.setUint32(cpu + L.APART_WHY, 0, true);
    const unit = this.#bySlot.get((number >>> L.UNIT_SHIFT) & (L.UNIT_SLOTS - 1));
    if (unit === undefined || unit.leaving) return;
    const retired = this.#retired(cpu);
    if (unit.mistakes === 0) unit.mistakesSince = retired;
    if (++unit.mistakes < MISTAKES) return;
    unit.mistakes = 0;
    if (retired - unit.mistakesSince > MISTAKES * (why === L.APART_STACK ? STACK_WORTH : MISTAKE_WORTH)) return;
    const misjudged = this.#inexact(cpu) !== unit.inexact && unit.blocks.some(({ header }) => this.#assumptions.mayJudge(header));
    const mistake: Mistake = why === L.APART_BYTES ? "bytes" : why === L.APART_STACK ? "stack" : misjudged ? "inexact" : "numbers";
    for (const { header } of unit.blocks) this.#assumptions.wrong(header, mistake);
    const limits = { blocks: unit.blocks.length, instructions: unit.instructions };
    const base = this.#view.getBigUint64(cpu + L.EXIT_ARG, true);
    this.#translate(cpu, unit.entries[0]!.header, base, unit.entries, limits, [unit]);
    this.#counts.unitsApart++;
  }

  /** Writes the region of `roots`; `like` is a block of the same mode. */
  #translate(cpu: number, like: number, base: bigint, roots: readonly Root[], limits: RegionLimits, replaces: readonly Unit[]): void {
    const started = performance.now();
    const mode = this.#view.getUint32(like + L.H_MODE, true);
    const modeNumber = this.#modes.get(mode) ?? this.#modes.size + 1;
    if (modeNumber > MAX_MODES) return;
    this.#modes.set(mode, modeNumber);
    this.#view.setUint32(L.UNIT_MODES + 4 * modeNumber, mode, true);
    const region = formRegion(this.#source(cpu, replaces.length > 0), roots, mode, base, this.#leastRuns, limits);
    const slot = region.blocks.length === 0 ? undefined : this.#takeSlot();
    if (slot === undefined) return;
    const number = ((modeNumber << L.UNIT_MODE_SHIFT) | (slot << L.UNIT_SHIFT)) >>> 0;
    const { body, blocks, entries, instructions, cases } = writeUnit(region, number);
    const unit: Unit = {
      blocks,
      entries,
      number,
      slot,
      bytes: body.code.length,
      instructions,
      cases,
      address: base + BigInt(entries[0]!.delta),
      level: this.#view.getUint32(cpu + L.CPL, true) as PrivilegeLevel,
      body,
      installed: false,
      dead: false,
      replaces,
      inexact: this.#inexact(cpu),
      leaving: false,
      leaps: 0,
      mistakes: 0,
      mistakesSince: 0,
      module: undefined,
    };
    for (const old of replaces) old.leaving = true;
    for (const block of blocks) {
      const units = this.#byBlock.get(block.header) ?? new Set();
      units.add(unit);
      this.#byBlock.set(block.header, units);
      this.#setState(block.header, this.#view.getUint32(block.header + L.H_STATE, true) | L.BLOCK_TRANSLATED);
    }
    this.#bySlot.set(slot, unit);
    this.#queue.push(unit);
    if (replaces.length > 0) this.#counts.unitsJoined++;
    this.#counts.units++;
    this.#counts.unitBytes += unit.bytes;
    this.#counts.unitInstructions += instructions;
    this.#counts.translateMs += performance.now() - started;
  }

  /** A free place in the engine's table; undefined when there is none: soon some will be. */
  #takeSlot(): number | undefined {
    const free = this.#freeSlots.pop();
    if (free !== undefined) return free;
    const { table } = this.options.engine;
    if (table.length < L.UNIT_SLOTS) return table.grow(1);
    this.#full = true;
    return undefined;
  }

  #setState(header: number, state: number): void {
    this.#view.setUint32(header + L.H_STATE, state, true);
  }

  #source(cpu: number, joins: boolean): BlockSource {
    const view = this.#view;
    const units = this.#byBlock;
    const assumptions = this.#assumptions;
    const inexact = this.#inexact(cpu);
    const hot = this.#heat;
    const near = view.getBigUint64(cpu + L.GPR + RBP * 8, true) - view.getBigUint64(cpu + L.GPR + RSP * 8, true);
    // A frame pointer is not far from the stack pointer.
    const stack = (1 << RSP) | (BigInt.asUintN(64, near + FRAME_REACH) < 2n * FRAME_REACH ? 1 << RBP : 0);
    const tlb = view.getUint32(cpu + L.TLB, true);
    const context = view.getBigUint64(cpu + L.CTX, true);
    const entryOf = (linear: bigint): number => tlb + ((Number((linear >> 12n) & 0xffffffn) & (L.TLB_ENTRIES - 1)) << L.TLB_SHIFT);
    return {
      view,
      handlers: this.options.handlers,
      find: (host, mode) => findBlock(view, host, mode),
      hostOf(linear) {
        const entry = entryOf(linear);
        if (view.getBigUint64(entry + L.TLB_X, true) !== ((linear & ~0xfffn) ^ context)) return 0;
        return (view.getUint32(entry + L.TLB_ADDEND, true) + Number(linear & 0xffffffffn)) >>> 0;
      },
      table(linear, long) {
        const bytes = long ? 8 : 4;
        const entry = entryOf(linear);
        if (view.getBigUint64(entry + L.TLB_R, true) !== ((BigInt.asUintN(64, linear) & ~0xfffn) ^ context)) return [];
        const first = (view.getUint32(entry + L.TLB_ADDEND, true) + Number(linear & 0xffffffffn)) >>> 0;
        const count = Math.min(MOST_CASES, Math.floor((4096 - Number(linear & 0xfffn)) / bytes));
        const at = Array.from({ length: count }, (_, i) => first + i * bytes);
        return at.map((host) => (long ? view.getBigUint64(host, true) : BigInt(view.getUint32(host, true))));
      },
      probing: (header) => ({
        rangeBytes: assumptions.apart(header) ? 0 : MOST_BYTES,
        stack: assumptions.roaming(header) ? 0 : stack,
      }),
      plain: (header) => assumptions.plain(header),
      inexact: (header) => (assumptions.mayJudge(header) ? inexact : undefined),
      runs(header) {
        if (joins ? units.has(header) : view.getUint32(header + L.H_UNIT, true) !== 0) return joins ? Number.POSITIVE_INFINITY : 0;
        const heat = view.getUint32(header + L.H_HEAT, true);
        return heat > hot ? Number.POSITIVE_INFINITY : hot - heat;
      },
    };
  }

  /** Between two runs: compiles what was written. */
  pump(): void {
    this.#setHeat();
    this.#makeRoom();
    if (this.#queue.length === 0 || this.#compiling > 0) return;
    const batch = this.#queue.splice(0, BATCH).filter((unit) => !unit.dead);
    if (batch.length === 0) return;
    const written = writeModule(batch.map((unit) => unit.body!));
    const module: Module = { units: batch, bytes: written.length, live: batch.length };
    this.#held.add(module);
    this.#heldBytes += module.bytes;
    for (const unit of batch) {
      unit.body = undefined;
      unit.module = module;
    }
    this.#counts.modules++;
    const modules = this.#modules(this.options.rewrite?.(written) ?? written);
    if (this.options.synchronous) {
      this.#install(
        batch,
        modules.map(({ bytes, imports }) => new WebAssembly.Instance(new WebAssembly.Module(bytes), imports)),
      );
      return;
    }
    this.#compiling++;
    const generation = this.#generation;
    void Promise.all(modules.map(({ bytes, imports }) => WebAssembly.instantiate(bytes, imports))).then((results) => {
      this.#compiling--;
      if (generation !== this.#generation) return;
      this.#install(
        batch,
        results.map(({ instance }) => instance),
      );
    });
  }

  /** Blocks are hot sooner while the interpreter repeats itself. */
  #setHeat(): void {
    const view = this.#view;
    let interpreted = -Number(view.getBigUint64(L.UNIT_INSTRUCTIONS_PTR, true));
    for (let id = 0; id < view.getUint32(L.VCPU_COUNT_PTR, true); id++) interpreted += this.#retired(L.VCPU_BASE + id * L.VCPU_STRIDE);
    this.#repetition.look(interpreted, view.getUint32(L.CODE_BLOCKS_PTR, true));
    view.setUint32(L.HOT_PTR, this.#repetition.found ? Math.max(0, this.#heat - REPEATED_HEAT) : 0, true);
  }

  /** Instructions that a vCPU has retired. */
  #retired(cpu: number): number {
    return Number(this.#view.getBigInt64(cpu + L.RETIRED, true)) - Number(this.#view.getBigInt64(cpu + L.COUNT, true));
  }

  /** What is compiled of a module: itself, and for verification a second time. */
  #modules(bytes: Uint8Array<ArrayBuffer>): { bytes: Uint8Array<ArrayBuffer>; imports: WebAssembly.Imports }[] {
    const { memory, engine, verifier } = this.options;
    const importsOf = (exports: TranslatorEngine): WebAssembly.Imports => ({
      env: { memory },
      engine: exports as unknown as WebAssembly.ModuleImports,
    });
    const own = { bytes, imports: importsOf(engine) };
    return verifier === undefined ? [own] : [own, { bytes: verifier.noting(bytes), imports: importsOf(verifier.engine) }];
  }

  #install(batch: readonly Unit[], instances: readonly WebAssembly.Instance[]): void {
    const { table } = this.options.engine;
    batch.forEach((unit, i) => {
      if (unit.dead) return;
      for (const old of unit.replaces) this.#kill(old);
      const [code, noting] = instances.map(({ exports }) => exports[String(i)] as UnitFunction);
      table.set(unit.slot, noting === undefined ? code : this.options.verifier!.gate(unit, code!, noting));
      unit.installed = true;
      unit.entries.forEach((block, entry) => {
        this.#view.setUint32(block.header + L.H_UNIT, unit.number | entry, true);
        this.#view.setInt32(block.header + L.H_UNIT_DELTA, block.delta, true);
      });
    });
  }

  /** The engine has dropped a block: what contains it is no longer right. */
  dropped(header: number): void {
    this.#assumptions.forget(header);
    for (const unit of this.#byBlock.get(header) ?? []) this.#kill(unit);
  }

  #kill(unit: Unit): void {
    if (unit.dead) return;
    unit.dead = true;
    this.#counts.unitsDropped++;
    if (unit.module !== undefined && --unit.module.live === 0) this.#release(unit.module);
    for (const { header } of unit.blocks) {
      const units = this.#byBlock.get(header);
      units?.delete(unit);
      if (units?.size === 0) this.#byBlock.delete(header);
      this.#view.setUint32(header + L.H_HEAT, this.#heat, true);
    }
    if (unit.installed) {
      for (const { header } of unit.entries)
        if ((this.#view.getUint32(header + L.H_UNIT, true) & ~0xff) >>> 0 === unit.number) this.#view.setUint32(header + L.H_UNIT, 0, true);
      this.options.engine.jumpForget(unit.slot);
    }
    for (const old of unit.replaces) old.leaving = false;
    this.#freeSlot(unit);
  }
  #freeSlot(unit: Unit): void {
    this.#bySlot.delete(unit.slot);
    if (unit.installed) this.options.engine.table.set(unit.slot, null);
    this.#freeSlots.push(unit.slot);
  }

  #release(module: Module): void {
    if (this.#held.delete(module)) this.#heldBytes -= module.bytes;
  }

  /** Forgets the oldest modules when there are too many bytes of them, or no place is free: what is still hot is soon translated again. */
  #makeRoom(): void {
    const most = this.options.maxCodeBytes ?? MAX_CODE_BYTES;
    if (this.#heldBytes <= most && !this.#full) return;
    for (const module of this.#held) {
      for (const unit of module.units) this.#kill(unit);
      if (this.#heldBytes <= most - most / 4 && this.#freeSlots.length > 0) break;
    }
    this.#full = false;
  }

  /** All decoded blocks are gone, their memory is used anew. */
  flushed(): void {
    this.#generation++;
    const all = new Set<Unit>();
    for (const units of this.#byBlock.values()) for (const unit of units) all.add(unit);
    for (const unit of all) {
      unit.dead = true;
      this.#freeSlot(unit);
    }
    for (let id = 0; id < this.#view.getUint32(L.VCPU_COUNT_PTR, true); id++)
      this.options.engine.jumpWipe(L.VCPU_BASE + id * L.VCPU_STRIDE);
    this.#byBlock.clear();
    this.#assumptions.clear();
    this.#queue.length = 0;
    this.#held.clear();
    this.#heldBytes = 0;
  }
}

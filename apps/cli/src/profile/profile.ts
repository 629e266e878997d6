// One profile of one machine: what was sampled and counted, with names, in a form that the writers of reports share.
import type { CodeRegion, Core } from "@paravane/paravirt-ops";
import type { MachineStats } from "@paravane/vmm";
import type { Parts } from "../parts.js";
import { Exits } from "./exits.js";
import { Names } from "./names.js";
import { Sampler } from "./sampler.js";
import { IDLE, type Place } from "./samples.js";
import type { SymbolTable } from "./symbols.js";

/** What was spent somewhere. */
export interface Spent {
  samples: number;
  /** Host milliseconds inside vCPUs. */
  ms: number;
  instructions: number;
}

/** A function, or a page of code without names. */
export interface ProfiledFunction extends Spent {
  readonly name: string;
  readonly owner: string;
  /** CR3, for programs. */
  readonly root: bigint;
  readonly places: { readonly place: Place; readonly offset: bigint }[];
}

/** The finished profile. */
export interface Profile {
  readonly total: Spent;
  readonly idleMs: number;
  /** Taken for other work of the host. */
  readonly lostMs: number;
  readonly namesFrom: string;
  readonly functions: readonly ProfiledFunction[];
  readonly levels: ReadonlyMap<string, Spent>;
  readonly spaces: readonly { readonly root: bigint; readonly ms: number; readonly userMs: number; readonly instructions: number }[];
  /** Indices into `functions`, or -1 while nothing ran, and the milliseconds of each. */
  readonly timeline: { readonly functions: Int32Array; readonly ms: Float32Array };
  readonly exits: Exits;
  readonly slices: ReadonlyMap<string, number>;
  readonly stats: MachineStats;
  /** What the core keeps translated, the most used first; empty when it does not tell. */
  readonly regions: readonly (CodeRegion & { readonly name: string })[];
}

/** Watches a machine from its making to its end. */
export class Profiler {
  readonly exits = new Exits();
  readonly #sampler: Sampler;

  constructor(sampler = new Sampler()) {
    this.#sampler = sampler;
  }

  /** The same parts, watched. */
  wrap(parts: Parts): Parts {
    return { ...parts, core: this.#sampler.wrap(this.exits.wrapCore(parts.core)), board: this.exits.wrapBoard(parts.board) };
  }

  /** Forgets what was seen so far: the profile begins here. */
  restart(): void {
    this.#sampler.restart();
    this.exits.restart();
  }

  /** The profile so far; the guest must stand still. */
  finish(core: Core | undefined, stats: MachineStats, symbols: readonly SymbolTable[]): Profile {
    const names = new Names(symbols, core);
    const { samples } = this.#sampler;
    const functions: ProfiledFunction[] = [];
    const index = new Map<string, number>();
    const levels = new Map<string, Spent>();
    const functionOf = samples.places.map((place) => {
      const { name, offset, owner } = names.of(place);
      const root = owner === "user" ? place.root : 0n;
      const key = `${owner} ${root} ${name}`;
      let number = index.get(key);
      if (number === undefined) {
        number = functions.length;
        index.set(key, number);
        functions.push({ name, owner, root, samples: 0, ms: 0, instructions: 0, places: [] });
      }
      const found = functions[number]!;
      spend(found, place);
      found.places.push({ place, offset });
      const level = place.mode === "real mode" || place.mode === "elsewhere" ? place.mode : `${place.mode}, ring ${place.level}`;
      const entry = levels.get(level) ?? { samples: 0, ms: 0, instructions: 0 };
      levels.set(level, entry);
      spend(entry, place);
      return number;
    });
    const { places, ms } = samples.timeline;
    let idleMs = 0;
    for (let at = 0; at < places.length; at++) if (places[at] === IDLE) idleMs += ms[at]!;
    return {
      total: { samples: samples.total, ms: samples.totalMs, instructions: samples.totalInstructions },
      idleMs,
      lostMs: this.#sampler.lostMs,
      namesFrom: names.origin,
      functions,
      levels,
      spaces: [...samples.spaces].map(([root, spent]) => ({ root, ...spent })).sort((a, b) => b.ms - a.ms),
      timeline: { functions: places.map((place) => (place === IDLE ? IDLE : functionOf[place]!)), ms },
      exits: this.exits,
      slices: this.#sampler.exits,
      stats,
      regions: [...(core?.regions?.() ?? [])]
        .sort((a, b) => b.entries - a.entries)
        .map((region) => {
          const { name, offset } = names.of({ address: region.address, level: region.level, mode: "", root: 0n });
          return { ...region, name: `${name}+0x${offset.toString(16)}` };
        }),
    };
  }
}

function spend(into: Spent, from: Spent): void {
  into.samples += from.samples;
  into.ms += from.ms;
  into.instructions += from.instructions;
}

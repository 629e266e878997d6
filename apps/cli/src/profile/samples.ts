// Where a guest's processors were, as counted places and as a timeline. Both are bounded: a guest that runs everywhere makes the record
// coarser, never longer.

/** What a vCPU was doing, from its registers. */
export interface Where {
  /** Linear address of the next instruction. */
  readonly address: bigint;
  /** 0 to 3; real mode counts as 0. */
  readonly level: number;
  /** Words for the mode: "64-bit", "32-bit", "16-bit", "real mode". */
  readonly mode: string;
  /** CR3: tells address spaces apart. */
  readonly root: bigint;
}

/** A place and what was spent there. */
export interface Place extends Where {
  samples: number;
  /** Milliseconds of the host inside vCPUs since the sample before. */
  ms: number;
  instructions: number;
}

/** How much is kept. */
export interface SampleLimits {
  readonly places: number;
  /** Entries of the timeline, an even number. */
  readonly timeline: number;
}

const LIMITS: SampleLimits = { places: 1 << 17, timeline: 1 << 18 };
/** Places of the kernel are one, whoever asked for its services. */
const KERNEL_ROOT = 0n;

/** Index in the timeline of time in which no vCPU ran. */
export const IDLE = -1;
/** The place of samples for which no room was left. */
const ELSEWHERE: Where = { address: 0n, level: 0, mode: "elsewhere", root: 0n };

/** Collects samples. */
export class Samples {
  readonly places: Place[] = [];
  /** Milliseconds and instructions by CR3, the kernel's part included. */
  readonly spaces = new Map<bigint, { ms: number; instructions: number; userMs: number }>();
  readonly #index = new Map<bigint, Map<bigint, number>>();
  #timelinePlaces = new Int32Array(64);
  #timelineMs = new Float32Array(64);
  #length = 0;
  total = 0;
  totalMs = 0;
  totalInstructions = 0;

  constructor(private readonly limits = LIMITS) {}

  /** Records that a vCPU got to `where` in so much time and so many instructions. True when the timeline was thinned out, so that fewer should follow. */
  add(where: Where, ms: number, instructions: number): boolean {
    const index = this.#placeOf(where);
    const place = this.places[index]!;
    place.samples++;
    place.ms += ms;
    place.instructions += instructions;
    this.total++;
    this.totalMs += ms;
    this.totalInstructions += instructions;
    if (this.spaces.size < this.limits.places || this.spaces.has(where.root)) {
      const space = this.spaces.get(where.root) ?? { ms: 0, instructions: 0, userMs: 0 };
      space.ms += ms;
      space.instructions += instructions;
      if (where.level === 3) space.userMs += ms;
      this.spaces.set(where.root, space);
    }
    return this.#append(index, ms);
  }

  /** Time that passed while no vCPU ran. */
  addIdle(ms: number): void {
    this.#append(IDLE, ms);
  }

  /** Indices into `places`, or IDLE, and how long each took, in order. */
  get timeline(): { readonly places: Int32Array; readonly ms: Float32Array } {
    return { places: this.#timelinePlaces.subarray(0, this.#length), ms: this.#timelineMs.subarray(0, this.#length) };
  }

  #placeOf(where: Where): number {
    const root = where.level === 3 ? where.root : KERNEL_ROOT;
    let space = this.#index.get(root);
    const found = space?.get(where.address);
    if (found !== undefined) return found;
    if (this.places.length >= this.limits.places) return this.limits.places - 1;
    if (space === undefined) {
      space = new Map();
      this.#index.set(root, space);
    }
    const index = this.places.length;
    space.set(where.address, index);
    this.places.push({ ...(index === this.limits.places - 1 ? ELSEWHERE : where), samples: 0, ms: 0, instructions: 0 });
    return index;
  }

  #append(place: number, ms: number): boolean {
    let thinned = false;
    if (this.#length === this.limits.timeline) {
      this.#thin();
      thinned = true;
    } else if (this.#length === this.#timelinePlaces.length) {
      const places = new Int32Array(this.#length * 2);
      const times = new Float32Array(this.#length * 2);
      places.set(this.#timelinePlaces);
      times.set(this.#timelineMs);
      [this.#timelinePlaces, this.#timelineMs] = [places, times];
    }
    this.#timelinePlaces[this.#length] = place;
    this.#timelineMs[this.#length] = ms;
    this.#length++;
    return thinned;
  }

  /** Two neighbours become one, with the place of the longer. */
  #thin(): void {
    const [places, times] = [this.#timelinePlaces, this.#timelineMs];
    for (let pair = 0; pair < this.#length >> 1; pair++) {
      const [a, b] = [2 * pair, 2 * pair + 1];
      places[pair] = times[a]! >= times[b]! ? places[a]! : places[b]!;
      times[pair] = times[a]! + times[b]!;
    }
    this.#length >>= 1;
  }
}

/** What every device must do, whatever a guest does to it: answer in range, never throw, and keep its state in a snapshot. */
import { isHvError } from "../errors.js";
import type { MmioDevice } from "../bus/mmio.js";
import type { PioDevice } from "../bus/pio.js";
import type { SnapshotRecord, Snapshottable } from "../snapshot.js";
import type { AccessSize } from "../units.js";
import { type ConformanceCase, check, same } from "./case.js";

/** A device on a bench: one window, and its state if it can be saved. */
export interface DeviceBench {
  /** Bytes or ports of the window. */
  readonly length: number;
  readonly pio?: PioDevice;
  readonly mmio?: MmioDevice;
  readonly state?: Snapshottable;
}

const SIZES: readonly AccessSize[] = [1, 2, 4];
const WRITES = 5_000;
const LIMIT = { 1: 0xff, 2: 0xffff, 4: 0xffffffff } as const;

/** Deterministic noise (a linear congruential generator). */
function noise(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

interface Window {
  read(offset: number, size: AccessSize): number;
  write(offset: number, size: AccessSize, value: number): void;
}

function windows({ pio, mmio }: DeviceBench): Window[] {
  const found: Window[] = [];
  if (pio !== undefined)
    found.push({ read: (offset, size) => pio.pioRead(offset, size), write: (offset, size, value) => pio.pioWrite(offset, size, value) });
  if (mmio !== undefined)
    found.push({
      read: (offset, size) => mmio.mmioRead(offset, size),
      write: (offset, size, value) => mmio.mmioWrite(offset, size, value),
    });
  return found;
}

function readAll(window: Window, length: number): void {
  for (const size of SIZES) {
    for (let offset = 0; offset + size <= Math.min(length, 4096); offset++) {
      const value = window.read(offset, size);
      check(Number.isInteger(value) && value >= 0 && value <= LIMIT[size], `reading ${size} bytes at ${offset} gives ${value}`);
    }
  }
}

function storm(bench: DeviceBench, seed: number, writes = WRITES): void {
  const random = noise(seed);
  for (const window of windows(bench)) {
    for (let index = 0; index < writes; index++) {
      const size = SIZES[random(3)]!;
      const offset = random(Math.max(1, bench.length - size + 1));
      window.write(offset, size, random(4) === 0 ? [0, LIMIT[size]][random(2)]! : random(LIMIT[size] + 1));
      if (random(8) === 0) window.read(offset, size);
    }
  }
}

/** The suite of a device; `make` gives a new one each time. */
export function deviceSuite(make: () => DeviceBench): ConformanceCase[] {
  const cases: ConformanceCase[] = [
    {
      name: "reads of every width at every offset are unsigned and in range, before and after a storm of writes",
      run: () => {
        const bench = make();
        for (const window of windows(bench)) readAll(window, bench.length);
        storm(bench, 1);
        for (const window of windows(bench)) readAll(window, bench.length);
      },
    },
    {
      name: "no guest can make it throw",
      run: () => {
        for (let seed = 2; seed < 12; seed++) storm(make(), seed);
      },
    },
  ];
  if (make().state === undefined) return cases;
  const state = (bench: DeviceBench): SnapshotRecord => bench.state!.save();
  cases.push(
    {
      name: "loading what was saved gives the same state",
      run: () => {
        const used = make();
        storm(used, 20, 500);
        const saved = state(used);
        const fresh = make();
        fresh.state!.load(saved);
        same(state(fresh), saved, "state");
      },
    },
    {
      name: "a saved state is not changed by what comes after",
      run: () => {
        const used = make();
        storm(used, 21, 100);
        const saved = state(used);
        const copy = structuredClone(saved);
        storm(used, 22, 500);
        same(saved, copy, "state");
      },
    },
    {
      name: "a state of an unknown schema is refused by its name",
      run: () => {
        const bench = make();
        try {
          bench.state!.load({ ...state(bench), schema: "unknown@999" });
        } catch (error) {
          check(isHvError(error) && error.code === "snapshot/unknown-schema", "the error is snapshot/unknown-schema");
          return;
        }
        throw new Error("it was accepted");
      },
    },
  );
  return cases;
}

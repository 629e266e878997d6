// What benchmarks tell of memory: the most that the process has had, and how much of that is the guest's own.

const MIB = 2 ** 20;

/** `memory` of our `--stats`, as far as it is told here. Bytes. */
export interface MemoryStats {
  readonly touchedBytes: number;
  /** Not told by every system. */
  readonly guestResidentBytes?: number;
  readonly peakResidentBytes: number;
}

/** What is told of them, in the order of the tables: name, and MiB; undefined where the system does not tell. */
export const MEMORY_FIGURES: readonly (readonly [name: string, mib: (memory: MemoryStats) => number | undefined])[] = [
  ["guest memory touched", (memory) => inMib(memory.guestResidentBytes)],
  ["peak less guest memory touched", (memory) => lessOf(memory, memory.guestResidentBytes)],
  ["guest pages in use", (memory) => inMib(memory.touchedBytes)],
  ["peak less guest pages in use", (memory) => lessOf(memory, memory.touchedBytes)],
];
const inMib = (bytes: number | undefined): number | undefined => (bytes === undefined ? undefined : bytes / MIB);
const lessOf = (memory: MemoryStats, bytes: number | undefined): number | undefined =>
  bytes === undefined ? undefined : (memory.peakResidentBytes - bytes) / MIB;

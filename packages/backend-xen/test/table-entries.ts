/** The present entries of all page tables of a domain, as they stand in its memory. */
import type { Mfn } from "@paravane/paravirt-ops";
import type { Domain } from "../src/domain/domain.js";
import { frameOf, PRESENT, WRITE } from "../src/mmu/entry.js";
import { type FrameType, frameTypes, levelOf } from "../src/mmu/frame-table.js";
import { wordsOf } from "../src/mmu/table-validation.js";

/** One of them: entry `index` of frame `table`, which is of `type`, names `target`. */
export interface TableEntry {
  readonly table: Mfn;
  readonly type: FrameType;
  readonly index: number;
  readonly target: Mfn;
  readonly write: boolean;
}

/** By frame, then by index. */
export function* tableEntries({ frames, environment, bits }: Domain): Generator<TableEntry> {
  for (let table = 0; table < frames.ramFrames; table++) {
    const type = frames.typeOf(table);
    if (levelOf(type) === undefined) continue;
    const words = wordsOf(environment.memory, table);
    const count = bits === 32 && type === frameTypes.l3 ? 4 : 512;
    for (let index = 0; index < count; index++) {
      const low = words[2 * index]!;
      if ((low & PRESENT) === 0) continue;
      yield { table, type, index, target: frameOf(low, words[2 * index + 1]!), write: (low & WRITE) !== 0 };
    }
  }
}

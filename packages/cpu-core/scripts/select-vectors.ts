/**
 * `tsx scripts/select-vectors.ts IN.bin.gz OUT.bin.gz [BYTES]`: chooses cases of a vector file so that each key (vectors/key.ts) keeps several,
 * as many as fit into BYTES compressed (1,200,000 unless told). The choice depends on the input alone.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { gunzipSync, gzipSync } from "node:zlib";
import { createInstruction } from "../src/decode/instruction.ts";
import { parseVectors } from "../vectors/format.ts";
import { keyOf } from "../vectors/key.ts";
import { baseOf, type Parts, partsOf, subset } from "../vectors/subset.ts";

const [input, output, limit = "1200000"] = process.argv.slice(2);
if (input === undefined || output === undefined) throw new Error("usage: select-vectors IN.bin.gz OUT.bin.gz [BYTES]");

/** Cases by key, as numbers. */
function group(bytes: Uint8Array): Map<string, number[]> {
  const file = parseVectors(bytes);
  const instruction = createInstruction();
  const groups = new Map<string, number[]>();
  for (const test of file.cases()) {
    const key = keyOf(test, file.mode, instruction);
    const list = groups.get(key) ?? [];
    groups.set(key, list);
    list.push(test.index);
  }
  return groups;
}

/** Base states are large and do not compress: few of them, chosen greedily, so that up to `enough` cases of each key are at hand. */
function chooseBases(parts: Parts, groups: ReadonlyMap<string, readonly number[]>, enough: number): Set<number> {
  const wanted = [...groups.values()].map((cases) => ({ cases, missing: Math.min(enough, cases.length) }));
  const chosen = new Set<number>();
  while (wanted.some(({ missing }) => missing > 0)) {
    const gain = new Float64Array(parts.bases.length);
    for (const { cases, missing } of wanted) {
      const here = new Map<number, number>();
      if (missing > 0) for (const n of cases) here.set(baseOf(parts.records[n]!), (here.get(baseOf(parts.records[n]!)) ?? 0) + 1);
      for (const [base, count] of here) if (!chosen.has(base)) gain[base]! += Math.min(count, missing);
    }
    const best = gain.indexOf(Math.max(...gain));
    chosen.add(best);
    for (const group of wanted)
      group.missing = Math.max(0, group.missing - group.cases.filter((n) => baseOf(parts.records[n]!) === best).length);
  }
  return chosen;
}

/** Up to `quota` cases of each key, spread evenly over those that there are. */
function choose(parts: Parts, groups: ReadonlyMap<string, readonly number[]>, bases: ReadonlySet<number>, quota: number): number[] {
  const out: number[] = [];
  for (const all of groups.values()) {
    const near = all.filter((n) => bases.has(baseOf(parts.records[n]!)));
    const count = Math.min(quota, near.length);
    for (let i = 0; i < count; i++) out.push(near[Math.floor((i * near.length) / count)]!);
  }
  return out.sort((a, b) => a - b);
}

const bytes = gunzipSync(readFileSync(input));
const parts = partsOf(bytes);
const groups = group(bytes);
const bases = chooseBases(parts, groups, 1);
let low = 1,
  high = 512;
let best: Uint8Array | undefined;
while (low <= high) {
  const quota = (low + high) >> 1;
  const packed = gzipSync(subset(parts, choose(parts, groups, bases, quota)), { level: 9 });
  if (packed.length <= Number(limit)) {
    best = packed;
    low = quota + 1;
  } else high = quota - 1;
}
if (best === undefined) throw new Error(`${limit} bytes are not enough for one case of each of ${groups.size} keys`);
writeFileSync(output, best);
process.stderr.write(
  `${groups.size} keys, ${bases.size} of ${parts.bases.length} base states, up to ${high} cases a key: ${best.length} bytes\n`,
);

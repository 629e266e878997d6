// What a program said, and how two runs of it differ. A line is "NAME: VALUE"; "skip NAME: reason" takes out every line whose name begins
// with NAME; lines whose name begins with "kernel" are compared between kernels for the same word size only.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Bits } from "./programs.js";

/** The recorded lines of a real processor. */
export const recordFile = (name: string, bits: Bits): string => join(import.meta.dirname, "../__expect__", `${name}.${bits}.txt`);

/** @throws when nothing was recorded */
export const recorded = (name: string, bits: Bits): string[] => readFileSync(recordFile(name, bits), "utf8").trimEnd().split("\n");

/** The lines that differ, as "- wanted" and "+ got", in the order of both. */
export function differences(wanted: readonly string[], got: readonly string[], sameKernel: boolean): string[] {
  const skipped = [...wanted, ...got].flatMap((line) => /^skip (.*?): /.exec(line)?.[1] ?? []);
  const counts = (line: string) =>
    !line.startsWith("skip ") && !skipped.some((name) => line.startsWith(name)) && (sameKernel || !line.startsWith("kernel"));
  const [left, right] = [wanted.filter(counts), got.filter(counts)];
  const lost = left.filter((line) => !right.includes(line)).map((line) => `- ${line}`);
  const added = right.filter((line) => !left.includes(line)).map((line) => `+ ${line}`);
  if (lost.length + added.length === 0 && left.join("\n") !== right.join("\n")) return ["the lines come in another order or number"];
  return [...lost, ...added];
}

/** How much a change weighs, what the pending changesets announce, and whether that is enough. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** What semver asks for. "never" is for what no release may do: a released guest ABI does not change. */
export type Weight = "none" | "patch" | "minor" | "major" | "never";
const ORDER: readonly Weight[] = ["none", "patch", "minor", "major", "never"];

/** One difference from what was released. */
export interface Change {
  readonly weight: Weight;
  /** A sentence for whoever made it. */
  readonly what: string;
}

/** The heavier of two. */
export const heavier = (a: Weight, b: Weight): Weight => (ORDER.indexOf(a) < ORDER.indexOf(b) ? b : a);

/** The heaviest pending changeset of each package, by its name. Those that a pre-release has used already do not count. */
export function pendingWeights(root: string): Map<string, Weight> {
  const dir = join(root, ".changeset");
  const pre = join(dir, "pre.json");
  const used: readonly string[] = existsSync(pre) ? (JSON.parse(readFileSync(pre, "utf8")) as { changesets: string[] }).changesets : [];
  const pending = new Map<string, Weight>();
  for (const file of readdirSync(dir)) {
    if (!file.endsWith(".md") || file === "README.md" || used.includes(file.slice(0, -3))) continue;
    const [, head = ""] = readFileSync(join(dir, file), "utf8").split(/^---$/m);
    for (const [, name, weight] of head.matchAll(/^\s*["']?([^"':]+)["']?\s*:\s*(patch|minor|major)\s*$/gm)) {
      pending.set(name!, heavier(pending.get(name!) ?? "none", weight as Weight));
    }
  }
  return pending;
}

/** Complaints about changes for which no changeset of the package is heavy enough. */
export function complaints(name: string, changes: readonly Change[], pending: ReadonlyMap<string, Weight>): string[] {
  const announced = pending.get(name) ?? "none";
  return changes
    .filter(({ weight }) => ORDER.indexOf(weight) > ORDER.indexOf(announced))
    .map(({ weight, what }) =>
      weight === "never"
        ? `${name}: ${what}; it has been released, and a released guest ABI does not change: give the new thing a new name and number`
        : `${name}: ${what}; that needs a ${weight} changeset, and ${announced === "none" ? "there is none" : `the heaviest is ${announced}`}`,
    );
}

// Compares every package's abi.lock.json with what its sources say now and with the released one in api/released/; --update rewrites it.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { type Lock, lockChanges, lockOf, textOf } from "./lock.js";
import { promises } from "./parts.js";
import { complaints, pendingWeights } from "./weights.js";

const root = join(import.meta.dirname, "../..");
const update = process.argv.includes("--update");
const read = (path: string): Lock | undefined => (existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as Lock) : undefined);
const problems: string[] = [];
const pending = pendingWeights(root);

for (const promise of await promises()) {
  const { dir } = promise;
  const { name } = JSON.parse(readFileSync(join(root, "packages", dir, "package.json"), "utf8")) as { name: string };
  const now = lockOf(promise);
  const path = join(root, "packages", dir, "abi.lock.json");
  if (update) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, textOf(now));
  } else {
    const committed = read(path) ?? { part: now.part, abi: now.abi, entries: {} };
    for (const { what } of lockChanges(committed, now)) problems.push(`${name}: ${what}, as its abi.lock.json does not have it`);
  }
  const released = read(join(root, "api/released", `${dir}.abi.lock.json`));
  if (released) problems.push(...complaints(name, lockChanges(released, now), pending));
}

for (const problem of problems) console.error(problem);
if (problems.length > 0) {
  if (!update) console.error("a change that is meant: `pnpm abi:update`, and a changeset that says what guests get");
  process.exitCode = 1;
}

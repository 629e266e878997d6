// What the operations of the table cost on each platform: npx tsx tests/kit/runner/bench.ts [--rounds N] [NAMES]. CPU time of this process a
// round of the guest's loop, what starting the kit costs taken off; least of the rounds, which take turns.
import { buildKit, canBuild, INSTALL, type KitMode } from "./build.js";
import { type KitRun, runKit } from "./machine.js";

/** Rounds of the guest's loops, as src/bench.c has them. */
const LOOPS: Readonly<Record<string, number>> = {
  flags: 5_000_000,
  entries: 200_000,
  batches: 200_000,
  syscalls: 500_000,
  "fast-syscalls": 500_000,
  timer: 50_000,
  clock: 500_000,
};
const PLACES: readonly (readonly [title: string, mode: KitMode, run: KitRun])[] = [
  ["native", "32-pae", { platform: "native" }],
  ["VMI, CPL 0", "32-pae", { platform: "vmi", vmi: { cpl: 0 } }],
  ["VMI, CPL 1", "32-pae", { platform: "vmi", vmi: { cpl: 1 } }],
  ["VMI, CPL 1, no hole", "32-pae", { platform: "vmi", vmi: { cpl: 1, hole: 0 } }],
  ["VMI, CPL 1, all native", "32-pae", { platform: "vmi", vmi: { cpl: 1, calls: "all=native" } }],
  ["Xen PV32", "32-pae", { platform: "xen" }],
  ["native 64", "64", { platform: "native" }],
  ["Xen PV64", "64", { platform: "xen" }],
];

/** CPU time of this process in µs. */
async function once(mode: KitMode, run: KitRun, words: string): Promise<number> {
  const before = process.cpuUsage();
  const { console: said } = await runKit(await buildKit(mode), { ...run, commandLine: `bench ${words}`, limit: 120 });
  const { user, system } = process.cpuUsage(before);
  if (!said.includes("passed, 0 failed") || (words !== "" && !said.includes(": done"))) throw new Error(`${words} did not end: ${said}`);
  return user + system;
}

if (!canBuild("32") || !canBuild("64")) throw new Error(`needs a compiler: ${INSTALL}`);
const words = process.argv.slice(2);
const at = words.indexOf("--rounds");
const rounds = at < 0 ? 3 : Number(words.splice(at, 2)[1]);
const names = words.length > 0 ? words : Object.keys(LOOPS);
for (const [, mode, run] of PLACES) await once(mode, run, names.map((name) => `bench=${name}`).join(" "));
const least = new Map<string, number>();
for (let round = 0; round < rounds; round++) {
  for (const name of ["", ...names]) {
    for (const [title, mode, run] of PLACES) {
      const cost = await once(mode, run, name === "" ? "" : `bench=${name}`);
      const key = `${title} ${name}`;
      const known = least.get(key);
      if (known === undefined || cost < known) least.set(key, cost);
    }
  }
}
console.log(`| | ${names.join(" | ")} |\n| --- |${names.map(() => " ---: |").join("")}`);
for (const [title] of PLACES) {
  const base = least.get(`${title} `)!;
  const cells = names.map((name) => {
    const nanoseconds = (1000 * Math.max(0, least.get(`${title} ${name}`)! - base)) / LOOPS[name]!;
    return `${nanoseconds.toFixed(nanoseconds < 100 ? 1 : 0)} ns`;
  });
  console.log(`| ${title} | ${cells.join(" | ")} |`);
}

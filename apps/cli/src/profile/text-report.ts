// A profile as text for people: where the host's time went, by privilege, address space, function and code line, and what left the core.
import type { Profile, ProfiledFunction, Spent } from "./profile.js";

const FUNCTIONS = 50;
const LINES = 40;
const SPACES = 12;
const EXITS = 30;
const REGIONS = 40;
/** Bytes of code that are told as one line. */
const LINE_BITS = 4n;

const percent = (part: number, whole: number): string => `${whole > 0 ? ((part / whole) * 100).toFixed(2) : "0.00"} %`.padStart(8);
const count = (value: number): string => Math.round(value).toLocaleString("en");
const megaPerSecond = ({ instructions, ms }: Spent): string => (ms > 0 ? (instructions / ms / 1000).toFixed(0) : "").padStart(6);
const whose = ({ owner, root }: Pick<ProfiledFunction, "owner" | "root">): string =>
  owner === "user" ? `user ${root.toString(16)}` : owner;

/** The whole report. */
export function textReport(profile: Profile): string {
  const { total, idleMs, stats } = profile;
  const lines = [
    `${(total.ms / 1000).toFixed(2)} s of the host inside vCPUs, ${(idleMs / 1000).toFixed(2)} s idle, ${(profile.lostMs / 1000).toFixed(2)} s lost to other work of the host; ${count(total.instructions)} guest instructions, ` +
      `${(total.instructions / Math.max(total.ms, 1e-9) / 1000).toFixed(0)} M/s; ${count(total.samples)} samples, one each ${(total.ms / Math.max(1, total.samples)).toFixed(2)} ms`,
    profile.namesFrom,
    ...section("By mode and privilege: time, M instructions/s"),
    ...[...profile.levels]
      .sort(([, a], [, b]) => b.ms - a.ms)
      .map(([name, spent]) => `${percent(spent.ms, total.ms)} ${megaPerSecond(spent)}  ${name}`),
    ...section("By address space (CR3): time, of that in programs"),
    ...profile.spaces
      .slice(0, SPACES)
      .map(({ root, ms, userMs }) => `${percent(ms, total.ms)} ${percent(userMs, ms)}  ${root.toString(16).padStart(8, "0")}`),
    ...rest(profile.spaces.length, SPACES, "address spaces"),
    ...section("By function: time, instructions, M instructions/s"),
    ...functionLines(profile),
    ...section(`By line of code (${1n << LINE_BITS} bytes): time, samples`),
    ...codeLines(profile),
    ...section("Exits to the board: time, count, ns each"),
    ...exitLines(profile),
    ...section("Turns of vCPUs, by what ended them"),
    ...[...profile.slices].map(([reason, times]) => `${count(times).padStart(12)}  ${reason}`),
  ];
  if (profile.exits.operations.size > 0) {
    lines.push(...section("Operations, hypercalls, intercepts and deliveries"));
    for (const [name, times] of [...profile.exits.operations].sort(([, a], [, b]) => b - a))
      lines.push(`${count(times).padStart(12)}  ${name}`);
  }
  if (profile.regions.length > 0)
    lines.push(...section("Translated code: entries, guest instructions, bytes, exits"), ...regionLines(profile));
  lines.push(...section("Counters of the core, since the machine was made"));
  for (const [name, value] of Object.entries(stats.core)) lines.push(`${count(value).padStart(16)}  ${name}`);
  return `${lines.join("\n")}\n`;
}

const section = (title: string): string[] => ["", title];
const rest = (all: number, shown: number, what: string): string[] =>
  all > shown ? [`          and ${count(all - shown)} more ${what}`] : [];

function functionLines({ functions, total }: Profile): string[] {
  const sorted = [...functions].sort((a, b) => b.ms - a.ms);
  return [
    ...sorted
      .slice(0, FUNCTIONS)
      .map(
        (found) =>
          `${percent(found.ms, total.ms)} ${percent(found.instructions, total.instructions)} ${megaPerSecond(found)}  ${found.name}  (${whose(found)})`,
      ),
    ...rest(sorted.length, FUNCTIONS, "functions"),
  ];
}

function codeLines({ functions, total }: Profile): string[] {
  const byLine = new Map<string, { ms: number; samples: number; text: string }>();
  for (const found of functions) {
    for (const { place, offset } of found.places) {
      const line = place.address >> LINE_BITS;
      const key = `${whose(found)} ${line}`;
      const start = offset - (place.address - (line << LINE_BITS));
      const text = `${(line << LINE_BITS).toString(16).padStart(8, "0")}  ${found.name}${start < 0n ? "" : "+"}${start < 0n ? "" : `0x${start.toString(16)}`}  (${whose(found)})`;
      const entry = byLine.get(key) ?? { ms: 0, samples: 0, text };
      entry.ms += place.ms;
      entry.samples += place.samples;
      byLine.set(key, entry);
    }
  }
  const sorted = [...byLine.values()].sort((a, b) => b.ms - a.ms).slice(0, LINES);
  return sorted.map(({ ms, samples, text }) => `${percent(ms, total.ms)} ${count(samples).padStart(8)}  ${text}`);
}

function exitLines({ exits, total }: Profile): string[] {
  const sorted = [...exits.counts].sort(([, a], [, b]) => b.ms - a.ms);
  return [
    ...sorted
      .slice(0, EXITS)
      .map(
        ([name, { count: times, ms }]) =>
          `${percent(ms, total.ms)} ${count(times).padStart(12)} ${((ms / times) * 1e6).toFixed(0).padStart(8)}  ${name}`,
      ),
    ...rest(sorted.length, EXITS, "kinds"),
  ];
}

function regionLines({ regions }: Profile): string[] {
  return regions.slice(0, REGIONS).map(({ entries, instructions, bytes, exits, name, tier }) => {
    const left = Object.entries(exits)
      .sort(([, a], [, b]) => b - a)
      .map(([reason, times]) => `${reason} ${count(times)}`)
      .join(", ");
    return `${count(entries).padStart(12)} ${count(instructions).padStart(6)} ${count(bytes).padStart(8)}  ${name}  (${tier}; ${left})`;
  });
}

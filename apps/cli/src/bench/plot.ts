// A run of the bench as an SVG: for each word size and each kind of work how many times the host's CPU time a guest takes, on a logarithmic
// scale, and CPU seconds of boots. Drawn from the same metrics that the report tells.
import { writeFileSync } from "node:fs";
import { fileError } from "../errors.js";
import { COLUMNS } from "./programs/catalogue.js";
import { type Conditions, noise } from "./report.js";
import type { Metric } from "./statistics.js";

const WIDTH = 860;
const LEFT = 120;
const RIGHT = 60;
const BAR = 11;
const GAP = 10;
const HEAD = 34;
const FONT = "font-family='sans-serif'";
const COLORS: Readonly<Record<string, string>> = {
  paravane: "#0b6e4f",
  qemu: "#c8553d",
  v86: "#e0a030",
  "v86-interp": "#f0cf90",
  other: "#5b7db1",
};
const UNKNOWN = "#888888";

interface Bar {
  readonly machine: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

interface Panel {
  readonly title: string;
  readonly groups: readonly { readonly name: string; readonly bars: readonly Bar[] }[];
}

/** The panels of a run: one for each word size, and one for boots. */
function panels(metrics: readonly Metric[]): Panel[] {
  const suites = [...new Set(metrics.map(({ suite }) => suite))];
  const found: Panel[] = [];
  for (const suite of suites) {
    const own = metrics.filter((entry) => entry.suite === suite && entry.unit === "× native");
    const groups = COLUMNS.map((column) => ({
      name: column,
      bars: own.flatMap((entry) => {
        const machine = /^(.*), ([^,]+), vCPU thread$/.exec(entry.name);
        return machine?.[1] === column ? [barOf(machine[2]!, entry)] : [];
      }),
    })).filter(({ bars }) => bars.length > 0);
    if (groups.length > 0) found.push({ title: `${suite}: CPU time of the vCPU's thread, times native, geometric means`, groups });
  }
  const boots = suites
    .filter((suite) => suite.startsWith("boot "))
    .map((suite) => ({
      name: suite.slice("boot ".length),
      bars: metrics.flatMap((entry) => {
        const machine = /^([^,]+), process$/.exec(entry.name);
        return entry.suite === suite && entry.unit === "CPU s" && machine ? [barOf(machine[1]!, entry)] : [];
      }),
    }));
  if (boots.length > 0) found.push({ title: "Boot to user space: CPU seconds of the whole process, from its start", groups: boots });
  return found;
}

const barOf = (machine: string, { median, low, high }: Metric): Bar => ({ machine, value: median, low, high });

/** The drawing. */
export function plotSvg(metrics: readonly Metric[], conditions: Conditions): string {
  const parts: string[] = [];
  let y = 10;
  const machines = new Set<string>();
  for (const panel of panels(metrics)) {
    y = drawPanel(panel, y, parts);
    for (const { bars } of panel.groups) for (const { machine } of bars) machines.add(machine);
  }
  let x = LEFT;
  for (const machine of machines) {
    parts.push(`<rect x='${x}' y='${y}' width='11' height='11' fill='${colorOf(machine)}'/>`, text(x + 16, y + 10, machine));
    x += 30 + machine.length * 8;
  }
  y += 34;
  parts.push(text(LEFT, y - 6, `${conditions.date}, Node ${conditions.node}, ${conditions.cpu}; ${noise(conditions)}`, 9));
  return [
    `<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 ${WIDTH} ${y}' width='${WIDTH}' height='${y}'>`,
    "<title>What guests cost: host CPU time as multiples of native, and CPU seconds of boots</title>",
    `<rect width='${WIDTH}' height='${y}' fill='white'/>`,
    ...parts,
    "</svg>",
    "",
  ].join("\n");
}

function drawPanel({ title, groups }: Panel, top: number, parts: string[]): number {
  const values = groups.flatMap(({ bars }) => bars.flatMap(({ low, high }) => [low, high]));
  const lowest = 10 ** Math.floor(Math.log10(Math.min(1, ...values)));
  const highest = 10 ** Math.ceil(Math.log10(Math.max(...values)));
  const place = (value: number): number =>
    LEFT + ((Math.log10(value) - Math.log10(lowest)) / (Math.log10(highest) - Math.log10(lowest))) * (WIDTH - LEFT - RIGHT);
  const height = groups.reduce((sum, { bars }) => sum + bars.length * BAR + GAP, 0);
  const bottom = top + HEAD + height;
  parts.push(text(10, top + 14, title, 13));
  for (let tick = lowest; tick <= highest; tick *= 10) {
    const x = place(tick).toFixed(1);
    parts.push(
      `<line x1='${x}' x2='${x}' y1='${top + HEAD - 8}' y2='${bottom}' stroke='#dddddd'/>`,
      text(Number(x), bottom + 11, `${tick}`, 9, "middle"),
    );
  }
  let y = top + HEAD;
  for (const { name, bars } of groups) {
    parts.push(text(LEFT - 8, y + (bars.length * BAR) / 2 + 4, name, 11, "end"));
    for (const { machine, value, low, high } of bars) {
      const [x, from, to] = [place(value), place(low), place(high)];
      parts.push(
        `<rect x='${LEFT}' y='${y + 1}' width='${Math.max(0, x - LEFT).toFixed(1)}' height='${BAR - 2}' fill='${colorOf(machine)}'/>`,
        `<line x1='${from.toFixed(1)}' x2='${to.toFixed(1)}' y1='${y + BAR / 2}' y2='${y + BAR / 2}' stroke='black'/>`,
        text(Math.max(x, to) + 4, y + BAR - 2, value >= 100 ? value.toFixed(0) : value.toPrecision(2), 9),
      );
      y += BAR;
    }
    y += GAP;
  }
  return bottom + 26;
}

const colorOf = (machine: string): string => COLORS[machine] ?? UNKNOWN;

const escaped = (words: string): string => words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

const text = (x: number, y: number, words: string, size = 11, anchor = "start"): string =>
  `<text x='${x}' y='${y}' font-size='${size}' text-anchor='${anchor}' ${FONT}>${escaped(words)}</text>`;

/** Writes the drawing. */
export function writePlot(path: string, metrics: readonly Metric[], conditions: Conditions): void {
  try {
    writeFileSync(path, plotSvg(metrics, conditions));
  } catch (error) {
    throw fileError(path, error);
  }
}

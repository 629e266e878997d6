/** `pnpm vectors FILE… [--engine interp|jit] [--show N]`: runs vector files, prints failures by class and, last, `N passed, N failed`. */
import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { differences } from "./compare.js";
import { VectorMachine } from "./driver.js";
import { parseVectors, type VectorCase } from "./format.js";

const ENGINES = ["interp", "jit"] as const;
type Engine = (typeof ENGINES)[number];

interface Options {
  files: string[];
  examples: number;
  engine: Engine;
}

function parseArguments(args: string[]): Options {
  const options: Options = { files: [], examples: 3, engine: "interp" };
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === "--") continue;
    if (arg === "--engine") {
      const name = args[++i] ?? "";
      const engine = ENGINES.find((e) => e === name);
      if (engine === undefined) throw new Error(`--engine ${name}: this build has ${ENGINES.join(", ")}`);
      options.engine = engine;
    } else if (arg === "--show") options.examples = Number(args[++i]);
    else if (arg.startsWith("-")) throw new Error(`unknown option ${arg}`);
    else options.files.push(arg);
  }
  if (options.files.length === 0) throw new Error("usage: vectors FILE… [--engine interp|jit] [--show N]");
  return options;
}

const hex = (bytes: Uint8Array): string => [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");

async function runFile(path: string, examples: number, engine: Engine): Promise<{ passed: number; failed: number }> {
  const raw = readFileSync(path);
  const file = parseVectors(raw[0] === 0x1f && raw[1] === 0x8b ? gunzipSync(raw) : raw);
  const machine = await VectorMachine.create(file, engine);
  const classes = new Map<string, { total: number; failed: number; kinds: Map<string, { count: number; cases: VectorCase[] }> }>();
  let passed = 0,
    failed = 0;
  for (const test of file.cases()) {
    let found: string[];
    try {
      found = differences(test, file.mode, machine.run(test));
      if (engine === "jit" && found.length === 0) found = differences(test, file.mode, machine.runAgain(test));
    } catch (error) {
      found = [error instanceof Error ? error.message.replace(/^case \d+: /, "") : String(error)];
    }
    const entry = classes.get(test.className) ?? { total: 0, failed: 0, kinds: new Map() };
    classes.set(test.className, entry);
    entry.total++;
    if (found.length === 0) {
      passed++;
      continue;
    }
    failed++;
    entry.failed++;
    const kind = found.join("; ");
    const list = entry.kinds.get(kind) ?? { count: 0, cases: [] };
    entry.kinds.set(kind, list);
    list.count++;
    if (list.cases.length < examples) list.cases.push(test);
  }
  console.log(`${path}: ${file.mode}-bit, ${file.count} cases, ${machine.translated} instructions in translations`);
  for (const [name, { total, failed: bad, kinds }] of [...classes].sort()) {
    if (bad === 0) continue;
    console.log(`  ${name}: ${bad} of ${total} failed`);
    for (const [kind, { count, cases }] of [...kinds].sort((x, y) => y[1].count - x[1].count).slice(0, 8))
      console.log(`    ${count} × ${kind}   ${cases.map((c) => `#${c.index} ${hex(c.code)}`).join("  ")}`);
  }
  return { passed, failed };
}

try {
  const { files, examples, engine } = parseArguments(process.argv.slice(2));
  let passed = 0,
    failed = 0;
  for (const path of files) {
    const result = await runFile(path, examples, engine);
    passed += result.passed;
    failed += result.failed;
  }
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 ? 1 : 0;
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}

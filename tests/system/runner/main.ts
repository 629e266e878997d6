// By hand: `tsx tests/system/runner/main.ts NAME [MODE] [--qemu] [--keep FILE]` shows the consoles of a test's cases.
import { copyFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { buildImage } from "./build.js";
import { casesOf } from "./catalogue.js";
import { runOurs, runQemu } from "./machines.js";
import { complaints } from "./verdict.js";

const { values, positionals } = parseArgs({ allowPositionals: true, options: { qemu: { type: "boolean" }, keep: { type: "string" } } });
const [name, mode] = positionals;
if (name === undefined) {
  console.error("usage: main.ts NAME [MODE] [--qemu] [--keep FILE]");
  process.exit(2);
}
for (const one of casesOf(name).filter((candidate) => mode === undefined || candidate.mode === mode)) {
  const { path, bytes } = await buildImage(one);
  if (values.keep !== undefined) copyFileSync(path, values.keep);
  const outcome = values.qemu ? await runQemu(path, one.settings) : await runOurs(bytes, one.settings);
  const wrong = complaints(outcome, values.qemu ? one.settings.qemu?.wrong : [], one.mode, one.settings.ends);
  console.log(`== ${one.title}: ${outcome.end}\n${outcome.console.replaceAll("\r", "")}${wrong.map((line) => `!! ${line}\n`).join("")}`);
  if (wrong.length > 0) process.exitCode = 1;
}

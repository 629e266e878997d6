// By hand: `main.ts [--record] [--print] [--guest NAME [--qemu] [--smp N]] [PROGRAM…]`. Without --guest the programs run on this host; --record
// writes what they say as the lines of a real processor, --print shows all of it, otherwise the differences from those lines are shown.
import { parseArgs } from "node:util";
import { existsSync, writeFileSync } from "node:fs";
import { differences, recorded, recordFile } from "./lines.js";
import { fromSources, runHere, runInGuest } from "./machines.js";
import { type Bits, buildProgram, type Program, programNames } from "./programs.js";

const { values, positionals: named } = parseArgs({
  allowPositionals: true,
  options: {
    record: { type: "boolean", default: false },
    print: { type: "boolean", default: false },
    qemu: { type: "boolean", default: false },
    guest: { type: "string" },
    smp: { type: "string", default: "1" },
  },
});
const { record, print, qemu, guest } = values;
const sizes: Bits[] = guest?.includes("686") ? [32] : [64, 32];
const programs: Program[] = sizes.flatMap((bits) =>
  programNames(bits)
    .filter((name) => named.length === 0 || named.includes(name))
    .map((name) => buildProgram(name, bits)),
);
const results =
  guest === undefined
    ? undefined
    : await runInGuest({ guest, qemu, cli: fromSources(), args: ["-smp", values.smp], limitSeconds: 900 }, programs);
let different = 0;
for (const program of programs) {
  const { name, bits } = program;
  const lines = results?.get(`${name} ${bits}`) ?? runHere(program);
  if (print) console.log(lines.join("\n"));
  if (record) {
    writeFileSync(recordFile(name, bits), `${lines.join("\n")}\n`);
    continue;
  }
  const found = existsSync(recordFile(name, bits))
    ? differences(recorded(name, bits), lines, !guest?.includes("686"))
    : ["nothing recorded", ...lines];
  different += found.length;
  console.log(`${name} ${bits}: ${found.length === 0 ? "as recorded" : `\n  ${found.join("\n  ")}`}`);
}
process.exit(different === 0 ? 0 : 1);

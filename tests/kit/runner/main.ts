// Runs the kit by hand: npx tsx tests/kit/runner/main.ts MODE PLATFORM [VCPUS] [VMI settings as JSON] [COMMAND LINE] [--count].
import { buildKit, type KitMode } from "./build.js";
import { complaints, type Platform, runKit } from "./machine.js";

const words = process.argv.slice(2).filter((word) => word !== "--count");
const [mode = "32", platform = "native", vcpus = "1", settings = "{}", commandLine = ""] = words;
const count = process.argv.includes("--count");
const outcome = await runKit(await buildKit(mode as KitMode), {
  platform: platform as Platform,
  vcpus: Number(vcpus),
  vmi: JSON.parse(settings || "{}"),
  commandLine,
  count,
});
process.stdout.write(outcome.console);
console.error(outcome.end);
for (const [name, times] of [...outcome.calls].sort((a, b) => b[1] - a[1])) console.error(`${name} ${times}`);
process.exitCode = complaints(outcome).length === 0 ? 0 : 1;

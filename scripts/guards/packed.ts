// Packs every package as it would be published and asks attw whether its types resolve wherever ECMAScript modules do. A WebAssembly file
// among the entry points has no types.
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");
const { packageManager } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { packageManager: string };
const temporary = mkdtempSync(join(tmpdir(), "paravane-packed-"));
const say = (command: string, args: readonly string[]) => spawnSync(command, args, { cwd: root, encoding: "utf8" });
try {
  const packed = say("npx", [
    "--yes",
    packageManager,
    "-r",
    "--filter",
    "./packages/*",
    "--filter",
    "./apps/cli",
    "pack",
    "--pack-destination",
    temporary,
  ]);
  const files = readdirSync(temporary).filter((name) => name.endsWith(".tgz"));
  if (packed.status !== 0 || files.length < 8) {
    console.error(packed.stdout, packed.stderr, `${files.length} packages were packed`);
    process.exitCode = 1;
  }
  for (const file of files) {
    const answer = say("node_modules/.bin/attw", [
      join(temporary, file),
      "--profile",
      "esm-only",
      "--format",
      "ascii",
      "--no-emoji",
      "--exclude-entrypoints",
      "engine.wasm",
    ]);
    if (answer.status === 0) continue;
    console.error(answer.stdout, answer.stderr, `attw finds fault with ${file}`);
    process.exitCode = 1;
  }
} finally {
  rmSync(temporary, { recursive: true, force: true });
}

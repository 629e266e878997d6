/**
 * The version script: versions and changelogs by changesets, then, for every package that got a new version, its API reports and its ABI
 * lock as they are now become the released ones in api/released/, against which changes are weighed from here on. Nothing else writes there.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");
const dirs = [...readdirSync(join(root, "packages")).map((name) => `packages/${name}`), "apps/cli"].filter((dir) =>
  existsSync(join(root, dir, "package.json")),
);
const versionOf = (dir: string): string =>
  (JSON.parse(readFileSync(join(root, dir, "package.json"), "utf8")) as { version: string }).version;

const before = new Map(dirs.map((dir) => [dir, versionOf(dir)]));
const { status } = spawnSync(process.execPath, ["node_modules/@changesets/cli/bin.js", "version"], {
  cwd: root,
  stdio: "inherit",
  env: { ...process.env, NODE_OPTIONS: "" },
});
if (status !== 0) process.exit(status ?? 70);
await import("../contract-version.mjs" as string);

const released = join(root, "api/released");
mkdirSync(released, { recursive: true });
for (const dir of dirs) {
  const version = versionOf(dir);
  if (version === before.get(dir)) continue;
  const short = dir.split("/").at(-1)!;
  const mine = (name: string): boolean => (name.startsWith(`${short}.`) || name.startsWith(`${short}-`)) && name.endsWith(".api.md");
  for (const file of readdirSync(released).filter(mine)) rmSync(join(released, file));
  for (const file of readdirSync(join(root, "api")).filter(mine)) copyFileSync(join(root, "api", file), join(released, file));
  const lock = join(root, dir, "abi.lock.json");
  if (existsSync(lock)) copyFileSync(lock, join(released, `${short}.abi.lock.json`));
  console.error(`${dir} is ${version}`);
}

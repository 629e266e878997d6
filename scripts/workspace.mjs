// What a fresh clone needs before anything else can run: a good enough Node, pnpm without a global install, and node_modules.
// Only Node built-ins here: these scripts run before anything is installed.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

/** Ends with a clear line when this Node is older than the workspace supports. */
export function requireNode() {
  const [major, minor] = process.versions.node.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return;
  console.error(`paravane needs Node 20.19 or newer; this is ${process.versions.node}.`);
  process.exit(2);
}

/** Runs a command in the workspace; its output goes to stderr, because stdout belongs to the guest. Exits with its status when it fails. */
export function must(command, args, { stdout = "stderr", env = {} } = {}) {
  const status = run(command, args, { stdout, env });
  if (status !== 0) process.exit(status);
}

/** Runs a command in the workspace and returns its exit status. */
export function run(command, args, { stdout = "stderr", env = {} } = {}) {
  const shell = process.platform === "win32";
  const result = spawnSync(command, args, {
    cwd: root,
    shell,
    stdio: ["inherit", stdout === "stderr" ? 2 : "inherit", "inherit"],
    env: { ...process.env, TURBO_TELEMETRY_DISABLED: "1", DO_NOT_TRACK: "1", ...env },
  });
  if (result.error) {
    console.error(`cannot run ${command}: ${result.error.message}`);
    return 70;
  }
  return result.status ?? 130;
}

/** The arguments that make npx run the pnpm named in package.json. */
export const pnpm = (...args) => ["npx", ["--yes", manifest.packageManager, ...args]];

/** Installs when node_modules is missing or belongs to another lockfile. */
export function ensureInstalled() {
  const stamp = join(root, "node_modules", ".paravane-installed");
  const hash = createHash("sha256")
    .update(readFileSync(join(root, "pnpm-lock.yaml")))
    .digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === hash) return;
  console.error("installing the workspace (once)");
  must(...pnpm("install", "--frozen-lockfile", "--prefer-offline", "--reporter=append-only"));
  writeFileSync(stamp, hash);
}

/** Builds the packages; turbo skips what has not changed. */
export function build(task = "build") {
  must(...pnpm("exec", "turbo", "run", task, "--output-logs=errors-only"));
}

/** True when the built command line is missing or older than a source file. */
export function isStale() {
  const cli = join(root, "apps/cli/dist/cli.js");
  if (!existsSync(cli)) return true;
  const built = statSync(cli).mtimeMs;
  const newer = (dir) =>
    readdirSync(dir, { withFileTypes: true }).some((entry) => {
      const path = join(dir, entry.name);
      if (entry.isDirectory()) return entry.name !== "generated" && newer(path);
      return !entry.name.endsWith(".test.ts") && statSync(path).mtimeMs > built;
    });
  return [
    "packages/paravirt-ops",
    "packages/cpu-core",
    "packages/devices",
    "packages/vmm",
    "packages/backend-native",
    "packages/backend-xen",
    "packages/backend-vmi",
    "apps/cli",
  ].some((dir) => newer(join(root, dir, "src")));
}

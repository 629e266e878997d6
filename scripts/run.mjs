// `npm run NAME -- args` on a machine that has only Node and npm: installs what is missing, then does NAME.
import { pathToFileURL } from "node:url";
import { join } from "node:path";
import { build, ensureInstalled, isStale, must, pnpm, requireNode, root, run } from "./workspace.mjs";

/** Runs the built command line in this process, so that the terminal and signals are its own. */
async function paravane(args) {
  process.argv = [process.argv[0], join(root, "apps/cli/dist/cli.js"), ...args];
  await import(pathToFileURL(process.argv[1]).href);
}

const exec = (...args) => must(...pnpm("exec", ...args), { stdout: "inherit" });
const source = ["--conditions", "@paravane/source"];

const tasks = {
  async start(args) {
    build();
    await paravane(["run", ...args]);
  },
  async paravane(args) {
    if (isStale()) build();
    await paravane(args);
  },
  dev: (args) => exec("vitest", "watch", ...args),
  build: () => build(),
  generate: () => build("generate"),
  test(args) {
    build();
    exec("vitest", "run", ...args);
  },
  "test:guests"(args) {
    build();
    exec("vitest", "run", "--config", "vitest.guests.config.ts", ...args);
  },
  check() {
    build();
    exec("tsc", "-p", "tsconfig.test.json");
    exec("biome", "check");
    must("node", ["scripts/api.mjs", "--check"], { stdout: "inherit" });
    must(...pnpm("-r", "--filter", "./packages/*", "--filter", "./apps/cli", "exec", "publint", "--strict", "--pack", "pnpm"), {
      stdout: "inherit",
    });
  },
  lint: (args) => exec("biome", "check", ...args),
  format: (args) => exec("biome", "check", "--write", ...args),
  api(args) {
    build();
    must("node", ["scripts/api.mjs", ...args], { stdout: "inherit" });
  },
  async bench(args) {
    build();
    await paravane(["bench", ...args]);
  },
  vectors(args) {
    build("generate");
    process.exit(
      run(...pnpm("exec", "tsx", ...source, join("packages", "cpu-core", "vectors", "run-files.ts"), ...args), { stdout: "inherit" }),
    );
  },
};

const [name = "", ...args] = process.argv.slice(2);
const task = tasks[name];
if (!task) {
  console.error(`usage: node scripts/run.mjs ${Object.keys(tasks).join("|")} [args]`);
  process.exit(2);
}
requireNode();
ensureInstalled();
await task(args);

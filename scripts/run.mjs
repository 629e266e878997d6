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

/** A script of scripts/guards, on the sources. */
const guard = (name, ...args) => ["node", ["--conditions=@paravane/source", "--import", "tsx", `scripts/guards/${name}.ts`, ...args]];
const passes = (command, args) => run(command, args, { stdout: "inherit" }) === 0;
const publishable = ["-r", "--filter", "./packages/*", "--filter", "./apps/cli", "exec"];

/** What `npm run check` consists of: what has to be made before, and the check. `npm run check -- abi api` runs two of them. */
const checks = {
  types: { needs: "build", passes: () => passes("node_modules/.bin/tsc", ["-p", "tsconfig.test.json"]) },
  lint: { passes: () => passes("node_modules/.bin/biome", ["check"]) },
  boundaries: { passes: () => passes("node_modules/.bin/depcruise", ["--config", ".dependency-cruiser.mjs", "packages"]) },
  operations: { passes: () => passes(...guard("operations")) },
  abi: { needs: "generate", passes: () => passes(...guard("abi")) },
  api: { needs: "build", passes: () => passes(...guard("api")) },
  packages: {
    needs: "build",
    passes: () => passes(...pnpm(...publishable, "publint", "--strict", "--pack", "pnpm")) && passes(...guard("packed")),
  },
};

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
  /** All of what must hold before a change goes in, or the parts that are named. Goes on after a failure and names all that failed. */
  check(args) {
    const unknown = args.filter((name) => !(name in checks));
    if (unknown.length > 0) {
      console.error(`no check is called ${unknown.join(", ")}; there are ${Object.keys(checks).join(", ")}`);
      process.exit(2);
    }
    const chosen = args.length > 0 ? args : Object.keys(checks);
    if (chosen.some((name) => checks[name].needs === "build")) build();
    else if (chosen.some((name) => checks[name].needs === "generate")) build("generate");
    const failed = chosen.filter((name) => !checks[name].passes());
    if (failed.length > 0) console.error(`check failed: ${failed.join(", ")}`);
    else console.error(`check passed: ${chosen.join(", ")}`);
    process.exit(failed.length > 0 ? 1 : 0);
  },
  lint: (args) => exec("biome", "check", ...args),
  format: (args) => exec("biome", "check", "--write", ...args),
  api(args) {
    build();
    must(...guard("api", "--update", ...args), { stdout: "inherit" });
  },
  "abi:update"() {
    build("generate");
    must(...guard("abi", "--update"), { stdout: "inherit" });
  },
  "version-packages"() {
    build();
    must(...guard("release"), { stdout: "inherit" });
  },
  docs: (args) => exec("typedoc", ...args),
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

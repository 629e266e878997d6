// The API report of the contract (api/paravirt-ops.api.md): written with no argument, compared with --check.
// Runs after a build, on the declarations that would be published.
import { spawnSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { root } from "./workspace.mjs";

const check = process.argv.includes("--check");
mkdirSync(join(root, "api"), { recursive: true });
const { status } = spawnSync(
  process.execPath,
  [
    join(root, "node_modules/@microsoft/api-extractor/bin/api-extractor"),
    "run",
    ...(check ? [] : ["--local"]),
    "--config",
    join(root, "packages/paravirt-ops/api-extractor.json"),
  ],
  { cwd: root, stdio: ["ignore", check ? "inherit" : "ignore", "inherit"] },
);
if (status !== 0)
  console.error(
    check ? "the API of paravirt-ops differs from api/paravirt-ops.api.md; `npm run api` writes it anew" : "api-extractor failed",
  );
process.exit(status ?? 70);

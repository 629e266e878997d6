// After `changeset version`: CONTRACT_VERSION in the contract's source is major and minor of the version that its manifest has now.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root } from "./workspace.mjs";

const source = join(root, "packages/paravirt-ops/src/abi.ts");
const { version } = JSON.parse(readFileSync(join(root, "packages/paravirt-ops/package.json"), "utf8"));
const [major, minor] = version.split(".");
const before = readFileSync(source, "utf8");
writeFileSync(source, before.replace(/(CONTRACT_VERSION: string = ")[^"]*"/, `$1${major}.${minor}"`));

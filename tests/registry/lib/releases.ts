// Releases of all packages, made in a scratch copy of the workspace: manifests, changesets and what was built, no sources. Versions are
// written by changesets and packages published by pnpm, as a release does it; what a new contract changes in code is edited in the built files.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { must } from "./processes.js";

const root = join(import.meta.dirname, "../../..");
const PACKAGES = [...readdirSync(join(root, "packages")).map((name) => `packages/${name}`), "apps/cli"];
const manifestOf = (folder: string) => JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { name: string; version: string };
const { packageManager } = manifestOf(root) as unknown as { packageManager: string };

/** A workspace whose releases nobody sees. */
export class Workspace {
  constructor(
    private readonly folder: string,
    npmrc: string,
  ) {
    const skipped = /\/(src|test|vectors|assembly|scripts|\.turbo|guests\/hello)$/;
    for (const name of ["package.json", "pnpm-workspace.yaml", ".changeset"]) {
      cpSync(join(root, name), join(folder, name), { recursive: true });
    }
    for (const name of PACKAGES) {
      if (!existsSync(join(root, name, "dist/index.js"))) throw new Error(`${name} is not built: npm run build`);
      mkdirSync(join(folder, name), { recursive: true });
      cpSync(join(root, name), join(folder, name), { recursive: true, verbatimSymlinks: true, filter: (from) => !skipped.test(from) });
    }
    writeFileSync(join(folder, ".npmrc"), npmrc);
  }

  /** The first release: every pending changeset, out of pre mode. Returns name and version of each package. */
  async first(): Promise<Record<string, string>> {
    await must("git", ["init", "-q", "-b", "main"], this.folder);
    await must("git", ["add", ".changeset", "package.json"], this.folder);
    const who = ["-c", "user.name=release", "-c", "user.email=release@localhost"];
    await must("git", [...who, "commit", "-q", "-m", "before the release"], this.folder);
    const pre = join(this.folder, ".changeset/pre.json");
    if (existsSync(pre)) rmSync(pre);
    return this.#release();
  }

  /** A release for one more changeset. */
  async next(packages: Readonly<Record<string, "major" | "minor" | "patch">>, text: string): Promise<Record<string, string>> {
    const lines = Object.entries(packages).map(([name, weight]) => `"@paravane/${name}": ${weight}\n`);
    writeFileSync(join(this.folder, ".changeset/one-more.md"), `---\n${lines.join("")}---\n\n${text}\n`);
    return this.#release();
  }

  /** Edits the built JavaScript of some packages. @throws when a replacement is found nowhere in a package */
  edit(packages: readonly string[], from: string | RegExp, to: string): void {
    for (const name of packages) {
      const dist = join(this.folder, "packages", name, "dist");
      let found = false;
      for (const file of readdirSync(dist).filter((entry) => entry.endsWith(".js"))) {
        const before = readFileSync(join(dist, file), "utf8");
        const after = before.replace(from, to);
        if (after === before) continue;
        found = true;
        writeFileSync(join(dist, file), after);
      }
      if (!found) throw new Error(`nothing to edit in ${name}: ${from}`);
    }
  }

  /** Publishes what the registry has not got yet. */
  async publish(): Promise<void> {
    const args = ["--yes", packageManager, "-r", "publish", "--no-git-checks", "--access", "public", "--report-summary"];
    await must("npx", args, this.folder, { npm_config_provenance: "false" });
  }

  async #release(): Promise<Record<string, string>> {
    await must(process.execPath, [join(root, "node_modules/@changesets/cli/bin.js"), "version"], this.folder);
    return Object.fromEntries(PACKAGES.map((name) => manifestOf(join(this.folder, name))).map(({ name, version }) => [name, version]));
  }
}

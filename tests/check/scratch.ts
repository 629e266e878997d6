/** A copy of the repository in which a test may break something: sources, builds and links, with the real node_modules beside them. */
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const root = join(import.meta.dirname, "../..");

/** Builds that turbo keeps of the repository itself: what an edit does not touch is taken from there. */
function turboCache(): string {
  const { stdout } = spawnSync("git", ["rev-parse", "--path-format=absolute", "--git-common-dir"], { cwd: root, encoding: "utf8" });
  return join(dirname(stdout.trim()), ".turbo/cache");
}

/** What a command said. */
export interface Outcome {
  readonly status: number | null;
  readonly output: string;
}

/** One copy. */
export class Scratch {
  readonly dir = mkdtempSync(join(tmpdir(), "paravane-check-"));

  constructor() {
    for (const name of readdirSync(root)) {
      if (name === "node_modules") symlinkSync(join(root, name), join(this.dir, name));
      else if (name !== ".git")
        cpSync(join(root, name), join(this.dir, name), { recursive: true, verbatimSymlinks: true, preserveTimestamps: true });
    }
  }

  /** Replaces text that must be there, once. */
  edit(path: string, from: string, to: string): void {
    const file = join(this.dir, path);
    const text = readFileSync(file, "utf8");
    if (text.split(from).length !== 2) throw new Error(`"${from}" stands ${text.split(from).length - 1} times in ${path}`);
    writeFileSync(
      file,
      text.replace(from, () => to),
    );
  }

  write(path: string, text: string): void {
    writeFileSync(join(this.dir, path), text);
  }

  /** `npm run TASK -- args`. */
  npm(task: string, ...args: string[]): Outcome {
    const { status, stdout, stderr } = spawnSync("npm", ["run", "--silent", task, "--", ...args], {
      cwd: this.dir,
      encoding: "utf8",
      env: { ...process.env, NODE_OPTIONS: "", TURBO_CACHE_DIR: turboCache() },
    });
    return { status, output: `${stdout}${stderr}` };
  }

  /** As after a release of everything as it is now: its promises are released, and no changeset is pending. */
  release(): void {
    const released = join(this.dir, "api/released");
    rmSync(released, { recursive: true, force: true });
    for (const file of readdirSync(join(this.dir, "api")).filter((name) => name.endsWith(".api.md"))) {
      cpSync(join(this.dir, "api", file), join(released, file));
    }
    for (const name of readdirSync(join(this.dir, "packages"))) {
      const lock = join(this.dir, "packages", name, "abi.lock.json");
      if (existsSync(lock)) cpSync(lock, join(released, `${name}.abi.lock.json`));
    }
    for (const file of readdirSync(join(this.dir, ".changeset")).filter((name) => name.endsWith(".md")))
      rmSync(join(this.dir, ".changeset", file));
  }

  /** Adds a pending changeset. */
  changeset(name: string, weight: "patch" | "minor" | "major"): void {
    this.write(".changeset/test.md", `---\n"${name}": ${weight}\n---\n\nSomething that users see.\n`);
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

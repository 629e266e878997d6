// An empty folder outside the workspace, into which a stranger installs packages, and the example of a README as the program that it is.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { transform } from "esbuild";
import { type Ended, must, run } from "./processes.js";

/** Who installs. */
export type Installer = "npm" | "pnpm" | "yarn";

/** What an example may use besides what it imports. */
export const GIVEN = "initrd = new Uint8Array(16), decompressors = {}";

/** The first example of a page. */
export function firstExample(page: string): string {
  const found = /```ts\n([\s\S]*?)```/.exec(readFileSync(page, "utf8"));
  if (found === null) throw new Error(`${page} has no example`);
  return found[1]!;
}

/** A stranger's project. */
export class Project {
  constructor(
    readonly folder: string,
    private readonly registry: string,
    private readonly caches: string,
  ) {
    mkdirSync(folder, { recursive: true });
    this.write("package.json", JSON.stringify({ private: true, type: "module" }));
  }

  write(name: string, text: string | Uint8Array): void {
    writeFileSync(join(this.folder, name), text);
  }

  read(name: string): string {
    return readFileSync(join(this.folder, name), "utf8");
  }

  /** Installs packages: `name` or `name@range`, of ours. */
  async install(installer: Installer, packages: readonly string[], ...more: string[]): Promise<Ended> {
    const names = packages.map((name) => `@paravane/${name}`);
    const cache = join(this.caches, installer);
    const from = ["--registry", this.registry, ...more];
    switch (installer) {
      case "npm":
        return run("npm", ["install", "--no-audit", "--no-fund", "--cache", cache, ...from, ...names], this.folder);
      case "pnpm":
        return run("npx", ["--yes", "pnpm@10.34.8", "add", "--store-dir", cache, ...from, ...names], this.folder);
      case "yarn":
        return run("npx", ["--yes", "yarn@1.22.22", "add", "--non-interactive", "--cache-folder", cache, ...from, ...names], this.folder);
    }
  }

  /** The first example in the README of an installed package. */
  example(name: string): string {
    return firstExample(join(this.folder, `node_modules/@paravane/${name}/README.md`));
  }

  /** Writes an example as NAME.js, which is run with a guest by `boot`. */
  async writeExample(name: string, text: string): Promise<void> {
    const { code } = await transform(text, { loader: "ts", format: "esm", target: "es2022" });
    this.write(`${name}.js`, code);
  }

  /** Runs NAME.js in Node with the kernel in the file as the `kernel` of the example. An error's code is printed. */
  boot(name: string, kernel: string): Promise<Ended> {
    this.write(
      "boot.js",
      `import { readFileSync } from "node:fs";
Object.assign(globalThis, { kernel: new Uint8Array(readFileSync(process.argv[3])), ${GIVEN.replaceAll(" = ", ": ")} });
await import(process.argv[2]).catch((error) => { console.log(error.code, error.message, error.hint); process.exitCode = 1; });
`,
    );
    return run(process.execPath, ["boot.js", `./${name}.js`, kernel], this.folder);
  }

  /** Runs a program of the workspace here. */
  tool(program: string, ...args: string[]): Promise<string> {
    return must(process.execPath, [join(import.meta.dirname, "../../../node_modules", program), ...args], this.folder);
  }
}

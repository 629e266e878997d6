// Mix and match as a stranger does it: all packages are released to a registry on loopback, installed into empty folders by npm, pnpm and
// yarn in combinations, and each boots a guest by the example of a README. Nothing is read from the workspace but the tools.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildImage, installed } from "../system/runner/build.js";
import { buildGuest } from "../xen/runner/build.js";
import { browser, visit } from "./lib/browser.js";
import { firstExample, Project } from "./lib/project.js";
import { run } from "./lib/processes.js";
import { type Registry, startRegistry } from "./lib/registry.js";
import { Workspace } from "./lib/releases.js";

const ALL = ["backend-native", "backend-vmi", "backend-xen", "cpu-core", "devices", "paravirt-ops", "vmm"];
const BARE = ["paravirt-ops", "vmm", "cpu-core", "devices", "backend-native"];
const HELLO = { native: "hello from the bare machine", xen: "xen poweroff", vmi: "vmi poweroff" };

const TYPESCRIPT = { strict: true, target: "ES2022", lib: ["ES2023", "DOM"], types: [] };

const folder = mkdtempSync(join(tmpdir(), "paravane-registry-"));
const guests = { bare: join(folder, "bare.elf"), vmi: join(folder, "vmi.elf"), xen: join(folder, "xen.elf") };
let registry: Registry;
let workspace: Workspace;

const project = (name: string): Project => new Project(join(folder, "projects", name), registry.url, join(folder, "caches"));

/** A project with packages in it. @throws with what the installer said */
async function installedBy(installer: "npm" | "pnpm" | "yarn", name: string, packages: readonly string[]): Promise<Project> {
  const made = project(name);
  const { status, all } = await made.install(installer, packages);
  if (status !== 0) throw new Error(all);
  return made;
}

/** What the example of a package's README prints. */
async function example(made: Project, of: string, guest: keyof typeof guests): Promise<string> {
  await made.writeExample("example", made.example(of));
  return (await made.boot("example", guests[guest])).all;
}

async function buildGuests(): Promise<void> {
  const kit = (name: "bare" | "vmi") =>
    buildImage({ title: name, folder: join(import.meta.dirname, "guests", name), mode: "32p", suite: "guests", settings: {} });
  writeFileSync(guests.bare, (await kit("bare")).bytes);
  writeFileSync(guests.vmi, (await kit("vmi")).bytes);
  writeFileSync(guests.xen, await buildGuest("first", 64));
}

const ready = installed("gcc") || process.env["CI"] !== undefined;

describe.skipIf(!ready)("packages from a registry (needs gcc and chromium)", () => {
  beforeAll(async () => {
    mkdirSync(join(folder, "registry"));
    const [started] = await Promise.all([startRegistry(join(folder, "registry")), buildGuests()]);
    registry = started;
    workspace = new Workspace(join(folder, "workspace"), registry.npmrc);
    const versions = await workspace.first();
    expect(new Set(Object.values(versions))).toEqual(new Set(["1.0.0"]));
    await workspace.publish();
  });

  afterAll(() => {
    registry?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  describe("the first release", () => {
    test("npm: native only, and nothing of another hypervisor", async () => {
      const made = await installedBy("npm", "native", BARE);
      expect(await example(made, "backend-native", "bare")).toContain(HELLO.native);
      expect(existsSync(join(made.folder, "node_modules/@paravane/backend-xen"))).toBe(false);
      // The monitor's own example prints bytes; its last line says how it ended.
      expect(await example(made, "vmm", "bare")).toContain("poweroff");
    });

    test("npm: Xen over native, and no VMI", async () => {
      const made = await installedBy("npm", "xen", [...BARE, "backend-xen"]);
      expect(existsSync(join(made.folder, "node_modules/@paravane/backend-vmi"))).toBe(false);
      expect(await example(made, "backend-xen", "xen")).toContain(HELLO.xen);
    });

    test("yarn: VMI over native", async () => {
      const made = await installedBy("yarn", "vmi", [...BARE, "backend-vmi"]);
      expect(await example(made, "backend-vmi", "vmi")).toContain(HELLO.vmi);
    });

    test("pnpm: all, each guest under its own hypervisor", async () => {
      const made = await installedBy("pnpm", "all", ALL);
      expect(await example(made, "backend-native", "bare")).toContain(HELLO.native);
      expect(await example(made, "backend-vmi", "vmi")).toContain(HELLO.vmi);
      expect(await example(made, "backend-xen", "xen")).toContain(HELLO.xen);
      await made.writeExample("readme", firstExample(join(import.meta.dirname, "../../README.md")));
      expect((await made.boot("readme", guests.bare)).all).toContain("kind: 'poweroff'");
    });

    test("npm: the command line, which brings all", async () => {
      const made = await installedBy("npm", "cli", ["cli"]);
      const cli = join(made.folder, "node_modules/@paravane/cli/dist/cli.js");
      const { stdout, status, all } = await run(process.execPath, [cli, "boot", guests.bare, "--timeout", "60s"], made.folder);
      expect([status, stdout], all).toEqual([0, expect.stringContaining(HELLO.native)]);
    });

    test("a copy of the contract for each backend works, as some installers lay them out", async () => {
      const made = await installedBy("npm", "copies", [...BARE, "backend-xen"]);
      const contract = join(made.folder, "node_modules/@paravane/paravirt-ops");
      for (const name of ["backend-xen", "backend-native", "cpu-core"]) {
        cpSync(contract, join(made.folder, "node_modules/@paravane", name, "node_modules/@paravane/paravirt-ops"), { recursive: true });
      }
      expect(await example(made, "backend-xen", "xen")).toContain(HELLO.xen);
    });

    test.each(["bundler", "nodenext"])(
      "TypeScript with moduleResolution %s: the examples are checked against the published types, and boot",
      async (resolution) => {
        const made = await installedBy("npm", `typescript-${resolution}`, ALL);
        const examples = { native: "backend-native", vmi: "backend-vmi", xen: "backend-xen", monitor: "vmm" };
        for (const [name, of] of Object.entries(examples)) made.write(`${name}.ts`, `${made.example(of)}export {};\n`);
        made.write(
          "given.d.ts",
          "declare const kernel: Uint8Array, initrd: Uint8Array, decompressors: import('@paravane/vmm').Decompressors;",
        );
        const options = {
          ...TYPESCRIPT,
          module: resolution === "bundler" ? "ESNext" : "NodeNext",
          moduleResolution: resolution,
        };
        made.write(
          "tsconfig.json",
          JSON.stringify({ compilerOptions: options, files: ["given.d.ts", ...Object.keys(examples).map((name) => `${name}.ts`)] }),
        );
        await made.tool("typescript/bin/tsc", "--noEmit");
        await made.tool("typescript/bin/tsc", "--noCheck", "--outDir", "out");
        expect((await made.boot("out/native", guests.bare)).all).toContain(HELLO.native);
        expect((await made.boot("out/xen", guests.xen)).all).toContain(HELLO.xen);
      },
    );

    test("a backend from elsewhere, the example, passes the conformance suite and boots its guest", async () => {
      const made = project("backend-pebble");
      const from = join(import.meta.dirname, "../../examples/backend-pebble");
      cpSync(from, made.folder, { recursive: true, filter: (path) => !/(node_modules|dist)$/.test(path) });
      const { status, all } = await made.install("npm", []);
      expect(status, all).toBe(0);
      const tested = await run("npm", ["test"], made.folder);
      expect(tested.status, tested.all).toBe(0);
      expect(tested.all).toMatch(/^. pass 1[0-9]$/m);
    });

    test("what the pages about devices and cores show is what the types ask for, and the device passes its suite", async () => {
      const made = await installedBy("npm", "pages", BARE);
      const blocks = (page: string): string[] =>
        [...readFileSync(join(import.meta.dirname, "../../docs", page), "utf8").matchAll(/```ts\n([\s\S]*?)```/g)].map(([, text]) => text!);
      const [chip, suite, board] = blocks("writing-a-device.md");
      const [core, coreTest] = blocks("writing-a-core.md");
      const files = { "countdown.ts": chip!, "device.test.ts": suite!, "board.ts": board!, "core.ts": core!, "core.test.ts": coreTest! };
      for (const [name, text] of Object.entries(files)) made.write(name, text);
      made.write("node.d.ts", 'declare module "node:test" { export function test(name: string, run: () => unknown): void; }');
      made.write(
        "tsconfig.json",
        JSON.stringify({
          compilerOptions: { ...TYPESCRIPT, module: "NodeNext", outDir: "out" },
          files: ["node.d.ts", ...Object.keys(files)],
        }),
      );
      await made.tool("typescript/bin/tsc");
      const tested = await run(process.execPath, ["--test", "out/device.test.js"], made.folder);
      expect(tested.all).toMatch(/^. pass 5$/m);
    });

    describe("bundled", () => {
      let made: Project;

      beforeAll(async () => {
        made = await installedBy("npm", "bundles", BARE);
        await made.writeExample("example", made.example("backend-native"));
        made.write(
          "page.js",
          `const answer = await fetch("/kernel");
Object.assign(globalThis, { kernel: new Uint8Array(await answer.arrayBuffer()) });
await import("./example.js").catch((error) => console.log(String(error.stack)));
console.log("over");
`,
        );
        made.write("index.html", '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>');
        mkdirSync(join(made.folder, "public"));
        cpSync(guests.bare, join(made.folder, "public/kernel"));
      });

      test("by esbuild, in Node", async () => {
        await made.tool("esbuild/bin/esbuild", "example.js", "--bundle", "--format=esm", "--outfile=for-node.js");
        rmSync(join(made.folder, "node_modules"), { recursive: true });
        const { all } = await made.boot("for-node", guests.bare);
        await made.install("npm", []);
        expect(all).toContain(HELLO.native);
      });

      test("by Vite, in Node", async () => {
        made.write("vite.config.js", "export default { ssr: { noExternal: true }, logLevel: 'warn' };");
        await made.tool("vite/bin/vite.js", "build", "--ssr", "example.js", "--outDir", "ssr");
        expect((await made.boot("ssr/example", guests.bare)).all).toContain(HELLO.native);
      });

      test.skipIf(browser === undefined && process.env["CI"] === undefined)("by esbuild, in Chromium", async () => {
        await made.tool("esbuild/bin/esbuild", "page.js", "--bundle", "--format=esm", "--outfile=site/page.js");
        for (const file of ["index.html", "public/kernel"])
          cpSync(join(made.folder, file), join(made.folder, "site", file.replace("public/", "")));
        const printed = await visit(join(made.folder, "site"));
        expect(printed).toContain(HELLO.native);
        expect(printed).not.toContain("not found");
      });

      test.skipIf(browser === undefined && process.env["CI"] === undefined)("by Vite, in Chromium", async () => {
        await made.tool("vite/bin/vite.js", "build", "--outDir", "pages");
        const printed = await visit(join(made.folder, "pages"));
        expect(printed).toContain(HELLO.native);
        expect(printed).not.toContain("not found");
      });
    });
  });

  test("a minor of the contract with one more operation releases nobody else, and backends one minor behind work", async () => {
    const versions = await workspace.next(
      { "paravirt-ops": "minor" },
      "One more operation, which does nothing where a backend does not name it.",
    );
    expect(versions).toEqual({
      ...Object.fromEntries(Object.keys(versions).map((name) => [name, "1.0.0"])),
      "@paravane/paravirt-ops": "1.1.0",
    });
    workspace.edit(["paravirt-ops"], 'CONTRACT_VERSION = "1.0"', 'CONTRACT_VERSION = "1.1"');
    workspace.edit(["paravirt-ops"], "irqOperations = {", 'irqOperations = { rest: operation("none", "Nothing has changed.", nop),');
    await workspace.publish();
    const made = await installedBy("npm", "minor", [...BARE, "backend-xen"]);
    expect(JSON.parse(made.read("node_modules/@paravane/paravirt-ops/package.json")).version).toBe("1.1.0");
    expect(await example(made, "backend-xen", "xen")).toContain(HELLO.xen);
    expect(await example(made, "backend-native", "bare")).toContain(HELLO.native);
  });

  describe("a major of the contract", () => {
    const refused =
      /compose\/contract backend "xen" is written for version \^1\.0 of the contract, and this machine has 2\.0 .*@paravane\/backend-xen/;
    const mixed = [...BARE.map((name) => `${name}@^2.0.0`), "backend-xen@^1.0.0"];

    beforeAll(async () => {
      const versions = await workspace.next({ "paravirt-ops": "major" }, "Another contract.");
      // The command line has them as plain dependencies: for its users it is a patch.
      const { "@paravane/cli": cli, ...parts } = versions;
      expect([cli, new Set(Object.values(parts))]).toEqual(["1.0.1", new Set(["2.0.0"])]);
      workspace.edit(["paravirt-ops"], 'CONTRACT_VERSION = "1.1"', 'CONTRACT_VERSION = "2.0"');
      workspace.edit(
        ALL.filter((name) => name !== "paravirt-ops"),
        '"^1.0"',
        '"^2.0"',
      );
      await workspace.publish();
    });

    test("npm: all of the new major work together", async () => {
      const made = await installedBy("npm", "major", [...BARE, "backend-xen"]);
      expect(await example(made, "backend-xen", "xen")).toContain(HELLO.xen);
    });

    test("npm refuses to install a backend that is one behind", async () => {
      const { status, all } = await project("refused").install("npm", mixed);
      expect([status === 0, all]).toEqual([false, expect.stringContaining("ERESOLVE")]);
    });

    test("npm is forced to, and the machine refuses it with both versions and what to install", async () => {
      const made = project("forced");
      expect((await made.install("npm", mixed, "--legacy-peer-deps")).status).toBe(0);
      expect(await example(made, "backend-xen", "xen")).toMatch(refused);
    });

    test.each(["pnpm", "yarn"] as const)("%s only warns, and the machine refuses it", async (installer) => {
      const made = project(`warned-${installer}`);
      const { status, all } = await made.install(installer, mixed);
      expect([status, all]).toEqual([0, expect.stringMatching(/unmet peer|incorrect peer/)]);
      expect(await example(made, "backend-xen", "xen")).toMatch(refused);
    });

    test("a copy of the old contract beside the new one is refused, too", async () => {
      const [made, old] = [
        await installedBy("npm", "two", [...BARE, "backend-xen"]),
        await installedBy("npm", "old", ["paravirt-ops@1.0.0"]),
      ];
      const within = join(made.folder, "node_modules/@paravane/backend-xen/node_modules/@paravane/paravirt-ops");
      cpSync(join(old.folder, "node_modules/@paravane/paravirt-ops"), within, { recursive: true });
      expect(await example(made, "backend-xen", "xen")).toMatch(
        /compose\/contract the copy of the contract that backend "xen" came with .* 1\.0 .* 2\.0/,
      );
    });
  });
});

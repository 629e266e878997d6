// The command line beside some of the backends only: it starts, `auto` takes what is there, and what is not is named.
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const cli = join(import.meta.dirname, "..");
const dir = mkdtempSync(join(tmpdir(), "paravane-subset-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** The built package as it would be installed, without some of what it depends on. */
function install(name: string, without: readonly string[]): string {
  const home = join(dir, name);
  mkdirSync(join(home, "node_modules/@paravane"), { recursive: true });
  cpSync(join(cli, "dist"), join(home, "dist"), { recursive: true });
  cpSync(join(cli, "package.json"), join(home, "package.json"));
  for (const scope of [".", "@paravane"]) {
    for (const entry of readdirSync(join(cli, "node_modules", scope))) {
      const path = join(scope, entry);
      if (entry.startsWith(".") || entry === "@paravane" || without.includes(path)) continue;
      symlinkSync(realpathSync(join(cli, "node_modules", path)), join(home, "node_modules", path));
    }
  }
  return join(home, "dist/cli.js");
}

const run = (bin: string, ...args: string[]) => spawnSync(process.execPath, [bin, ...args], { encoding: "utf8", timeout: 60_000 });
const BOOT = ["boot", "hello", "-m", "64M", "--until", "hello> "];

describe.each(["vmi", "xen"])("without @paravane/backend-%s", (missing) => {
  let bin: string;
  beforeAll(() => {
    bin = install(missing, [`@paravane/backend-${missing}`]);
  });

  test("guests boot, by auto too", () => {
    for (const backend of [[], ["--backend", "auto"], ["--backend", "native", "--backend", missing === "vmi" ? "xen" : "vmi"]]) {
      const { status, stderr } = run(bin, ...BOOT, ...backend);
      expect([status, stderr.split("\n")[0]]).toEqual([0, expect.stringMatching(/^paravane: .*, backend native \(/)]);
    }
  });

  test("naming it is a usage error that says what to install", () => {
    const { status, stderr } = run(bin, ...BOOT, "--backend", missing);
    expect([status, stderr]).toEqual([2, expect.stringContaining(`npm install @paravane/backend-${missing}`)]);
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});

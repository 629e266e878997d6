// The rules of a release, tried on a copy of the manifests with the real version script: who gets a new version when what changes.
import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const scratch = mkdtempSync(join(tmpdir(), "paravane-release-"));
const dirs = [...readdirSync(join(root, "packages")).map((name) => `packages/${name}`), "apps/cli"].filter((dir) =>
  existsSync(join(root, dir, "package.json")),
);
const nameOf = (dir: string): string => `@paravane/${dir.split("/").at(-1)}`;

function run(command: string, ...args: string[]): void {
  const { status, stdout, stderr } = spawnSync(command, args, { cwd: scratch, encoding: "utf8" });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")}: ${stdout}${stderr}`);
}

const commit = (): void => {
  run("git", "add", "-A");
  run("git", "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "-q", "-m", "state");
};

const versions = (): Record<string, string> =>
  Object.fromEntries(
    dirs.map((dir) => [nameOf(dir), (JSON.parse(readFileSync(join(scratch, dir, "package.json"), "utf8")) as { version: string }).version]),
  );

/** Releases one change and says who got which version by it. */
function release(weight: "patch" | "minor" | "major", name: string): Record<string, string> {
  const before = versions();
  writeFileSync(join(scratch, ".changeset/change.md"), `---\n"${name}": ${weight}\n---\n\nSomething that users see.\n`);
  commit();
  run(process.execPath, "--conditions=@paravane/source", "--import", "tsx", "scripts/guards/release.ts");
  commit();
  return Object.fromEntries(Object.entries(versions()).filter(([package_, version]) => before[package_] !== version));
}

beforeAll(() => {
  const take = (path: string): void => {
    if (!existsSync(join(root, path))) return;
    mkdirSync(dirname(join(scratch, path)), { recursive: true });
    cpSync(join(root, path), join(scratch, path), { recursive: true });
  };
  for (const path of ["package.json", "pnpm-workspace.yaml", ".changeset", "scripts", "api", "packages/paravirt-ops/src/abi.ts"])
    take(path);
  for (const dir of dirs) for (const file of ["package.json", "abi.lock.json", "CHANGELOG.md"]) take(`${dir}/${file}`);
  symlinkSync(join(root, "node_modules"), join(scratch, "node_modules"));
  writeFileSync(join(scratch, ".gitignore"), "node_modules\n");
  run("git", "init", "-q");
  // From a first release on; whatever is pending today is not what is tested here.
  rmSync(join(scratch, "api/released"), { recursive: true, force: true });
  for (const file of readdirSync(join(scratch, ".changeset")).filter((name) => name.endsWith(".md")))
    rmSync(join(scratch, ".changeset", file));
  for (const dir of dirs) {
    const path = join(scratch, dir, "package.json");
    writeFileSync(path, readFileSync(path, "utf8").replace(/"version": ".*"/, '"version": "0.0.0"'));
  }
  const everyone = dirs.map((dir) => `"${nameOf(dir)}": major`).join("\n");
  writeFileSync(join(scratch, ".changeset/first.md"), `---\n${everyone}\n---\n\nThe first release.\n`);
  commit();
  run(process.execPath, "--conditions=@paravane/source", "--import", "tsx", "scripts/guards/release.ts");
  commit();
}, 120_000);
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

test("every package that has never been released has a major changeset, which makes it 1.0.0", () => {
  const pending = readdirSync(join(root, ".changeset"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => readFileSync(join(root, ".changeset", name), "utf8"))
    .join("\n");
  for (const dir of dirs) {
    const { version } = JSON.parse(readFileSync(join(root, dir, "package.json"), "utf8")) as { version: string };
    if (version === "0.0.0") expect(pending).toContain(`"${nameOf(dir)}": major`);
  }
  expect(existsSync(join(root, ".changeset/pre.json")), "in pre mode no release is 1.0.0").toBe(false);
});

test("the first release makes every package 1.0.0 and writes down what it promises", () => {
  expect(new Set(Object.values(versions()))).toEqual(new Set(["1.0.0"]));
  const released = readdirSync(join(scratch, "api/released"));
  expect(released.filter((name) => name.endsWith(".api.md"))).toEqual(
    readdirSync(join(root, "api")).filter((name) => name.endsWith(".api.md")),
  );
  expect(released).toContain("backend-xen.abi.lock.json");
  expect(readFileSync(join(scratch, "packages/backend-xen/CHANGELOG.md"), "utf8")).toMatch(
    /^# @paravane\/backend-xen\n\n## 1\.0\.0\n\n### Major Changes\n\n- The first release\.\n/,
  );
});

test("a change in a backend, of any weight, releases that backend alone", { timeout: 60_000 }, () => {
  expect(release("patch", "@paravane/backend-xen")).toEqual({ "@paravane/backend-xen": "1.0.1" });
  expect(release("minor", "@paravane/backend-vmi")).toEqual({ "@paravane/backend-vmi": "1.1.0" });
  // The command line carries all backends: a major of one is outside what it asks for.
  expect(release("major", "@paravane/backend-xen")).toEqual({ "@paravane/backend-xen": "2.0.0", "@paravane/cli": "1.0.1" });
});

test("a minor of the contract releases nobody else, and moves CONTRACT_VERSION", { timeout: 60_000 }, () => {
  expect(release("minor", "@paravane/paravirt-ops")).toEqual({ "@paravane/paravirt-ops": "1.1.0" });
  expect(readFileSync(join(scratch, "packages/paravirt-ops/src/abi.ts"), "utf8")).toContain('CONTRACT_VERSION: string = "1.1"');
});

test("a major of the contract releases everyone, and each changelog says with which contract it goes", { timeout: 60_000 }, () => {
  const released = release("major", "@paravane/paravirt-ops");
  expect(Object.keys(released).sort()).toEqual(dirs.map(nameOf).sort());
  expect(released["@paravane/paravirt-ops"]).toBe("2.0.0");
  expect(released["@paravane/backend-xen"]).toBe("3.0.0");
  expect(released["@paravane/backend-native"]).toBe("2.0.0");
  expect(readFileSync(join(scratch, "packages/backend-native/CHANGELOG.md"), "utf8")).toContain(
    "- Goes with @paravane/paravirt-ops 2.0.0.",
  );
});

test("what is promised by a release is rewritten for the packages that it releases, and for no others", { timeout: 60_000 }, () => {
  for (const name of ["backend-xen", "backend-native"]) {
    writeFileSync(join(scratch, `packages/${name}/abi.lock.json`), `{"part":"${name}","abi":"new","entries":{}}\n`);
  }
  release("minor", "@paravane/backend-xen");
  const of = (name: string): string => readFileSync(join(scratch, `api/released/${name}.abi.lock.json`), "utf8");
  expect([of("backend-xen").includes('"new"'), of("backend-native").includes('"new"')]).toEqual([true, false]);
});

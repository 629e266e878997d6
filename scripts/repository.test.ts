// What must hold for the repository as a whole: no registry's name in the lockfile, manifests alike, every package publishable.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const manifests = [...readdirSync(join(root, "packages")).map((name) => `packages/${name}`), "apps/cli"];

interface Manifest {
  name: string;
  version: string;
  type: string;
  license: string;
  sideEffects: unknown;
  files: string[];
  engines: { node: string };
  exports: Record<string, string | Record<string, string>>;
  publishConfig: { access: string; exports: Record<string, string | Record<string, string>> };
}

test("the lockfile names no host", () => {
  expect(read("pnpm-lock.yaml")).not.toMatch(/https?:\/\/|tarball:/);
});

test("the root manifest depends on no package of the workspace, so that Node does not resolve one from everywhere", () => {
  expect(read("package.json")).not.toContain("@paravane/");
});

test("the contract's own version is that of its release, 1.0 before the first", () => {
  const [, constant] = /CONTRACT_VERSION: string = "(.*)"/.exec(read("packages/paravirt-ops/src/abi.ts"))!;
  const { version } = JSON.parse(read("packages/paravirt-ops/package.json")) as Manifest;
  expect(constant).toBe(version === "0.0.0" ? "1.0" : version.split(".").slice(0, 2).join("."));
});

test("every decision is in the index", () => {
  const index = read("docs/decisions/README.md");
  const pages = readdirSync(join(root, "docs/decisions")).filter((name) => name !== "README.md");
  expect(pages.filter((name) => !index.includes(`[${read(`docs/decisions/${name}`).split("\n")[0]!.slice(2)}](${name})`))).toEqual([]);
});

describe.each(manifests)("%s", (dir) => {
  const manifest = JSON.parse(read(`${dir}/package.json`)) as Manifest;

  test("says what a published package must say", () => {
    expect(manifest).toMatchObject({ type: "module", license: "MIT", engines: { node: ">=20.19" }, publishConfig: { access: "public" } });
    expect(manifest.sideEffects).toBeDefined();
    expect(manifest.files[0]).toBe("dist");
    expect(read(`${dir}/LICENSE`)).toContain("The Paravane authors");
    expect(read(`${dir}/README.md`).length).toBeGreaterThan(200);
  });

  test("exports a list without patterns, and publishes it without the workspace's own condition", () => {
    for (const [subpath, target] of Object.entries(manifest.exports)) {
      expect(subpath).not.toContain("*");
      if (typeof target === "string") continue;
      expect(Object.keys(target)[0]).toBe("@paravane/source");
      const { "@paravane/source": _source, ...published } = target;
      expect(manifest.publishConfig.exports[subpath]).toEqual(published);
    }
    expect(Object.keys(manifest.publishConfig.exports)).toEqual(Object.keys(manifest.exports));
  });
});

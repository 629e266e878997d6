// Tries the imports that the layout forbids and sees them fail: packages know the contract alone, and no Node built-in.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";
import { describe, expect, test } from "vitest";

const root = join(import.meta.dirname, "..");
const packages = readdirSync(join(root, "packages")).filter((name) => existsSync(join(root, "packages", name, "package.json")));
const parsed = new Map<string, ts.SourceFile | undefined>();

/** The messages of the compiler about one more file in a package, with the package's own settings. The file exists only here. */
function messages(name: string, text: string): string[] {
  const dir = join(root, "packages", name);
  const config = ts.getParsedCommandLineOfConfigFile(
    join(dir, "tsconfig.json"),
    { noEmit: true, emitDeclarationOnly: false },
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: (diagnostic) => {
        throw new Error(ts.flattenDiagnosticMessageText(diagnostic.messageText, "\n"));
      },
    },
  )!;
  const scratch = join(dir, "src", "boundary-scratch.ts");
  const host = ts.createCompilerHost(config.options);
  const { getSourceFile, fileExists, readFile } = host;
  host.fileExists = (path) => path === scratch || fileExists(path);
  host.readFile = (path) => (path === scratch ? text : readFile(path));
  host.getSourceFile = (path, options) => {
    if (path === scratch) return ts.createSourceFile(path, text, options, true);
    if (!path.includes("/node_modules/typescript/lib/")) return getSourceFile(path, options);
    if (!parsed.has(path)) parsed.set(path, getSourceFile(path, options));
    return parsed.get(path);
  };
  const program = ts.createProgram({
    rootNames: [scratch],
    options: config.options,
    ...(config.projectReferences ? { projectReferences: config.projectReferences } : {}),
    host,
  });
  return ts
    .getPreEmitDiagnostics(program)
    .filter(({ file, code }) => file?.fileName === scratch || code === 6059 || code === 6307)
    .map(({ code, messageText }) => `TS${code} ${ts.flattenDiagnosticMessageText(messageText, "\n")}`);
}

describe.each(packages)("packages/%s", (name) => {
  const siblings = packages.filter((other) => other !== name && other !== "paravirt-ops");

  test("cannot import a sibling by its name", { timeout: 60_000 }, () => {
    const found = messages(
      name,
      siblings.map((other, index) => `import * as s${index} from "@paravane/${other}"; export { s${index} };`).join("\n"),
    );
    for (const other of siblings) {
      expect(found.join("\n")).toContain(`TS2307 Cannot find module '@paravane/${other}'`);
      for (const dir of [join(root, "packages", name), join(root, "packages"), root]) {
        expect(existsSync(join(dir, "node_modules", "@paravane", other)), `${dir} offers ${other} to Node`).toBe(false);
      }
    }
  });

  test("cannot reach into a sibling's folder", { timeout: 60_000 }, () => {
    const other = siblings.find((candidate) => existsSync(join(root, "packages", candidate, "src/index.ts")));
    if (other === undefined) throw new Error("no sibling has an index to reach for");
    const found = messages(name, `export * from "../../${other}/src/index.js";`);
    expect(
      found.some((message) => message.startsWith("TS6059") || message.startsWith("TS6307")),
      found.join("\n"),
    ).toBe(true);
  });

  test("has no Node built-ins, process or Buffer", { timeout: 60_000 }, () => {
    const found = messages(name, 'import * as fs from "node:fs"; export const used = [fs, process, Buffer];').join("\n");
    for (const missing of ["node:fs", "'process'", "'Buffer'"]) expect(found).toContain(missing);
  });

  test("names nothing but the contract in its manifest", () => {
    const manifest = JSON.parse(readFileSync(join(root, "packages", name, "package.json"), "utf8")) as Record<
      string,
      Record<string, string>
    >;
    expect(manifest["dependencies"]).toBeUndefined();
    expect(Object.keys(manifest["peerDependencies"] ?? {})).toEqual(name === "paravirt-ops" ? [] : ["@paravane/paravirt-ops"]);
  });
});

test("the contract can be imported, so the failures above are about the names", { timeout: 60_000 }, () => {
  expect(messages("devices", 'export { HvError } from "@paravane/paravirt-ops";')).toEqual([]);
});

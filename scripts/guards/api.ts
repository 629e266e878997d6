/**
 * API reports: what every entry point of every package exports, in api/<package>[-<entry>].api.md. Fails when a report is not what the
 * declarations say, and when they differ from the released report in api/released/ by more than the pending changesets announce.
 * Runs after a build, on the declarations that would be published. --update rewrites the reports.
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CompilerState, Extractor, ExtractorConfig, ExtractorLogLevel, type IConfigFile } from "@microsoft/api-extractor";
import { reportChanges } from "./api-diff.js";
import { complaints, pendingWeights } from "./weights.js";

const root = join(import.meta.dirname, "../..");
const update = process.argv.includes("--update");
const only = process.argv.slice(2).filter((word) => !word.startsWith("--"));

/** Reports in which members without a docstring still stand. */
const PARTLY_DOCUMENTED =
  /^(cli|cpu-core-disasm|paravirt-ops-conformance|vmm|devices(-(acpi|board|fw-cfg|hpet|i8042|ioapic|lapic|pci|pic|pit|pm-timer|rtc|test-device|uart|vga|virtio))?)\.api\.md$/;

interface Manifest {
  readonly name: string;
  readonly exports: Readonly<Record<string, string | { readonly types?: string }>>;
}

interface EntryPoint {
  /** File name in api/, without its end. */
  readonly report: string;
  /** Declarations, absolute. */
  readonly types: string;
}

/** The entry points of a package that have types. */
function entryPoints(dir: string, manifest: Manifest): EntryPoint[] {
  const short = dir.split("/").at(-1)!;
  return Object.entries(manifest.exports).flatMap(([path, target]) =>
    typeof target === "string" || target.types === undefined
      ? []
      : [{ report: path === "." ? short : `${short}-${path.slice(2).replaceAll("/", "-")}`, types: join(root, dir, target.types) }],
  );
}

function configOf(dir: string, { types, report }: EntryPoint, temporary: string): ExtractorConfig {
  const quiet = { logLevel: ExtractorLogLevel.None };
  const loud = { logLevel: ExtractorLogLevel.Warning, addToApiReportFile: true };
  const configObject: IConfigFile = {
    projectFolder: join(root, dir),
    mainEntryPointFilePath: types,
    compiler: {
      overrideTsconfig: {
        compilerOptions: {
          target: "ES2022",
          module: "NodeNext",
          moduleResolution: "NodeNext",
          lib: ["ES2023", "WebWorker"],
          types: dir.startsWith("apps/") ? ["node"] : [],
          skipLibCheck: true,
        },
        include: ["dist/**/*.d.ts"],
      },
    },
    apiReport: {
      enabled: true,
      includeForgottenExports: true,
      reportFileName: `${report}.api.md`,
      reportFolder: temporary,
      reportTempFolder: join(temporary, "temp"),
    },
    docModel: { enabled: false },
    dtsRollup: { enabled: false },
    tsdocMetadata: { enabled: false },
    messages: {
      compilerMessageReporting: { default: loud },
      extractorMessageReporting: {
        default: loud,
        "ae-missing-release-tag": quiet,
        "ae-undocumented": quiet,
        "ae-forgotten-export": { ...quiet, addToApiReportFile: true },
      },
      tsdocMessageReporting: { default: quiet },
    },
  };
  return ExtractorConfig.prepare({ configObject, configObjectFullPath: undefined, packageJsonFullPath: join(root, dir, "package.json") });
}

/** TypeScript writes the members of a union in the order in which it has met them, and a build with caches meets them in another: numbers in their own. */
const withOrderedUnions = (text: string): string =>
  text.replace(/(?<![\w.])\d+(?: \| \d+)+(?![\w.])/g, (union) =>
    union
      .split(" | ")
      .sort((a, b) => Number(a) - Number(b))
      .join(" | "),
  );

/** The reports of one package as its declarations are now. One compilation serves all its entry points. */
function reportsOf(dir: string, entries: readonly EntryPoint[]): Map<string, string> {
  const temporary = mkdtempSync(join(tmpdir(), "paravane-api-"));
  try {
    const configs = entries.map((entry) => configOf(dir, entry, temporary));
    const compilerState = CompilerState.create(configs[0]!, { additionalEntryPoints: entries.slice(1).map(({ types }) => types) });
    const reports = new Map<string, string>();
    for (const [index, config] of configs.entries()) {
      Extractor.invoke(config, {
        localBuild: true,
        compilerState,
        messageCallback: (message) => {
          message.handled = message.logLevel !== "error"; // warnings about exports are in the report itself
        },
      });
      const file = join(temporary, `${entries[index]!.report}.api.md`);
      reports.set(`${entries[index]!.report}.api.md`, withOrderedUnions(readFileSync(file, "utf8").replaceAll("\r\n", "\n")));
    }
    return reports;
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}

const problems: string[] = [];
const pending = pendingWeights(root);
const present = new Set<string>();
const dirs = [...readdirSync(join(root, "packages")).map((name) => `packages/${name}`), "apps/cli"].filter((dir) =>
  existsSync(join(root, dir, "package.json")),
);
const released = join(root, "api/released");
mkdirSync(join(root, "api"), { recursive: true });

for (const dir of dirs) {
  if (only.length > 0 && !only.includes(dir.split("/").at(-1)!)) continue;
  const manifest = JSON.parse(readFileSync(join(root, dir, "package.json"), "utf8")) as Manifest;
  for (const [file, text] of reportsOf(dir, entryPoints(dir, manifest))) {
    present.add(file);
    const path = join(root, "api", file);
    const committed = existsSync(path) ? readFileSync(path, "utf8") : "";
    if (update) writeFileSync(path, text);
    else if (committed !== text) {
      problems.push(`${manifest.name}: its API is not what api/${file} says`);
      for (const { what } of reportChanges(committed, text)) problems.push(`  ${what}`);
    }
    const partly = PARTLY_DOCUMENTED.test(file);
    if (text.includes("(undocumented)") !== partly) {
      problems.push(partly ? `api/${file} is fully documented: take it from the exceptions` : `something in api/${file} has no docstring`);
    }
    const before = join(released, file);
    if (existsSync(before)) problems.push(...complaints(manifest.name, reportChanges(readFileSync(before, "utf8"), text), pending));
  }
  const mine = (file: string): boolean => file.startsWith(`${dir.split("/").at(-1)}.`) || file.startsWith(`${dir.split("/").at(-1)}-`);
  if (!existsSync(released)) continue;
  for (const file of readdirSync(released).filter((name) => name.endsWith(".api.md") && mine(name) && !present.has(name))) {
    problems.push(...complaints(manifest.name, [{ weight: "major", what: `the entry point of api/released/${file} is gone` }], pending));
  }
}
if (only.length === 0) {
  for (const file of readdirSync(join(root, "api")).filter((name) => name.endsWith(".api.md") && !present.has(name))) {
    if (update) rmSync(join(root, "api", file));
    else problems.push(`api/${file} belongs to no entry point`);
  }
}

for (const problem of problems) console.error(problem);
if (problems.length > 0) {
  if (!update) console.error("a change that is meant: `npm run api`, and a changeset that is heavy enough");
  process.exitCode = 1;
}

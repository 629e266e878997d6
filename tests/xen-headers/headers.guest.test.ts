// Xen's own headers, as Debian's libxen-dev has them, are compiled and asked for every number and layout of ours.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { AbiEntry } from "../../packages/paravirt-ops/src/index.js";
import { manifest } from "../../packages/backend-xen/src/abi/manifest.js";
import { BY_WIDTH, EXPRESSIONS, MEMBERS, NOT_IN_HEADERS } from "./header-names.js";

type Width = 64 | 32;

/** A number of ours and what C calls it; several spellings where the headers' is not known beforehand. */
interface Question {
  readonly name: string;
  readonly ours: string;
  readonly expressions: readonly string[];
}

const HEADERS = [
  ...["xen", "elfnote", "features", "event_channel", "sched", "vcpu", "memory", "version", "physdev", "grant_table", "callback", "errno"],
  ...["hvm/hvm_op", "hvm/params", "hvm/hvm_vcpu", "arch-x86/cpuid", "arch-x86/xen-mca", "arch-x86/hvm/start_info"],
  ...["io/ring", "io/blkif", "io/xenbus", "io/xs_wire", "platform"],
];
/** Those that only tools may include, who see the newest version of everything: asked for their own versions alone. */
const FOR_TOOLS = [
  "#define __XEN_TOOLS__ 1",
  "#include <stdint.h>",
  "#include <stdio.h>",
  "#include <xen/domctl.h>",
  "#include <xen/sysctl.h>",
];
const PREAMBLE = [
  "#include <stddef.h>",
  "#include <stdint.h>",
  "#include <stdio.h>",
  "#include <sys/types.h>",
  ...HEADERS.map((name) => `#include <xen/${name}.h>`),
];

const scratch = mkdtempSync(join(tmpdir(), "paravane-headers-"));
beforeAll(() => {
  for (const [needed, packages] of [
    ["/usr/include/xen/xen.h", "libxen-dev"],
    ["/usr/bin/gcc", "gcc gcc-multilib"],
  ] as const) {
    if (!existsSync(needed)) throw new Error(`${needed} is missing: apt-get install -y ${packages}`);
  }
});
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** 32-bit registers have an E where ours, and the 64-bit ones, have an R. */
const register = (member: string): string => member.replace(/^r(ax|bx|cx|dx|si|di|bp|sp|ip|flags)$/, "e$1");

function questionsOf({ kind, name, value, size }: AbiEntry, width: Width): Question[] {
  if (kind === "structure" || kind === "field") {
    if (!name.startsWith(`${width} `)) return [];
    const [structure, ...path] = name.slice(3).split(".");
    if (kind === "structure") return [{ name: `${name} size`, ours: String(size), expressions: [`sizeof(struct ${structure})`] }];
    const member = MEMBERS[name] ?? MEMBERS[name.slice(3)] ?? path.join(".");
    const spellings = [...new Set([member, register(member)])];
    return [
      { name, ours: String(value), expressions: spellings.map((each) => `offsetof(struct ${structure}, ${each})`) },
      { name: `${name} size`, ours: String(size), expressions: spellings.map((each) => `sizeof(((struct ${structure} *)0)->${each})`) },
    ];
  }
  const special = BY_WIDTH[width][name];
  if (special !== undefined) return [{ name, ours: String(value), expressions: [special] }];
  if (width === 32 || name in BY_WIDTH[32]) return [];
  const spellings = EXPRESSIONS[name] === undefined ? [...new Set([name, name.toUpperCase()])] : [EXPRESSIONS[name]!];
  return [{ name, ours: String(value), expressions: spellings }];
}

/** Compiles one line for each expression, leaves out what the compiler does not know, and runs the rest. */
function ask(width: Width, expressions: readonly string[], preamble: readonly string[] = PREAMBLE): Map<string, string> {
  const file = join(scratch, `ask${width}.c`);
  const program = join(scratch, `ask${width}`);
  const compile = (known: readonly (string | undefined)[]) => {
    const lines = known.map((text, i) => (text === undefined ? "" : `  printf("${i} %lld\\n", (long long)(${text}));`));
    writeFileSync(file, [...preamble, "int main(void) {", ...lines, "  return 0; }", ""].join("\n"));
    return spawnSync(
      "gcc",
      [`-m${width}`, "-std=gnu11", "-D__XEN_INTERFACE_VERSION__=0x00040d00", "-w", "-fmax-errors=0", "-o", program, file],
      { encoding: "utf8" },
    );
  };
  const first = preamble.length + 2;
  const bad = new Set<number>();
  let outcome = compile(expressions);
  // A name that is not declared is reported once, however often it stands there: so until nothing more is found.
  for (let before = -1; outcome.status !== 0 && bad.size > before; ) {
    before = bad.size;
    for (const [, line] of outcome.stderr.matchAll(/ask\d+\.c:(\d+):\d+: (?:fatal )?error/g)) bad.add(Number(line) - first);
    outcome = compile(expressions.map((text, i) => (bad.has(i) ? undefined : text)));
  }
  if (outcome.status !== 0) throw new Error(outcome.stderr);
  const { stdout } = spawnSync(program, { encoding: "utf8" });
  return new Map([...stdout.matchAll(/^(\d+) (-?\d+)$/gm)].map(([, index, value]) => [expressions[Number(index)]!, value!]));
}

const numeric = (text: string): string => (text.startsWith("0x") ? String(BigInt.asIntN(64, BigInt(text))) : text);

const answers = new Map<string, string | undefined>();
const mismatches: string[] = [];
let compared = 0;

test.each([64, 32] as const)("numbers and layouts of %i-bit guests are those of the headers", (width) => {
  const questions = manifest.entries.flatMap((entry) => questionsOf(entry, width));
  const told = ask(width, [...new Set(questions.flatMap(({ expressions }) => expressions))]);
  const versions = questions.flatMap(({ expressions }) => expressions.filter((text) => text.endsWith("_INTERFACE_VERSION")));
  for (const [text, value] of ask(width, versions, FOR_TOOLS)) told.set(text, value);
  for (const { name, ours, expressions } of questions) {
    const theirs = expressions.map((text) => told.get(text)).find((value) => value !== undefined);
    answers.set(name, theirs);
    if (theirs === undefined) continue;
    compared++;
    if (theirs !== numeric(ours)) mismatches.push(`${width}: ${name} is ${ours}, and ${theirs} in the headers`);
  }
  expect(mismatches).toEqual([]);
  expect(compared).toBeGreaterThan(300);
});

test("what the headers do not have is known", () => {
  const missing = [...answers].filter(([, theirs]) => theirs === undefined).map(([name]) => name);
  const stands = (pattern: string, name: string): boolean =>
    pattern.endsWith("*") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
  expect(missing.filter((name) => !NOT_IN_HEADERS.some((pattern) => stands(pattern, name)))).toEqual([]);
  expect(NOT_IN_HEADERS.filter((pattern) => !missing.some((name) => stands(pattern, name)))).toEqual([]);
});

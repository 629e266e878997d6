// `paravane doctor`: what this host offers to a machine, and whether that is enough.
import { existsSync, readdirSync, statfsSync } from "node:fs";
import { availableParallelism, freemem, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { hasApt } from "../img/apt.js";
import { cacheDirectory } from "../img/cache.js";

/** One line of the report; `ok` is false where a machine would not run, undefined where it only says what is. */
export interface Finding {
  readonly what: string;
  readonly found: string;
  readonly ok?: boolean;
  readonly advice?: string;
}

const HEADER = [0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
/** A module with a memory and one function of type () -> () with the given body: type, function, memory and code sections. */
const withBody = (...body: number[]): number[] => [
  ...HEADER,
  1,
  4,
  1,
  0x60,
  0,
  0,
  3,
  2,
  1,
  0,
  5,
  3,
  1,
  0,
  1,
  10,
  body.length + 4,
  1,
  body.length + 2,
  0,
  ...body,
  0x0b,
];

/** WebAssembly features, each with the smallest module that needs it. */
const FEATURES: readonly { name: string; needed: boolean; module: number[] }[] = [
  { name: "WebAssembly SIMD", needed: true, module: withBody(0x41, 0, 0xfd, 15, 0x1a) }, // i8x16.splat
  { name: "WebAssembly bulk memory", needed: true, module: withBody(0x41, 0, 0x41, 0, 0x41, 0, 0xfc, 11, 0) }, // memory.fill
  { name: "WebAssembly tail calls", needed: false, module: withBody(0x12, 0) }, // return_call 0
  { name: "WebAssembly threads", needed: false, module: [...HEADER, 5, 4, 1, 3, 1, 1] }, // a shared memory
];

const validates = (module: number[]): boolean => WebAssembly.validate(Uint8Array.from(module));

function largestMemory(): number {
  for (const gib of [4, 2, 1]) {
    const pages = gib * 16384;
    try {
      new WebAssembly.Memory({ initial: pages, maximum: pages });
      return gib;
    } catch {
      // Not that much: try less.
    }
  }
  return 0;
}

/** Looks at this host. */
export function examine(): Finding[] {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const nodeFits = major > 20 || (major === 20 && minor >= 19);
  const memory = largestMemory();
  const cache = cacheDirectory();
  const guests = join(cache, "guests");
  const names = existsSync(guests)
    ? readdirSync(guests)
        .filter((name) => name.endsWith(".json"))
        .map((name) => name.replace(/-v\d+\.json$/, ""))
    : [];
  const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  return [
    { what: "Node", found: process.versions.node, ok: nodeFits, ...(nodeFits ? {} : { advice: "20.19 or newer is needed" }) },
    { what: "V8", found: process.versions.v8 },
    { what: "platform", found: `${process.platform} ${process.arch}` },
    { what: "processors", found: String(availableParallelism()), ok: true },
    {
      what: "memory",
      found: `${gib(freemem())} free of ${gib(totalmem())}`,
      ok: freemem() > 2 ** 29,
      ...(freemem() > 2 ** 29 ? {} : { advice: "less than 512 MiB is free" }),
    },
    {
      what: "WebAssembly memory",
      found: memory === 0 ? "less than 1 GiB" : `${memory} GiB`,
      ok: memory >= 1,
      ...(memory >= 1 ? {} : { advice: "lift the limit on address space (ulimit -v)" }),
    },
    ...FEATURES.map(({ name, needed, module }): Finding => {
      const there = validates(module);
      return {
        what: name,
        found: there ? "yes" : "no",
        ...(needed ? { ok: there } : {}),
        ...(needed && !there ? { advice: "a newer Node has it" } : {}),
      };
    }),
    { what: "apt", found: hasApt() ? "yes: guests can be taken from Debian's archive" : "no: give kernels with --kernel, or run hello" },
    { what: "cache", found: `${cache}${names.length > 0 ? ` (${names.join(", ")})` : ""}${freeSpace(cache)}` },
    { what: "terminal", found: process.stdin.isTTY ? "yes" : "no: keys are read as a stream" },
  ];
}

function freeSpace(path: string): string {
  let dir = path;
  while (!existsSync(dir) && dirname(dir) !== dir) dir = dirname(dir);
  const { bavail, bsize } = statfsSync(dir);
  return `, ${((bavail * bsize) / 2 ** 30).toFixed(1)} GiB free`;
}

/** The report as a table. */
export function formatFindings(findings: readonly Finding[]): string {
  const width = Math.max(...findings.map(({ what }) => what.length));
  return findings
    .map(
      ({ what, found, ok, advice }) =>
        `${ok === false ? "✗" : ok === true ? "✓" : " "} ${what.padEnd(width)}  ${found}${advice ? `: ${advice}` : ""}`,
    )
    .join("\n");
}

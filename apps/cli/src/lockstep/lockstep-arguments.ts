// The options of `paravane lockstep`, understood.
import { parseMemory, parsePort, parseTimeout } from "../args/values.js";
import { usageError } from "../errors.js";
import { readSymbols, type SymbolTable } from "../profile/symbols.js";
import type { GdbAddress } from "./gdb-client.js";
import type { From } from "./lockstep.js";
import { RULE_NAMES } from "./rules.js";

/** The options as written. */
export interface RawLockstepOptions {
  guest?: string;
  kernel?: string;
  initrd?: string;
  append?: string;
  memory?: string;
  cpu?: string;
  exitPort?: string;
  testDevice?: boolean;
  vs?: string;
  from?: string;
  count?: string;
  skip?: string;
  samples?: string;
  findings?: string;
  exact?: boolean;
  strict?: string[];
  symbols?: string;
  perturb?: string;
  timeout?: string;
}

/** The same, checked. */
export interface LockstepArguments {
  readonly guest: { guest: string | undefined; kernel: string | undefined; initrd: string | undefined; append: string | undefined };
  readonly memoryBytes: number;
  readonly cpu: string | undefined;
  readonly exitPort: number | undefined;
  readonly testDevice: boolean;
  readonly vs: GdbAddress | "qemu";
  readonly from: From;
  readonly count: number;
  readonly skip: number;
  readonly samples: number;
  readonly findings: number;
  readonly exact: boolean;
  /** Names of rules that are switched off. */
  readonly strict: readonly string[];
  readonly symbols: SymbolTable | undefined;
  readonly perturb: { at: number; register: string; value: bigint } | undefined;
  readonly timeoutMs: number | undefined;
}

const UNITS: Readonly<Record<string, number>> = { "": 1, k: 1e3, m: 1e6, g: 1e9 };

function parseCount(option: string, value: string): number {
  const match = /^(\d+)([kmg]?)$/i.exec(value);
  if (!match) throw usageError(`${option} ${value}: not a number of instructions; write 200000, 200k or 3M`);
  return Number(match[1]) * UNITS[match[2]!.toLowerCase()]!;
}

function parseFrom(value: string, symbols: SymbolTable | undefined): From {
  if (/^0x[0-9a-f]+$/i.test(value)) return { address: BigInt(value) };
  if (/^\d/.test(value)) return { count: parseCount("--from", value) };
  const address = symbols?.addressOf(value);
  if (address === undefined) {
    throw usageError(
      `--from ${value}: ${symbols ? "there is no such symbol" : "a symbol needs --symbols FILE; a number of instructions or 0xADDRESS does not"}`,
    );
  }
  return { address };
}

function parseVs(value: string): GdbAddress | "qemu" {
  if (value === "qemu") return value;
  if (value.startsWith("unix:")) return { path: value.slice(5) };
  const match = /^(?:tcp:)?(\[[^\]]+\]|[^:]*):(\d+)$/.exec(value);
  const port = Number(match?.[2]);
  if (!match || port < 1 || port > 65_535) throw usageError(`--vs ${value}: write qemu, HOST:PORT or unix:PATH`);
  return { host: match[1]!.replace(/^\[|\]$/g, "") || "localhost", port };
}

function parsePerturb(value: string): { at: number; register: string; value: bigint } {
  const match = /^(\w+)=(0x[0-9a-f]+|\d+)@(\d+)$/i.exec(value);
  if (!match) throw usageError(`--perturb ${value}: write REGISTER=VALUE@INSTRUCTION, as rbx=0x1234@1000`);
  return { register: match[1]!, value: BigInt(match[2]!), at: Number(match[3]) };
}

/** Checks the words; the first mistake is a usage error. */
export function understandLockstep(guest: string | undefined, raw: RawLockstepOptions): LockstepArguments {
  if (guest !== undefined && raw.kernel !== undefined) throw usageError("give a GUEST or --kernel, not both");
  for (const name of raw.strict ?? []) {
    if (name !== "all" && !RULE_NAMES.includes(name))
      throw usageError(`--strict ${name}: no rule of that name; known: all, ${RULE_NAMES.join(", ")}`);
  }
  const symbols = raw.symbols === undefined ? undefined : readSymbols(raw.symbols);
  const skip = raw.skip === undefined ? 0 : parseCount("--skip", raw.skip);
  return {
    guest: { guest, kernel: raw.kernel, initrd: raw.initrd, append: raw.append },
    memoryBytes: parseMemory(raw.memory ?? "256M"),
    cpu: raw.cpu,
    exitPort: raw.exitPort === undefined ? undefined : parsePort(raw.exitPort),
    testDevice: raw.testDevice ?? false,
    vs: parseVs(raw.vs ?? "qemu"),
    from: parseFrom(raw.from ?? "0", symbols),
    count: parseCount("--count", raw.count ?? (skip > 0 ? "20k" : "1M")),
    skip,
    samples: raw.samples === undefined ? (skip > 0 ? Number.POSITIVE_INFINITY : 1) : parseCount("--samples", raw.samples),
    findings: parseCount("--findings", raw.findings ?? "1"),
    exact: raw.exact ?? false,
    strict: raw.strict?.includes("all") ? RULE_NAMES : (raw.strict ?? []),
    symbols,
    perturb: raw.perturb === undefined ? undefined : parsePerturb(raw.perturb),
    timeoutMs: raw.timeout === undefined ? undefined : parseTimeout(raw.timeout),
  };
}

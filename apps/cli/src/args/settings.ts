// What a machine is to be: the options of run and boot, the file given by --config beneath them, checked and with defaults filled in.
import { readFileSync } from "node:fs";
import type { VmiConfig } from "@paravane/backend-vmi";
import { BACKEND_NAMES } from "../backends.js";
import { fileError, usageError } from "../errors.js";
import { type DriveOption, parseDrive } from "../host/drive.js";
import { parseMemory, parsePattern, parsePort, parseSmp, parseTimeout, parseWord } from "./values.js";

/** Execution tiers: auto is jit, which is the interpreter and translations of what runs often. */
export type Engine = "auto" | "interp" | "jit" | "verify" | "verify:sampled";

/** The options as written, on the command line or in a configuration file; both use the same words. */
export interface RawSettings {
  guest?: string;
  kernel?: string;
  initrd?: string;
  append?: string;
  memory?: string;
  smp?: string;
  cpu?: string;
  drive?: string[];
  serial?: string;
  clock?: string;
  engine?: string;
  backend?: string[];
  vmiCpl?: string;
  vmiHole?: string;
  vmiCalls?: string;
  xenMode?: string;
  xenIdentityFrames?: boolean;
  exitPort?: string;
  testDevice?: boolean;
  timeout?: string;
  trace?: string;
  stats?: string;
  profile?: string[];
  profileFrom?: string;
  symbols?: string[];
  reboot?: boolean;
  snapshot?: boolean;
}

/** How a Xen guest is started: the names are the backend's own. */
export interface XenSettings {
  /** PV unless the kernel has a PVH entry only, or one of them. */
  readonly mode: "auto" | "pv" | "pvh";
  readonly frames: "scrambled" | "identity";
}

/** The same, understood. */
export interface Settings {
  readonly guest: string | undefined;
  readonly kernel: string | undefined;
  readonly initrd: string | undefined;
  readonly append: string | undefined;
  /** Absent where nobody chose: it then depends on the kernel. */
  readonly memoryBytes: number | undefined;
  readonly vcpus: number;
  readonly cpu: string | undefined;
  readonly drives: readonly DriveOption[];
  readonly serial: "stdio" | "none" | { readonly file: string };
  readonly clock: "host" | "icount";
  readonly engine: Engine;
  /** Names of hypervisors that the machine carries; none named means native. */
  readonly backends: readonly string[];
  /** What was said of VMI; what was not is the backend's to choose. */
  readonly vmi: Partial<VmiConfig>;
  readonly xen: XenSettings;
  readonly exitPort: number | undefined;
  readonly testDevice: boolean;
  readonly timeoutMs: number | undefined;
  readonly trace: string | undefined;
  readonly stats: string | undefined;
  /** Files for profiles; the name decides the form. */
  readonly profile: readonly string[];
  /** The console shows this where the profile begins. */
  readonly profileFrom: RegExp | undefined;
  /** Files that name addresses in profiles. */
  readonly symbols: readonly string[];
  readonly reboot: boolean;
}

const LISTS = ["drive", "backend", "profile", "symbols"] as const;
const SWITCHES = ["testDevice", "reboot", "snapshot", "xenIdentityFrames"] as const;
const TEXTS = [
  "guest",
  "kernel",
  "initrd",
  "append",
  "memory",
  "smp",
  "cpu",
  "serial",
  "clock",
  "engine",
  "vmiCpl",
  "vmiHole",
  "vmiCalls",
  "xenMode",
  "exitPort",
  "timeout",
  "trace",
  "stats",
  "profileFrom",
] as const;

/** Reads a configuration file: one JSON object with the words of RawSettings. */
export function readConfig(path: string): RawSettings {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const { message } = fileError(path, error);
    throw usageError(message);
  }
  let config: unknown;
  try {
    config = JSON.parse(text);
  } catch (error) {
    throw usageError(`${path} is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (typeof config !== "object" || config === null || Array.isArray(config)) throw usageError(`${path} does not hold a JSON object`);
  for (const [key, value] of Object.entries(config)) {
    const fits = (TEXTS as readonly string[]).includes(key)
      ? typeof value === "string"
      : (SWITCHES as readonly string[]).includes(key)
        ? typeof value === "boolean"
        : (LISTS as readonly string[]).includes(key)
          ? Array.isArray(value) && value.every((item) => typeof item === "string")
          : undefined;
    if (fits === undefined) throw usageError(`${path}: unknown setting "${key}"; known: ${[...TEXTS, ...LISTS, ...SWITCHES].join(", ")}`);
    if (!fits) throw usageError(`${path}: the value of "${key}" is of the wrong kind`);
  }
  return config as RawSettings;
}

/** The options of VMI, which are about nothing when no machine carries it. */
function understandVmi({ backend = [], vmiCpl, vmiHole, vmiCalls }: RawSettings): Partial<VmiConfig> {
  for (const [option, value] of Object.entries({ "--vmi-cpl": vmiCpl, "--vmi-hole": vmiHole, "--vmi-calls": vmiCalls }))
    if (value !== undefined && !backend.includes("vmi")) throw usageError(`${option} is about VMI; give --backend vmi too`);
  return {
    ...(vmiCpl === undefined ? {} : { cpl: parseWord("--vmi-cpl", vmiCpl, ["0", "1"]) === "1" ? 1 : 0 }),
    ...(vmiHole === undefined ? {} : { hole: vmiHole === "none" ? 0 : parseMemory(vmiHole, "--vmi-hole") }),
    ...(vmiCalls === undefined ? {} : { calls: vmiCalls }),
  };
}

/** Checks the words; the first mistake is a usage error. */
export function understand(raw: RawSettings): Settings {
  for (const [option, value] of Object.entries({ "--symbols": raw.symbols, "--profile-from": raw.profileFrom }))
    if (value !== undefined && raw.profile === undefined) throw usageError(`${option} is about profiles; give --profile FILE too`);
  for (const backend of raw.backend ?? []) {
    if (backend !== "auto" && !(BACKEND_NAMES as readonly string[]).includes(backend))
      throw usageError(`--backend ${backend}: this backend is not there yet; known: ${BACKEND_NAMES.join(", ")}, auto`);
  }
  const serial = raw.serial ?? "stdio";
  return {
    guest: raw.guest,
    kernel: raw.kernel,
    initrd: raw.initrd,
    append: raw.append,
    memoryBytes: raw.memory === undefined ? undefined : parseMemory(raw.memory),
    vcpus: parseSmp(raw.smp ?? "1"),
    cpu: raw.cpu,
    drives: (raw.drive ?? []).map(parseDrive).map((drive) => (raw.snapshot && !drive.readOnly ? { ...drive, overlay: true } : drive)),
    serial: serial.startsWith("file:")
      ? { file: serial.slice(5) }
      : parseWord("--serial", serial === "mon:stdio" ? "stdio" : serial, ["stdio", "none"]),
    clock: parseWord("--clock", raw.clock ?? "host", ["host", "icount"]),
    engine: parseWord("--engine", raw.engine ?? "auto", ["auto", "interp", "jit", "verify", "verify:sampled"]),
    backends: raw.backend ?? [],
    vmi: understandVmi(raw),
    xen: {
      mode: raw.xenMode === undefined ? "auto" : parseWord("--xen-mode", raw.xenMode, ["pv", "pvh"]),
      frames: raw.xenIdentityFrames ? "identity" : "scrambled",
    },
    exitPort: raw.exitPort === undefined ? undefined : parsePort(raw.exitPort),
    testDevice: raw.testDevice ?? false,
    timeoutMs: raw.timeout === undefined ? undefined : parseTimeout(raw.timeout),
    trace: raw.trace,
    stats: raw.stats,
    profile: raw.profile ?? [],
    profileFrom: raw.profileFrom === undefined ? undefined : parsePattern("--profile-from", raw.profileFrom),
    symbols: raw.symbols ?? [],
    reboot: raw.reboot ?? true,
  };
}

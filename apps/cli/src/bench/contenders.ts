// The machines that a benchmark can be run on, each as a command whose standard input and output are the guest's console:
// ours, ours with another hypervisor, another build of ours, QEMU's TCG, v86; and this host without any machine.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { withConsole } from "../backends.js";
import { usageError } from "../errors.js";
import { entryPoint } from "../package-root.js";
import type { ThreadChoice } from "./process-clock.js";
import type { Bits } from "./programs/build.js";

/** What a machine boots. */
export interface GuestSetup {
  readonly bits: Bits;
  readonly kernel: string;
  readonly initrd: string;
  readonly append: string;
  readonly memoryBytes: number;
}

/** A way to run a guest. */
export interface Contender {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly vcpuThread: ThreadChoice;
  /** A paravane: it understands `--stats`. */
  readonly ours?: true;
}

/** How ours is started. */
export interface OwnOptions {
  readonly cpu: string | undefined;
  readonly engine: string | undefined;
  /** More words for the command line of ours. */
  readonly more?: readonly string[];
}

/** Names of other machines, the last two being ours as a Xen; anything else after --vs is the path of another build's cli.js. */
export const RIVALS = ["qemu", "v86", "v86-interp", "xen-pv", "xen-pvh"] as const;

/** One word of `--vs`. */
export type Rival = (typeof RIVALS)[number] | { readonly cli: string };

/**
 * The processor that every machine shows to its guest, so that all kernels take the same paths: v86's, which cannot be chosen, for 32 bits,
 * and QEMU's default for 64.
 */
const IDENTITY: Readonly<Record<Bits, { readonly ours: string; readonly qemu: string }>> = {
  32: { ours: "qemu64,vendor=intel", qemu: "qemu32" },
  64: { ours: "qemu64", qemu: "qemu64" },
};

const own = entryPoint("cli");
const v86Console = entryPoint("bench/v86-console");

/** A word of --vs, understood. */
export function parseRival(word: string): Rival {
  const known = RIVALS.find((name) => name === word);
  if (known !== undefined) return known;
  if (/\.(m?js|ts)$/.test(word) && existsSync(word)) return { cli: word };
  throw usageError(`--vs ${word}: neither one of ${RIVALS.join(", ")} nor the cli.js of another build of paravane`);
}

/** What a rival is called in reports. */
export const rivalName = (rival: Rival): string => (typeof rival === "string" ? rival : "other");

/** The one word size of those that have not both: v86 has no 64-bit mode, and stock 32-bit kernels are no Xen guests any more. */
const ONLY: Readonly<Record<string, Bits>> = { v86: 32, "v86-interp": 32, "xen-pv": 64, "xen-pvh": 64 };

/** True when the rival can run guests of this word size. */
export const canRun = (rival: Rival, bits: Bits): boolean => (ONLY[rivalName(rival)] ?? bits) === bits;

/** True when the rival needs a BIOS and the npm package. */
export const isV86 = (rival: Rival): rival is "v86" | "v86-interp" => rival === "v86" || rival === "v86-interp";

/** Ours, as a user starts it. */
export function ourselves(setup: GuestSetup, options: OwnOptions, cli = own, name = "paravane"): Contender {
  const { kernel, initrd, append, memoryBytes, bits } = setup;
  const cpu = options.cpu ?? IDENTITY[bits].ours;
  return {
    name,
    command: process.execPath,
    args: [
      ...process.execArgv,
      ...[cli, "run", "-q", "--no-reboot", "--kernel", kernel, "--initrd", initrd, "--append", append, "-m", `${memoryBytes / 2 ** 20}M`],
      ...["--cpu", cpu],
      ...(options.engine === undefined ? [] : ["--engine", options.engine]),
      ...(options.more ?? []),
    ],
    vcpuThread: "main",
    ours: true,
  };
}

/** Ours with Xen as the hypervisor. */
function xen(setup: GuestSetup, options: OwnOptions, mode: "pv" | "pvh"): Contender {
  const more = ["--backend", "xen", "--xen-mode", mode];
  return ourselves({ ...setup, append: withConsole(setup.append, "xen") }, { ...options, more }, own, `xen-${mode}`);
}

/** QEMU with nothing but a serial port. */
export function qemu({ bits, kernel, initrd, append, memoryBytes }: GuestSetup): Contender {
  return {
    name: "qemu",
    command: qemuCommand(bits),
    args: [
      ..."-name bench,debug-threads=on -accel tcg -display none -vga none -net none -monitor none -serial stdio -no-reboot".split(" "),
      ...["-cpu", IDENTITY[bits].qemu, "-m", `${memoryBytes / 2 ** 20}`, "-kernel", kernel, "-initrd", initrd, "-append", append],
    ],
    vcpuThread: { named: /^CPU 0/ },
  };
}

const qemuCommand = (bits: Bits): string => (bits === 64 ? "qemu-system-x86_64" : "qemu-system-i386");

/** v86 in a process of its own. */
export function v86(setup: GuestSetup, bios: { system: string; vga: string }, translate: boolean): Contender {
  return {
    name: translate ? "v86" : "v86-interp",
    command: process.execPath,
    args: [...process.execArgv, v86Console, JSON.stringify({ ...setup, bios, translate })],
    vcpuThread: "main",
  };
}

/** The machine of one word of `--vs`. */
export function rivalMachine(rival: Rival, setup: GuestSetup, options: OwnOptions, bios?: { system: string; vga: string }): Contender {
  if (rival === "qemu") return qemu(setup);
  if (isV86(rival)) return v86(setup, bios!, rival === "v86");
  if (rival === "xen-pv" || rival === "xen-pvh") return xen(setup, options, rival === "xen-pv" ? "pv" : "pvh");
  return ourselves(setup, options, rival.cli, "other");
}

/** Fails with what to install when a rival is not here. */
export function requireRivals(rivals: readonly Rival[], sizes: readonly Bits[]): void {
  for (const rival of rivals) {
    if (rival === "qemu") {
      for (const bits of sizes) {
        if (spawnSync(qemuCommand(bits), ["--version"], { stdio: "ignore" }).status !== 0)
          throw usageError(`--vs qemu: this host has no ${qemuCommand(bits)}: apt-get install qemu-system-x86`);
      }
    } else if (isV86(rival)) {
      try {
        import.meta.resolve("v86");
      } catch {
        throw usageError(
          `--vs ${rival}: v86 is not installed; it is a development dependency of a clone (npm install v86 beside the package)`,
        );
      }
    }
  }
}

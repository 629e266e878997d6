// `paravane run` and `paravane boot`: a machine on this terminal, or headless with what its console must show.
import { type Command, Option } from "commander";
import { type RawSettings, readConfig, understand } from "../args/settings.js";
import { parseThen, parseUntil, type Step } from "../console/expect.js";
import { usageError } from "../errors.js";
import { installedParts } from "../parts.js";
import { withBackends } from "../backends.js";
import { runSession, type SessionOptions } from "../session.js";
import { collect, type CommonOptions, commonOptions, guestOptions, laterOption, type Verb, type VerbContext } from "./verb.js";

const LATER_OPTIONS = ["--net", "--share", "--pcap"];

interface MachineFlags extends RawSettings, CommonOptions {
  config?: string;
  dumpConfig?: boolean;
  net?: string;
  share?: string;
  pcap?: string;
}

/** `paravane run` */
export const run: Verb = (command, context) => {
  machineOptions(command).action((guest: string | undefined, flags: MachineFlags) =>
    session(guest, flags, { interactive: true, steps: [] }, context),
  );
};

/** `paravane boot` */
export const boot: Verb = (command, context) => {
  const steps: Step[] = [];
  machineOptions(command)
    .addOption(
      new Option("--until <regex>", "wait for this on the console; may be given again").argParser(
        (text: string) => void steps.push(parseUntil(text)),
      ),
    )
    .addOption(
      new Option("--then <text>", "type this (\\n, \\r, \\xNN are understood); may be given again").argParser(
        (text: string) => void steps.push(parseThen(text)),
      ),
    )
    .action((guest: string | undefined, flags: MachineFlags) => session(guest, flags, { interactive: false, steps }, context));
};

async function session(guest: string | undefined, flags: MachineFlags, how: SessionOptions, context: VerbContext): Promise<void> {
  const messages = context.useOptions(flags);
  const raw = rawSettings(guest, flags);
  if (flags.dumpConfig) {
    context.io.stdout.write(`${JSON.stringify(raw, null, 2)}\n`);
    return;
  }
  if (raw.vmiCalls === "list") {
    const { describePolicy, parsePolicy } = await import("@paravane/backend-vmi");
    context.io.stdout.write(`${describePolicy(parsePolicy(""))}\n`);
    return;
  }
  const settings = understand(raw);
  context.done(
    await runSession(
      settings,
      { ...how, guestStarts: context.guestStarts },
      await withBackends(installedParts(settings.engine), settings.backends, settings),
      context.io,
      messages,
    ),
  );
}

function machineOptions(command: Command): Command {
  commonOptions(
    guestOptions(command)
      .option("-m, --memory <size>", "memory (default 256M; 128M for a multiboot kernel)")
      .option("--smp <n>", "vCPUs")
      .option("--cpu <model>", "CPU model: MODEL,+feature,-feature,vendor=V")
      .option("--drive <file[,ro][,overlay]>", "a disk image; may be given again", collect)
      .option("--snapshot", "all drives as overlays: changes are forgotten")
      .option("--serial <where>", "console: stdio, file:F or none")
      .option("--clock <kind>", "guest time: host, or icount (deterministic)")
      .option("--engine <tier>", "execution: auto, interp, jit, verify or verify:sampled")
      .option("--backend <name>", "hypervisor: native, xen, vmi or auto; may be given again", collect)
      .option("--vmi-cpl <level>", "VMI: the kernel's privilege level, 0 or 1")
      .option("--vmi-hole <size>", "VMI: what the guest leaves free below 4 GiB, or none")
      .option("--vmi-calls <policy>", "VMI: NAME=call|jump|nop|native,... over the usual answers; list shows them")
      .option("--xen-mode <mode>", "Xen guests: pv or pvh (default pv, or pvh for a kernel that has that entry only)")
      .option("--xen-identity-frames", "Xen PV guests get machine frames in order: for debugging")
      .option("--exit-port <port>", "port whose writes end the run with status (v << 1) | 1")
      .option("--test-device", "the device of kernel test suites")
      .option("--no-reboot", "end when the guest resets")
      .option("--timeout <time>", "end with status 124 after this time")
      .option("--trace <taps>", "to stderr: insn, irq, pio[:PORTS], mmio[:ADDRESSES], hypercall[:NAME], op[:NAME]")
      .option("--stats <file>", "write counters as JSON")
      .option("--profile <file>", "where guest time goes: text, .cpuprofile for DevTools, .folded; may be given again", collect)
      .option("--profile-from <regex>", "the profile begins when the console shows this")
      .option("--symbols <file>", "names for --profile: System.map, kallsyms or ELF; may be given again", collect)
      .option("--config <file>", "settings from a JSON file; flags win")
      .option("--dump-config", "print the settings as JSON and end"),
  );
  for (const later of LATER_OPTIONS) command.addOption(laterOption(later));
  return command;
}

/** The flags over the configuration file. */
function rawSettings(guest: string | undefined, flags: MachineFlags): RawSettings {
  for (const later of LATER_OPTIONS) {
    const key = later.slice(2).replace(/-(.)/g, (_, letter: string) => letter.toUpperCase()) as "net" | "share" | "pcap";
    if (flags[key] !== undefined && !(key === "net" && flags[key] === "none")) throw usageError(`${later} is not there yet`);
  }
  const base = flags.config === undefined ? {} : readConfig(flags.config);
  const {
    config: _config,
    dumpConfig: _dump,
    quiet: _quiet,
    json: _json,
    logLevel: _level,
    net: _net,
    share: _share,
    pcap: _pcap,
    ...rest
  } = flags;
  const given = { ...rest, ...(guest === undefined ? {} : { guest }) } as RawSettings;
  if (given.reboot) delete given.reboot; // commander's default for --no-reboot; the file may say otherwise
  if (given.guest !== undefined && given.kernel !== undefined) throw usageError("give a GUEST or --kernel, not both");
  if (given.kernel !== undefined) delete base.guest;
  if (given.guest !== undefined) delete base.kernel;
  return { ...base, ...given };
}

// The command line as a function: arguments and streams in, exit status out. Spellings, streams and statuses are the project's stable face.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Command, CommanderError, Option } from "commander";
import { fromQemu } from "./args/qemu.js";
import { type RawSettings, readConfig, understand } from "./args/settings.js";
import { parseWord } from "./args/values.js";
import { type RawBenchOptions, RIVAL_WORDS, SUITES, understandBench } from "./bench/bench-options.js";
import { writePlot } from "./bench/plot.js";
import { formatReport, readReport } from "./bench/report.js";
import { bench } from "./commands/bench.js";
import { examine, formatFindings } from "./commands/doctor.js";
import { rulesText, runLockstep } from "./commands/lockstep.js";
import { describeFile, packDirectory, unpackKernel, writeOutput } from "./commands/img.js";
import { parseThen, parseUntil, type Step } from "./console/expect.js";
import { ExitStatus, usageError } from "./errors.js";
import type { ProcessIo } from "./host/process-io.js";
import { GUEST_NAMES, takeGuest } from "./img/guests.js";
import { type RawLockstepOptions, understandLockstep } from "./lockstep/lockstep-arguments.js";
import { formatLockstep, lockstepJson } from "./lockstep/report.js";
import { createMessages, LOG_LEVELS, type Messages, reportError } from "./messages.js";
import { installedParts } from "./parts.js";
import { runSession } from "./session.js";

const VERBS = ["run", "boot", "bench", "img", "lockstep", "doctor", "help"];
const LATER_VERBS = ["abi", "trace", "gdb", "snapshot", "record", "replay"];
const LATER_OPTIONS = ["--net", "--share", "--pcap", "--xen-mode"];

interface CommonOptions {
  quiet?: boolean;
  json?: boolean;
  logLevel?: string;
}

interface MachineFlags extends RawSettings, CommonOptions {
  config?: string;
  dumpConfig?: boolean;
  net?: string;
  share?: string;
  pcap?: string;
  xenMode?: string;
}

/** Runs the command line; never throws and never ends the process. */
export async function main(argv: readonly string[], io: ProcessIo = process): Promise<ExitStatus> {
  let messages = createMessages({ level: "info", json: argv.includes("--json"), write: (text) => io.stderr.write(text) });
  const useOptions = (options: CommonOptions): Messages => {
    const level = options.quiet ? "error" : parseWord("--log-level", options.logLevel ?? "info", LOG_LEVELS);
    messages = createMessages({
      level,
      json: options.json ?? false,
      write: (text) => io.stderr.write(text),
      isRaw: () => io.stdin.isRaw ?? false,
    });
    return messages;
  };
  try {
    let status: ExitStatus = ExitStatus.ok;
    const program = createProgram(io, useOptions, (result) => {
      status = result;
    });
    await program.parseAsync(withVerb(fromQemu(argv)), { from: "user" });
    return status;
  } catch (error) {
    if (error instanceof CommanderError) {
      if (error.exitCode === 0) return ExitStatus.ok;
      messages.error(error.message.replace(/^error: /, ""));
      messages.error("'paravane --help' lists commands and options");
      return ExitStatus.usage;
    }
    return reportError(error, messages);
  }
}

/** `paravane -kernel …`, as one types it after qemu, means run. */
function withVerb(args: string[]): string[] {
  const [first] = args;
  if (first === undefined || ["-h", "--help", "-V", "--version"].includes(first) || VERBS.includes(first)) return args;
  if (LATER_VERBS.includes(first)) throw usageError(`paravane ${first} is not there yet; there are: ${VERBS.join(", ")}`);
  if (first.startsWith("-")) return ["run", ...args];
  throw usageError(`unknown command ${first}; known: ${VERBS.join(", ")}`);
}

function createProgram(io: ProcessIo, useOptions: (options: CommonOptions) => Messages, done: (status: ExitStatus) => void): Command {
  const program = new Command("paravane")
    .description("Boots x86 kernels on a CPU, a board and a hypervisor written in TypeScript.")
    .version(packageVersion(), "-V, --version", "say the version")
    .helpOption("-h, --help", "show this help")
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.stdout.write(text), writeErr: () => {} })
    .showSuggestionAfterError(true);

  const session = (raw: RawSettings, how: Parameters<typeof runSession>[1], messages: Messages): Promise<ExitStatus> => {
    const settings = understand(raw);
    return runSession(settings, how, installedParts(settings.engine), io, messages);
  };

  machineOptions(program.command("run").description("boot with the console on this terminal; Ctrl-A x quits")).action(
    async (guest: string | undefined, flags: MachineFlags) => {
      const messages = useOptions(flags);
      const raw = rawSettings(guest, flags);
      if (flags.dumpConfig) io.stdout.write(`${JSON.stringify(raw, null, 2)}\n`);
      else done(await session(raw, { interactive: true, steps: [] }, messages));
    },
  );

  const steps: Step[] = [];
  machineOptions(program.command("boot").description("headless: status 0 when the console has shown what --until names"))
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
    .action(async (guest: string | undefined, flags: MachineFlags) => {
      const messages = useOptions(flags);
      const raw = rawSettings(guest, flags);
      if (flags.dumpConfig) io.stdout.write(`${JSON.stringify(raw, null, 2)}\n`);
      else done(await session(raw, { interactive: false, steps }, messages));
    });

  imageCommands(program.command("img").description("make and look at kernels and initramfs"), io, useOptions);

  benchCommand(program.command("bench").description("how fast guests run here; minutes of CPU time"), io, useOptions, done);

  lockstepCommand(program.command("lockstep"), io, useOptions, done);

  commonOptions(program.command("doctor").description("what this host offers: Node, WebAssembly features, memory")).action(
    (options: CommonOptions) => {
      useOptions(options);
      const findings = examine();
      io.stdout.write(options.json ? `${JSON.stringify(findings, null, 2)}\n` : `${formatFindings(findings)}\n`);
      done(findings.some(({ ok }) => ok === false) ? ExitStatus.noMarker : ExitStatus.ok);
    },
  );
  return program;
}

function commonOptions(command: Command): Command {
  return command
    .option("-q, --quiet", "say nothing but errors")
    .option("--json", "messages as JSON lines")
    .option("--log-level <level>", `how much is said: ${LOG_LEVELS.join(", ")}`);
}

const collect = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];

function machineOptions(command: Command): Command {
  commonOptions(
    command
      .argument("[guest]", `a kernel file, hello, ${GUEST_NAMES.map(({ name }) => name).join(", ")}`)
      .option("--kernel <file>", "kernel: bzImage, ELF with a PVH note, multiboot")
      .option("--initrd <file>", "initial RAM disk, or multiboot module")
      .option("--append <text>", "kernel command line")
      .option("-m, --memory <size>", "memory (default 256M; 128M for a multiboot kernel)")
      .option("--smp <n>", "vCPUs")
      .option("--cpu <model>", "CPU model: MODEL,+feature,-feature,vendor=V")
      .option("--drive <file[,ro][,overlay]>", "a disk image; may be given again", collect)
      .option("--snapshot", "all drives as overlays: changes are forgotten")
      .option("--serial <where>", "console: stdio, file:F or none")
      .option("--clock <kind>", "guest time: host, or icount (deterministic)")
      .option("--engine <tier>", "execution: auto, interp or jit")
      .option("--backend <name>", "hypervisor: native or auto; may be given again", collect)
      .option("--exit-port <port>", "port whose writes end the run with status (v << 1) | 1")
      .option("--test-device", "the device of kernel test suites")
      .option("--no-reboot", "end when the guest resets")
      .option("--timeout <time>", "end with status 124 after this time")
      .option("--trace <taps>", "to stderr: insn, irq, pio[:PORTS], mmio[:ADDRESSES]")
      .option("--stats <file>", "write counters as JSON")
      .option("--profile <file>", "where guest time goes: text, .cpuprofile for DevTools, .folded; may be given again", collect)
      .option("--profile-from <regex>", "the profile begins when the console shows this")
      .option("--symbols <file>", "names for --profile: System.map, kallsyms or ELF; may be given again", collect)
      .option("--config <file>", "settings from a JSON file; flags win")
      .option("--dump-config", "print the settings as JSON and end"),
  );
  for (const later of LATER_OPTIONS) command.addOption(new Option(`${later} <value>`).hideHelp());
  return command;
}

/** The flags over the configuration file. */
function rawSettings(guest: string | undefined, flags: MachineFlags): RawSettings {
  for (const later of LATER_OPTIONS) {
    const key = later.slice(2).replace(/-(.)/g, (_, letter: string) => letter.toUpperCase()) as "net" | "share" | "pcap" | "xenMode";
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
    xenMode: _mode,
    ...rest
  } = flags;
  const given = { ...rest, ...(guest === undefined ? {} : { guest }) } as RawSettings;
  if (given.reboot) delete given.reboot; // commander's default for --no-reboot; the file may say otherwise
  if (given.guest !== undefined && given.kernel !== undefined) throw usageError("give a GUEST or --kernel, not both");
  if (given.kernel !== undefined) delete base.guest;
  if (given.guest !== undefined) delete base.kernel;
  return { ...base, ...given };
}

function benchCommand(
  command: Command,
  io: ProcessIo,
  useOptions: (options: CommonOptions) => Messages,
  done: (status: ExitStatus) => void,
): void {
  commonOptions(
    command
      .argument("[suite]", `${SUITES.join(", ")}; all without`)
      .option("--vs <emulators>", `take turns with others on the same guest: ${RIVAL_WORDS}`)
      .option("--only <names>", "of the suite programs these: programs or columns, with commas between")
      .option("--bits <n>", "32- or 64-bit guests of the suite programs; both without")
      .option("--quick", "fewer rounds and shorter sections")
      .option("--compare <file>", "say what changed since this run, written by bench --json")
      .option("--rounds <n>", "how often each measurement is repeated")
      .option("--guest <name>", "guest of the suite boot; may be given again", collect)
      .option("-m, --memory <size>", "memory of the guests")
      .option("--cpu <model>", "CPU model of our guests; without, the one that the others show")
      .option("--engine <tier>", "execution tier of our guests")
      .option("--plot <file>", "draw the run as an SVG")
      .option("--profile <file>", "where our guests' time goes in the suite programs; the file's name gets the suite's"),
  ).action(async (suite: string | undefined, options: CommonOptions & RawBenchOptions) => {
    const messages = useOptions(options);
    const asked = understandBench(suite, options);
    const before = asked.compare === undefined ? undefined : readReport(asked.compare);
    const report = await bench(asked, (line) => messages.info(line));
    io.stdout.write(options.json ? `${JSON.stringify(report, null, 2)}\n` : `${formatReport(report, before)}\n`);
    if (asked.plot !== undefined) writePlot(asked.plot, report.metrics, report.conditions);
    if (report.failed) {
      messages.error("a guest on our machine computed something wrong; the report names it");
      done(ExitStatus.noMarker);
    }
  });
}

function lockstepCommand(
  command: Command,
  io: ProcessIo,
  useOptions: (options: CommonOptions) => Messages,
  done: (status: ExitStatus) => void,
): void {
  commonOptions(
    command
      .description("run a guest here and on QEMU's processor, and report the first difference (status 1)")
      .argument("[guest]", `a kernel file, hello, ${GUEST_NAMES.map(({ name }) => name).join(", ")}`)
      .option("--kernel <file>", "kernel: bzImage, ELF with a PVH note, multiboot")
      .option("--initrd <file>", "initial RAM disk, or multiboot module")
      .option("--append <text>", "kernel command line")
      .option("-m, --memory <size>", "memory (default 256M)")
      .option("--cpu <model>", "CPU model; by default what QEMU's TCG has too")
      .option("--exit-port <port>", "port whose writes end the run")
      .option("--test-device", "the device of kernel test suites")
      .option("--vs <where>", "qemu (started here), HOST:PORT or unix:PATH of a gdb port", "qemu")
      .option("--from <where>", "start after so many instructions, at 0xADDRESS, or at a symbol", "0")
      .option("--count <n>", "instructions to compare (default 1M; 20k with --skip)")
      .option("--skip <n>", "then let ours run so many alone, and compare again")
      .option("--samples <n>", "how often, with --skip (default: until the guest ends)")
      .option("--findings <n>", "how many differences to report; after each the other side takes our state", "1")
      .option("--exact", "step from the start instead of following QEMU's log")
      .option("--strict <rule>", "switch a rule off, or all; may be given again", collect)
      .option("--rules", "list the rules and end")
      .option("--symbols <file>", "System.map or ELF file, for names")
      .option("--perturb <register=value@n>", "change the other side after n instructions: shows that differences are seen")
      .option("--timeout <time>", "end with status 124 after this time"),
  ).action(async (guest: string | undefined, options: CommonOptions & RawLockstepOptions & { rules?: boolean }) => {
    const messages = useOptions(options);
    if (options.rules) {
      io.stdout.write(rulesText());
      return;
    }
    const asked = understandLockstep(guest, options);
    const result = await runLockstep(asked, messages);
    io.stdout.write(options.json ? `${JSON.stringify(lockstepJson(result), null, 2)}\n` : formatLockstep(result));
    if (result.stopped !== undefined && result.outcome !== "differs") throw result.stopped;
    done(result.outcome === "differs" ? ExitStatus.noMarker : ExitStatus.ok);
  });
}

function imageCommands(img: Command, io: ProcessIo, useOptions: (options: CommonOptions) => Messages): void {
  const progress = (options: CommonOptions) => {
    const messages = useOptions(options);
    return (line: string): void => messages.info(line);
  };
  commonOptions(
    img
      .command("initrd <dir>")
      .description("pack a directory into an initramfs")
      .option("-o, --output <file>", "where it goes", "initrd.img"),
  ).action((dir: string, options: CommonOptions & { output: string }) => {
    writeOutput(options.output, packDirectory(dir, progress(options)));
    io.stdout.write(`${options.output}\n`);
  });
  commonOptions(
    img
      .command("deb <file>")
      .description("take the kernel out of a linux-image package and build an initramfs for it")
      .option("-o, --output <dir>", "where they go", ".")
      .option("--busybox <deb>", "a busybox-static package; otherwise apt is asked")
      .option("--module <name>", "one more module; may be given again", collect),
  ).action(async (file: string, options: CommonOptions & { output: string; busybox?: string; module?: string[] }) => {
    const { output, busybox, module } = options;
    const made = await unpackKernel(
      file,
      { output, ...(busybox ? { busybox } : {}), ...(module ? { modules: module } : {}) },
      progress(options),
    );
    io.stdout.write(`${made.kernel}\n${made.initrd}\n`);
  });
  commonOptions(img.command("info <file>").description("say what a file is")).action(async (file: string, options: CommonOptions) => {
    useOptions(options);
    io.stdout.write(`${(await describeFile(file)).join("\n")}\n`);
  });
  commonOptions(
    img
      .command("take <guest>")
      .description(`take a guest into the cache: ${GUEST_NAMES.map(({ name, about }) => `${name} (${about})`).join(", ")}`)
      .option("--refresh", "ask apt again"),
  ).action(async (name: string, options: CommonOptions & { refresh?: boolean }) => {
    const { kernel, initrd } = await takeGuest(name, progress(options), options.refresh ?? false);
    io.stdout.write(`${kernel}\n${initrd ? `${initrd}\n` : ""}`);
  });
}

function packageVersion(): string {
  const manifest = join(import.meta.dirname, "..", "package.json");
  return existsSync(manifest) ? (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version : "unknown";
}

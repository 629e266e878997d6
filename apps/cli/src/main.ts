// The command line as a function: arguments and streams in, exit status out. Spellings, streams and statuses are the project's stable face.
import { existsSync, readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { fromQemu } from "./args/qemu.js";
import { parseWord } from "./args/values.js";
import { ExitStatus, usageError } from "./errors.js";
import type { ProcessIo } from "./host/process-io.js";
import { createMessages, LOG_LEVELS, reportError } from "./messages.js";
import { packageFile } from "./package-root.js";
import type { Verb, VerbContext } from "./verbs/verb.js";

interface VerbEntry {
  readonly about: string;
  /** A verb is loaded when it is asked for. */
  load(): Promise<Verb>;
}

const VERBS: Readonly<Record<string, VerbEntry>> = {
  run: { about: "boot with the console on this terminal; Ctrl-A x quits", load: async () => (await import("./verbs/machine.js")).run },
  boot: {
    about: "headless: status 0 when the console has shown what --until names",
    load: async () => (await import("./verbs/machine.js")).boot,
  },
  abi: {
    about: "list | matrix | show BACKEND | probe KERNEL: backends, operations, ABI numbers, what a kernel can run on",
    load: async () => (await import("./verbs/abi.js")).abi,
  },
  img: { about: "make and look at kernels and initramfs", load: async () => (await import("./verbs/img.js")).img },
  bench: { about: "how fast guests run here; minutes of CPU time", load: async () => (await import("./verbs/bench.js")).bench },
  lockstep: {
    about: "run a guest here and on QEMU's processor, and report the first difference (status 1)",
    load: async () => (await import("./verbs/lockstep.js")).lockstep,
  },
  doctor: {
    about: "what this host offers: Node, WebAssembly features, memory",
    load: async () => (await import("./verbs/doctor.js")).doctor,
  },
};
const LATER_VERBS = ["trace", "gdb", "snapshot", "record", "replay"];
const KNOWN = [...Object.keys(VERBS), "help"];

/**
 * Runs the command line; never throws and never ends the process.
 *
 * @param guestStarts - called when a guest is about to run and all code has been loaded, for what belongs to whoever owns the process
 */
export async function main(argv: readonly string[], io: ProcessIo = process, guestStarts?: () => void): Promise<ExitStatus> {
  let messages = createMessages({ level: "info", json: argv.includes("--json"), write: (text) => io.stderr.write(text) });
  let status: ExitStatus = ExitStatus.ok;
  const context: VerbContext = {
    io,
    guestStarts,
    useOptions(options) {
      const level = options.quiet ? "error" : parseWord("--log-level", options.logLevel ?? "info", LOG_LEVELS);
      messages = createMessages({
        level,
        json: options.json ?? false,
        write: (text) => io.stderr.write(text),
        isRaw: () => io.stdin.isRaw ?? false,
      });
      return messages;
    },
    done(result) {
      status = result;
    },
  };
  try {
    const args = withVerb(fromQemu(argv));
    const program = await createProgram(args, context);
    await program.parseAsync(args, { from: "user" });
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
  if (first === undefined || ["-h", "--help", "-V", "--version"].includes(first) || KNOWN.includes(first)) return args;
  if (LATER_VERBS.includes(first)) throw usageError(`paravane ${first} is not there yet; there are: ${KNOWN.join(", ")}`);
  if (first.startsWith("-")) return ["run", ...args];
  throw usageError(`unknown command ${first}; known: ${KNOWN.join(", ")}`);
}

/** All verbs by name, those that `args` name with all that they have. */
async function createProgram(args: readonly string[], context: VerbContext): Promise<Command> {
  const { io } = context;
  const program = new Command("paravane")
    .description("Boots x86 kernels on a CPU, a board and a hypervisor written in TypeScript.")
    .version(packageVersion(), "-V, --version", "say the version")
    .helpOption("-h, --help", "show this help")
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.stdout.write(text), writeErr: () => {} })
    .showSuggestionAfterError(true);
  const named = args[0] === "help" ? args[1] : args[0];
  for (const [name, { about, load }] of Object.entries(VERBS)) {
    const command = program.command(name).description(about);
    if (name === named) (await load())(command, context);
  }
  return program;
}

function packageVersion(): string {
  const manifest = packageFile("package.json");
  return existsSync(manifest) ? (JSON.parse(readFileSync(manifest, "utf8")) as { version: string }).version : "unknown";
}

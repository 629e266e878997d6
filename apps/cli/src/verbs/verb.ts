// What every verb of the command line is given, and the options that verbs share.
import { type Command, Option } from "commander";
import type { ExitStatus } from "../errors.js";
import type { ProcessIo } from "../host/process-io.js";
import { GUEST_NAMES } from "../img/guests.js";
import { LOG_LEVELS, type Messages } from "../messages.js";

/** Options that every verb has. */
export interface CommonOptions {
  quiet?: boolean;
  json?: boolean;
  logLevel?: string;
}

/** What a verb works with. */
export interface VerbContext {
  readonly io: ProcessIo;
  /** To be called when a guest is about to run. */
  readonly guestStarts: (() => void) | undefined;
  /** Messages as these options want them. */
  useOptions(options: CommonOptions): Messages;
  /** The exit status; 0 when never called. */
  done(status: ExitStatus): void;
}

/** Gives `command` its arguments, its options and what it does. */
export type Verb = (command: Command, context: VerbContext) => void;

/** Adds the options that every verb has. */
export function commonOptions(command: Command): Command {
  return command
    .option("-q, --quiet", "say nothing but errors")
    .option("--json", "messages as JSON lines")
    .option("--log-level <level>", `how much is said: ${LOG_LEVELS.join(", ")}`);
}

/** Collects the values of an option that may be given again. */
export const collect = (value: string, before: string[] | undefined): string[] => [...(before ?? []), value];

/** Adds the guest as an argument, and the options that say what it is made of. */
export function guestOptions(command: Command): Command {
  return command
    .argument("[guest]", `a kernel file, hello, ${GUEST_NAMES.map(({ name }) => name).join(", ")}`)
    .option("--kernel <file>", "kernel: bzImage, ELF with a PVH note, multiboot")
    .option("--initrd <file>", "initial RAM disk, or multiboot module")
    .option("--append <text>", "kernel command line");
}

/** An option that later versions have, hidden from the help. */
export const laterOption = (flag: string): Option => new Option(`${flag} <value>`).hideHelp();

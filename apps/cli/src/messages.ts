// Everything the command line says to a person, on stderr; the guest's console has stdout to itself.
import { isHvError } from "@paravane/paravirt-ops";
import { CliError, ExitStatus } from "./errors.js";

/** How much is said. */
export const LOG_LEVELS = ["error", "warn", "info", "debug"] as const;

/** One of LOG_LEVELS. */
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Where messages go and in which form. */
export interface Messages {
  error(text: string, extra?: Record<string, unknown>): void;
  warn(text: string, extra?: Record<string, unknown>): void;
  info(text: string, extra?: Record<string, unknown>): void;
  debug(text: string, extra?: Record<string, unknown>): void;
}

/** Messages as lines of text, or of JSON. In raw mode a line needs its carriage return. */
export function createMessages(options: {
  level: LogLevel;
  json: boolean;
  write: (text: string) => void;
  isRaw?: () => boolean;
}): Messages {
  const say =
    (level: LogLevel) =>
    (text: string, extra: Record<string, unknown> = {}): void => {
      if (LOG_LEVELS.indexOf(level) > LOG_LEVELS.indexOf(options.level)) return;
      const line = options.json
        ? JSON.stringify({ level, message: text, ...extra })
        : `paravane: ${level === "info" ? "" : `${level}: `}${text}`;
      options.write(options.isRaw?.() ? `${line.replaceAll("\n", "\r\n")}\r\n` : `${line}\n`);
    };
  return { error: say("error"), warn: say("warn"), info: say("info"), debug: say("debug") };
}

/** The exit status that goes with an HvError's code. */
function statusOf(code: string): ExitStatus {
  if (code.startsWith("image/") || code.startsWith("block/")) return ExitStatus.image;
  if (code.startsWith("not-modelled/") || code.endsWith("/not-modelled")) return ExitStatus.notModelled;
  if (code === "core/verify") return ExitStatus.tiersDiffer;
  if (/^(config\/|compose\/|cpu\/|core\/(memory-limit|vcpus|webassembly)$)/.test(code)) return ExitStatus.usage;
  return ExitStatus.bug;
}

/** Tells an error and returns the exit status it stands for; only our own bugs show a stack. */
export function reportError(error: unknown, messages: Messages): ExitStatus {
  if (error instanceof CliError) {
    messages.error(error.message);
    return error.status;
  }
  if (isHvError(error)) {
    const status = statusOf(error.code);
    messages.error(error.hint ? `${error.message} (${error.hint})` : error.message, { code: error.code });
    if (status === ExitStatus.bug) messages.error(error.stack ?? "");
    return status;
  }
  if (error instanceof RangeError && /allocate memory/i.test(error.message)) {
    messages.error("this host does not give the machine its memory; a smaller -m may do, and 'paravane doctor' says what there is");
    return ExitStatus.usage;
  }
  messages.error(`a bug of ours: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return ExitStatus.bug;
}

// The exit statuses of the command line, and the one error type that carries them. The table is part of the public face (README, "Exit status").

/** What the process's exit status means; the numbers do not change without a major release. */
export const ExitStatus = {
  ok: 0,
  noMarker: 1,
  usage: 2,
  image: 3,
  guestCrash: 4,
  notModelled: 5,
  tiersDiffer: 6,
  bug: 70,
  timeout: 124,
  interrupted: 130,
} as const;

/** One of the documented exit statuses, or what the guest chose through the exit port. */
export type ExitStatus = number;

/** Something the person at the keyboard can act on: printed as one line, never with a stack. */
export class CliError extends Error {
  override readonly name = "CliError";

  constructor(
    readonly status: ExitStatus,
    message: string,
  ) {
    super(message);
  }
}

/** A mistake in the arguments. */
export const usageError = (message: string): CliError => new CliError(ExitStatus.usage, message);

/** A file that cannot serve as what it was given for. */
export const imageError = (message: string): CliError => new CliError(ExitStatus.image, message);

/** Turns a failed file operation into a sentence about that file. */
export function fileError(path: string, error: unknown): CliError {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  const why: Record<string, string> = {
    ENOENT: "there is no such file",
    EACCES: "permission denied",
    EPERM: "permission denied",
    EISDIR: "it is a directory",
    ENOTDIR: "part of its path is not a directory",
    EROFS: "the file system is read-only",
    ENOSPC: "no space is left on the device",
    EMFILE: "too many open files",
  };
  return imageError(`cannot open ${path}: ${(code && why[code]) || (error instanceof Error ? error.message : String(error))}`);
}

// The values of options: sizes, times, ports. Each reads one spelling and says what it wanted when it cannot.
import { usageError } from "../errors.js";

const SIZE_UNITS: Record<string, number> = { "": 1 << 20, k: 1 << 10, m: 1 << 20, g: 2 ** 30 };

/** `256M`, `1G`, or a bare number of MiB; in bytes, whole MiB. */
export function parseMemory(value: string, option = "-m"): number {
  const match = /^(?:size=)?(\d+(?:\.\d+)?)([kmg]?)(?:i?b)?$/i.exec(value);
  const bytes = match ? Number(match[1]) * SIZE_UNITS[match[2]!.toLowerCase()]! : Number.NaN;
  if (!(bytes > 0)) throw usageError(`${option} ${value}: not an amount of memory; write 256M or 1G`);
  if (bytes % (1 << 20) !== 0) throw usageError(`${option} ${value}: memory comes in whole MiB`);
  return bytes;
}

const TIME_UNITS: Record<string, number> = { ms: 1, s: 1000, "": 1000, m: 60_000, min: 60_000, h: 3_600_000 };

/** `60s`, `500ms`, `2m` or a bare number of seconds; in milliseconds. */
export function parseTimeout(value: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|min|m|h|)$/.exec(value);
  const ms = match ? Number(match[1]) * TIME_UNITS[match[2]!]! : Number.NaN;
  if (!(ms > 0)) throw usageError(`--timeout ${value}: not a time; write 60s, 500ms or 2m`);
  return ms;
}

/** An I/O port, decimal or 0x… */
export function parsePort(value: string): number {
  const port = /^(0x[0-9a-f]+|\d+)$/i.test(value) ? Number(value) : Number.NaN;
  if (!(port >= 0 && port <= 0xffff)) throw usageError(`--exit-port ${value}: not an I/O port; write 0xf4`);
  return port;
}

/** One of a fixed set of words. */
export function parseWord<const W extends string>(option: string, value: string, words: readonly W[]): W {
  const word = words.find((candidate) => candidate === value);
  if (word === undefined) throw usageError(`${option} ${value}: unknown; known: ${words.join(", ")}`);
  return word;
}

/** The most vCPUs that a machine can have. */
const MAX_VCPUS = 8;

/** How many vCPUs: `4`, or qemu's `cpus=4,sockets=1,cores=4`, of which only the product counts. */
export function parseSmp(value: string): number {
  const count = /^(?:cpus=)?(\d+)(?:,.*)?$/.exec(value)?.[1];
  const vcpus = Number(count);
  if (!(vcpus >= 1 && vcpus <= MAX_VCPUS)) throw usageError(`--smp ${value}: not a number of vCPUs; write 1 to ${MAX_VCPUS}`);
  return vcpus;
}

/** A regular expression; `^` and `$` match at lines. */
export function parsePattern(option: string, pattern: string): RegExp {
  try {
    return new RegExp(pattern, "m");
  } catch (error) {
    const why = error instanceof Error ? error.message.replace(/^Invalid regular expression: /, "") : String(error);
    throw usageError(`${option}: not a regular expression: ${why}`);
  }
}

// `paravane lockstep`: our machine and QEMU's processor over the same guest, until they differ.
import { CliError, ExitStatus } from "../errors.js";
import { kernelFiles } from "../kernel-files.js";
import { type LockstepResult, lockstep } from "../lockstep/lockstep.js";
import type { LockstepArguments } from "../lockstep/lockstep-arguments.js";
import { qemuVersion } from "../lockstep/qemu.js";
import { NOT_IN_QEMU, RULES, TABLE_RULES } from "../lockstep/rules.js";
import type { Messages } from "../messages.js";
import { installedParts } from "../parts.js";

/** What a guest may find when it is to run on QEMU's TCG as well. */
const COMMON_MODEL = ["paravane", ...NOT_IN_QEMU.map((feature) => `-${feature}`)].join(",");

/** Runs it; rejects when it cannot or was interrupted. */
export async function runLockstep(asked: LockstepArguments, messages: Messages): Promise<LockstepResult> {
  if (asked.vs === "qemu") {
    const version = qemuVersion();
    if (version === undefined)
      throw new CliError(ExitStatus.usage, "there is no qemu-system-x86_64 on this host; --vs HOST:PORT takes one elsewhere");
    messages.debug(`QEMU ${version}`);
  }
  const files = await kernelFiles(asked.guest, messages);
  const abort = new AbortController();
  const onSignal = (signal: NodeJS.Signals): void => abort.abort(new CliError(ExitStatus.interrupted, `interrupted by ${signal}`));
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, onSignal);
  const { timeoutMs } = asked;
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => abort.abort(new CliError(ExitStatus.timeout, `timed out after ${timeoutMs / 1000} s`)), timeoutMs);
  try {
    return await lockstep({
      ours: {
        parts: installedParts("interp"),
        guest: { kernel: files.kernel, ...(files.initrd ? { initrd: files.initrd } : {}), commandLine: files.append },
        memoryBytes: asked.memoryBytes,
        cpu: asked.cpu ?? COMMON_MODEL,
        exitPort: asked.exitPort,
        testDevice: asked.testDevice,
        console: () => {},
      },
      vs: asked.vs,
      from: asked.from,
      count: asked.count,
      skip: asked.skip,
      samples: asked.samples,
      findings: asked.findings,
      exact: asked.exact,
      rules: RULES.filter(({ name }) => !asked.strict.includes(name)),
      ignoredTableBits: TABLE_RULES.filter(({ name }) => !asked.strict.includes(name)).map(({ bits }) => bits),
      symbols: asked.symbols === undefined ? [] : [asked.symbols],
      perturb: asked.perturb,
      signal: abort.signal,
      progress: (line) => messages.info(line),
    });
  } finally {
    clearTimeout(timer);
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.off(signal, onSignal);
  }
}

/** The rules as a table, for `--rules`. */
export const rulesText = (): string => `${[...RULES, ...TABLE_RULES].map(({ name, why }) => `${name.padEnd(24)} ${why}`).join("\n")}\n`;

// Where programs run: on this host's kernel and processor, and in a guest whose first process runs them one after the other.
import { execFile, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { takeGuest } from "../../../apps/cli/src/img/guests.js";
import { type CpioEntry, writeCpio } from "../../../apps/cli/src/img/cpio.js";
import type { Program } from "./programs.js";

const app = join(import.meta.dirname, "../../../apps/cli");
const BUILT: readonly string[] = [join(app, "dist/cli.js")];
/** The command line's sources, for a caller that tsx runs. */
export const fromSources = (): readonly string[] => [...process.execArgv, join(app, "src/cli.ts")];
const LIMIT_SECONDS = 200;

const linesOf = (text: string): string[] => text.replaceAll("\r", "").trimEnd().split("\n");

/** Runs a program here. */
export function runHere(program: Program): string[] {
  const done = spawnSync(program.path, [], { encoding: "latin1", timeout: LIMIT_SECONDS * 1000 });
  return [...linesOf(done.stdout), `status ${done.status ?? done.signal}`];
}

const init = (programs: readonly Program[]): string => `#!/bin/sh
export PATH=/bin:/sbin:/usr/bin:/usr/sbin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
mount -t tmpfs tmpfs /tmp
/bin/busybox --install -s
${programs
  .map(
    ({ name, bits }) => `echo "=== ${name} ${bits}"; timeout ${LIMIT_SECONDS} /userland/${name}${bits} </dev/null 2>&1; echo "status $?"`,
  )
  .join("\n")}
echo "=== end"
poweroff -f
`;

/** A guest to run programs in. */
export interface GuestSettings {
  readonly guest: string;
  readonly args?: readonly string[];
  /** Runs the guest on QEMU (TCG), where Debian's `qemu-system-x86` is installed. */
  readonly qemu?: boolean;
  /** Node's arguments that start our command line; the built one when absent. */
  readonly cli?: readonly string[];
  /** Seconds for the boot and all programs. */
  readonly limitSeconds: number;
}

/** Boots the guest and runs them all. @returns each program's lines under "NAME BITS". @throws when the guest did not come to the end */
export async function runInGuest(settings: GuestSettings, programs: readonly Program[]): Promise<Map<string, string[]>> {
  const { kernel, initrd } = await takeGuest(settings.guest, () => {});
  const dir = mkdtempSync(join(tmpdir(), "paravane-userland-guest-"));
  try {
    const entries: CpioEntry[] = [
      { name: "userland", kind: "directory" },
      { name: "init", kind: "file", mode: 0o755, data: init(programs) },
      ...programs.map(
        ({ name, bits, path }): CpioEntry => ({ name: `userland/${name}${bits}`, kind: "file", mode: 0o755, data: readFileSync(path) }),
      ),
    ];
    const image = join(dir, "initrd.img");
    writeFileSync(image, Buffer.concat([readFileSync(initrd!), writeCpio(entries)]));
    const machine = [
      "-kernel",
      kernel,
      "-initrd",
      image,
      "-append",
      "console=ttyS0 panic=-1 loglevel=1",
      "-m",
      "384M",
      ...(settings.args ?? []),
    ];
    const console = settings.qemu
      ? await output("timeout", [`${settings.limitSeconds}`, "qemu-system-x86_64", "-cpu", "max", "-nographic", "-no-reboot", ...machine])
      : await output(process.execPath, [...(settings.cli ?? BUILT), "boot", ...machine, "--timeout", `${settings.limitSeconds}s`]);
    const results = new Map<string, string[]>();
    for (const part of console.split("=== ").slice(1)) {
      const [title = "", ...lines] = linesOf(part);
      results.set(title, lines);
    }
    if (!results.has("end")) throw new Error(`the guest did not come to the end: …${console.slice(-2000)}`);
    return results;
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function output(program: string, args: readonly string[]): Promise<string> {
  return new Promise((resolve) => {
    const child = execFile(program, args, { encoding: "latin1", maxBuffer: 64 << 20 }, (_error, stdout, stderr) => {
      resolve(stdout === "" ? stderr : stdout);
    });
    child.stdin?.end();
  });
}

// qemu's spellings in ours: single-dash long options, and the switches that mean nothing here. qemu-system-x86_64(1).
import { usageError } from "../errors.js";

/** Our options that are followed by a value; qemu's single-dash forms of them are accepted. */
export const VALUE_OPTIONS = [
  "kernel",
  "initrd",
  "append",
  "smp",
  "drive",
  "cpu",
  "serial",
  "backend",
  "xen-mode",
  "net",
  "share",
  "pcap",
  "clock",
  "engine",
  "trace",
  "until",
  "then",
  "timeout",
  "exit-port",
  "stats",
  "config",
  "log-level",
  "memory",
  "output",
  "busybox",
  "module",
] as const;

/** qemu options with a value that change nothing on this machine. */
const IGNORED_WITH_VALUE = new Set(["display", "monitor", "machine", "M", "accel", "vga", "rtc", "name", "icount-shift"]);
const IGNORED = new Set(["nographic", "no-acpi", "nodefaults", "no-user-config", "no-shutdown"]);
const NOT_THERE_YET = new Set(["s", "S", "enable-kvm", "hda", "hdb", "cdrom", "fda", "bios", "gdb"]);

/** Rewrites qemu's spellings; everything else passes through, and values are never rewritten. */
export function fromQemu(args: readonly string[]): string[] {
  const values = new Set<string>(VALUE_OPTIONS);
  const out: string[] = [];
  for (let index = 0; index < args.length; index++) {
    const arg = args[index]!;
    if (arg === "--") return [...out, ...args.slice(index)];
    const long = /^--?([A-Za-z][\w-]*)(=.*)?$/.exec(arg);
    const name = long?.[1] ?? "";
    const single = !arg.startsWith("--");
    const takeValue = (): string => {
      const value = args[++index];
      if (value === undefined) throw usageError(`${arg} needs a value`);
      return value;
    };
    if (!long) out.push(arg);
    else if (name === "m" && single) out.push("-m", takeValue());
    else if (values.has(name)) {
      out.push(long[2] === undefined ? `--${name}` : `--${name}${long[2]}`);
      if (long[2] === undefined) out.push(takeValue());
    } else if (!single) out.push(arg);
    else if (name === "device") out.push(...device(takeValue()));
    else if (name === "no-reboot") out.push("--no-reboot");
    else if (name === "snapshot") out.push("--snapshot");
    else if (IGNORED_WITH_VALUE.has(name)) takeValue();
    else if (IGNORED.has(name)) continue;
    else if (NOT_THERE_YET.has(name)) throw usageError(`${arg} is known from qemu, but not there yet`);
    else out.push(arg);
  }
  return out;
}

function device(value: string): string[] {
  const [kind = "", ...settings] = value.split(",");
  if (kind === "isa-debug-exit") {
    const port = settings.find((setting) => setting.startsWith("iobase="))?.slice("iobase=".length) ?? "0x501";
    return ["--exit-port", port];
  }
  if (kind === "virtio-rng-pci" || kind === "virtio-serial-pci") return []; // Always on the board.
  if (kind === "testdev" || kind === "pc-testdev") return ["--test-device"];
  throw usageError(`-device ${kind} is not on this board`);
}

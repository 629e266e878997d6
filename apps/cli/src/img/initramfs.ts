// An initramfs without root: busybox, the kernel modules that disks, console and entropy need, and an init that loads them in order.
// The layout of the archive is the kernel's own (cpio.ts); the init is a busybox shell script, below.
import { imageError } from "../errors.js";
import { type CpioEntry, writeCpio } from "./cpio.js";
import type { Deb } from "./deb.js";
import { decompress } from "./decompress.js";
import { loadOrder, type ModuleInfo, moduleName, readModuleInfo } from "./modinfo.js";

/** The line that the init prints when user space has taken over; what `boot --until` can wait for. */
export const USER_SPACE_MARKER = "paravane: user space";

/** The modules that every initramfs carries where the kernel has them as modules; what they depend on comes with them. */
export const DEFAULT_MODULES = [
  "virtio_pci",
  "virtio_blk",
  "virtio_console",
  "virtio_rng",
  "xen_blkfront",
  "crc32c_generic",
  "ext4",
] as const;

const INIT = `#!/bin/sh
export PATH=/sbin:/bin:/usr/sbin:/usr/bin HOME=/root TERM="\${TERM:-vt100}" PS1='\\w # '
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /tmp
/bin/busybox --install -s
hostname paravane
# A driver without its device (xen-blkfront on bare metal) refuses to load; that is not an error here.
while read -r module; do insmod "/lib/modules/$module" 2>/dev/null; done </lib/modules/order
echo
echo "${USER_SPACE_MARKER}: $(uname -s) $(uname -r) on $(uname -m)"
echo "This is a busybox shell; 'busybox --list' names its commands, 'poweroff -f' ends the guest."
# cttyhack gives the shell the console as its controlling terminal, so that Ctrl-C and job control work.
setsid cttyhack sh
poweroff -f
`;

/** A finished initramfs and what went into it. */
export interface Initramfs {
  readonly bytes: Uint8Array;
  /** Modules in loading order. */
  readonly modules: readonly string[];
  readonly kernelVersion: string;
}

/** The kernel in a linux-image package: its version and its file. */
export function kernelOf(deb: Deb): { version: string; file: string } {
  for (const name of deb.entries.keys()) {
    const version = /^boot\/vmlinuz-(.+)$/.exec(name)?.[1];
    if (version) return { version, file: name };
  }
  throw imageError("the package contains no boot/vmlinuz-*; a linux-image package is needed");
}

/** Reads the modules named, and what they depend on, from a linux-image package. */
export async function modulesOf(deb: Deb, wanted: readonly string[]): Promise<{ name: string; bytes: Uint8Array }[]> {
  const files = new Map<string, string>();
  for (const name of deb.entries.keys()) if (/\.ko(\.(xz|gz|zst))?$/.test(name)) files.set(moduleName(name), name);
  const builtInList = [...deb.entries.keys()].find((name) => name.endsWith("/modules.builtin"));
  const builtIn = new Set(builtInList ? new TextDecoder().decode(deb.read(builtInList)).split("\n").map(moduleName) : []);

  const loaded = new Map<string, { bytes: Uint8Array; info: ModuleInfo }>();
  const load = async (name: string): Promise<void> => {
    const file = files.get(name);
    if (!file || loaded.has(name)) return;
    const bytes = await decompress(deb.read(file));
    const info = readModuleInfo(bytes, file);
    loaded.set(name, { bytes, info });
    for (const next of [...info.softPre, ...info.depends]) await load(next);
  };
  for (const name of wanted) await load(moduleName(name));
  const order = loadOrder(
    wanted,
    (name) => loaded.get(name)?.info,
    (name) => builtIn.has(name),
  );
  return order.map((name) => ({ name, bytes: loaded.get(name)!.bytes }));
}

/** Builds the initramfs from a linux-image package and a busybox-static package. */
export async function buildInitramfs(kernel: Deb, busybox: Deb, modules: readonly string[] = DEFAULT_MODULES): Promise<Initramfs> {
  const { version } = kernelOf(kernel);
  const loaded = await modulesOf(kernel, modules);
  const binary = ["bin/busybox", "usr/bin/busybox"].find((name) => busybox.entries.has(name));
  if (!binary) throw imageError("the busybox package contains no bin/busybox");
  const directories = "bin sbin usr usr/bin usr/sbin etc proc sys dev tmp root mnt lib lib/modules".split(" ");
  const applets = ["sh", "mount", "mkdir", "hostname", "insmod", "uname", "setsid", "cttyhack", "poweroff"];
  const entries: CpioEntry[] = [
    ...directories.map((name): CpioEntry => ({ name, kind: "directory" })),
    { name: "dev/console", kind: "character", device: [5, 1] },
    { name: "dev/null", kind: "character", mode: 0o666, device: [1, 3] },
    { name: "bin/busybox", kind: "file", mode: 0o755, data: busybox.read(binary) },
    ...applets.map((name): CpioEntry => ({ name: `bin/${name}`, kind: "symlink", data: "busybox" })),
    { name: "etc/passwd", kind: "file", data: "root:x:0:0:root:/root:/bin/sh\n" },
    { name: "etc/group", kind: "file", data: "root:x:0:\n" },
    ...loaded.map(({ name, bytes }): CpioEntry => ({ name: `lib/modules/${name}.ko`, kind: "file", data: bytes })),
    { name: "lib/modules/order", kind: "file", data: loaded.map(({ name }) => `${name}.ko\n`).join("") },
    { name: "init", kind: "file", mode: 0o755, data: INIT },
  ];
  return { bytes: writeCpio(entries), modules: loaded.map(({ name }) => name), kernelVersion: version };
}

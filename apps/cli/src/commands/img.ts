// `paravane img`: what the named guests are made with, for one's own kernels and initramfs.
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inspectImage } from "@paravane/vmm";
import { fileError, imageError } from "../errors.js";
import { Apt, type Progress } from "../img/apt.js";
import { cacheDirectory } from "../img/cache.js";
import { type CpioEntry, isCpio, listCpio, writeCpio } from "../img/cpio.js";
import { type Deb, isDeb, openDeb } from "../img/deb.js";
import { compressionOf, decompress } from "../img/decompress.js";
import { buildInitramfs, DEFAULT_MODULES, kernelOf, modulesOf } from "../img/initramfs.js";

/** Packs a directory into an initramfs. Owners become root; sockets and devices are left out, except that /dev/console is there. */
export function packDirectory(dir: string, progress: Progress): Uint8Array {
  const entries: CpioEntry[] = [];
  const walk = (path: string, name: string): void => {
    for (const child of readdirSync(path).sort()) {
      const [childPath, childName] = [join(path, child), name === "" ? child : `${name}/${child}`];
      const stat = lstatSync(childPath);
      const mode = stat.mode & 0o7777;
      if (stat.isDirectory()) {
        entries.push({ name: childName, kind: "directory", mode });
        walk(childPath, childName);
      } else if (stat.isSymbolicLink()) entries.push({ name: childName, kind: "symlink", data: readlinkSync(childPath) });
      else if (stat.isFile()) entries.push({ name: childName, kind: "file", mode, data: readFileSync(childPath) });
      else progress(`left out ${childName}: neither file, directory nor link`);
    }
  };
  try {
    walk(dir, "");
  } catch (error) {
    throw fileError(dir, error);
  }
  if (!entries.some(({ name }) => name === "init")) progress(`${dir} has no /init: the kernel will look for a root file system elsewhere`);
  if (!entries.some(({ name }) => name === "dev")) entries.unshift({ name: "dev", kind: "directory" });
  if (!entries.some(({ name }) => name === "dev/console")) entries.push({ name: "dev/console", kind: "character", device: [5, 1] });
  return writeCpio(entries);
}

/** Takes the kernel out of a linux-image package and builds an initramfs beside it; returns the two files. */
export async function unpackKernel(
  file: string,
  options: { output: string; busybox?: string; modules?: readonly string[] },
  progress: Progress,
): Promise<{ kernel: string; initrd: string }> {
  const deb = await openDeb(file);
  let busybox: Deb | undefined;
  try {
    const { version, file: kernelFile } = kernelOf(deb);
    const arch = /(^|-)(amd64)$/.test(version) ? "amd64" : "i386";
    busybox = await openDeb(options.busybox ?? new Apt(arch, cacheDirectory(), progress).download("busybox-static").file);
    const built = await buildInitramfs(deb, busybox, [...DEFAULT_MODULES, ...(options.modules ?? [])]);
    const [kernel, initrd] = [join(options.output, `vmlinuz-${version}`), join(options.output, `initrd-${version}.img`)];
    mkdirSync(options.output, { recursive: true });
    writeFileSync(kernel, deb.read(kernelFile));
    writeFileSync(initrd, built.bytes);
    progress(`modules, in loading order: ${built.modules.join(" ")}`);
    return { kernel, initrd };
  } finally {
    busybox?.close();
    deb.close();
  }
}

/** Says what a file is, in a few lines. */
export async function describeFile(path: string): Promise<string[]> {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw fileError(path, error);
  }
  if (isDeb(bytes)) return describeDeb(path);
  const compression = compressionOf(bytes);
  const inner = await decompress(bytes);
  if (isCpio(inner)) {
    const entries = listCpio(inner);
    const total = entries.reduce((sum, { size }) => sum + size, 0);
    return [
      `cpio archive${compression === "none" ? "" : `, ${compression}`}: ${entries.length} entries, ${total} bytes`,
      ...entries.map(({ name, size }) => `  ${name} ${size}`),
    ];
  }
  const image = inspectImage(bytes);
  const lines = [image.description, `ways in: ${image.protocols.join(", ") || "none on the bare machine"}`];
  for (const { owner, type, bytes: note } of image.elf?.notes ?? []) lines.push(`note ${owner} ${type}: ${note.length} bytes`);
  return lines;
}

async function describeDeb(path: string): Promise<string[]> {
  const deb = await openDeb(path);
  try {
    const lines = [`Debian package: ${deb.entries.size} files`];
    if (![...deb.entries.keys()].some((name) => name.startsWith("boot/vmlinuz-"))) return lines;
    const { version, file } = kernelOf(deb);
    const modules = await modulesOf(deb, DEFAULT_MODULES);
    const image = inspectImage(deb.read(file));
    return [
      ...lines,
      `kernel ${version}: ${image.description}`,
      `modules for disks, console and entropy: ${modules.map(({ name }) => name).join(" ")}`,
    ];
  } finally {
    deb.close();
  }
}

/** Writes an image where `-o` says. */
export function writeOutput(path: string, bytes: Uint8Array): void {
  try {
    writeFileSync(path, bytes);
  } catch (error) {
    const { message } = fileError(path, error);
    throw imageError(message.replace("cannot open", "cannot write"));
  }
}

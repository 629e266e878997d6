// Guests by name: which Debian packages they come from, and the files that are made of them in the user's cache.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { imageError, usageError } from "../errors.js";
import { Apt, type DebianArch, hasApt, type Progress, WITHOUT_APT } from "./apt.js";
import { cacheDirectory } from "./cache.js";
import { openDeb } from "./deb.js";
import { buildInitramfs, kernelOf } from "./initramfs.js";

/** Files that boot. */
export interface GuestFiles {
  readonly kernel: string;
  readonly initrd?: string;
  readonly append: string;
  /** For people: where it came from. */
  readonly title: string;
}

interface Recipe {
  readonly arch: DebianArch;
  readonly package: string;
  readonly kind: "linux" | "memtest";
  readonly append: string;
  readonly about: string;
}

const LINUX_APPEND = "console=ttyS0 panic=-1";

const RECIPES: Record<string, Recipe> = {
  debian: { arch: "amd64", package: "linux-image-cloud-amd64", kind: "linux", append: LINUX_APPEND, about: "Debian's stock cloud kernel" },
  "debian-amd64": { arch: "amd64", package: "linux-image-amd64", kind: "linux", append: LINUX_APPEND, about: "Debian's generic kernel" },
  "debian-686": { arch: "i386", package: "linux-image-686", kind: "linux", append: LINUX_APPEND, about: "Debian's 32-bit kernel" },
  "debian-686-pae": {
    arch: "i386",
    package: "linux-image-686-pae",
    kind: "linux",
    append: LINUX_APPEND,
    about: "Debian's 32-bit PAE kernel",
  },
  "memtest86+": { arch: "amd64", package: "memtest86+", kind: "memtest", append: "console=ttyS0,115200", about: "a memory tester" },
};

/** Bumped when the files made from the same packages change. */
const RECIPE_VERSION = 3;

/** The names that `takeGuest` knows, with what they are. */
export const GUEST_NAMES: readonly { name: string; about: string }[] = Object.entries(RECIPES).map(([name, { about }]) => ({
  name,
  about,
}));

/** True when the word names a guest that comes from Debian's archive. */
export const isGuestName = (name: string): boolean => Object.hasOwn(RECIPES, name);

/** True when guests can be taken here, or have been. */
export const canTakeGuest = (name: string): boolean => recorded(name) !== undefined || hasApt();

/**
 * The files of a named guest; downloads and builds them when the cache does not have them.
 *
 * @param refresh - asks apt again although the cache has the guest
 */
export async function takeGuest(name: string, progress: Progress, refresh = false): Promise<GuestFiles> {
  const recipe = RECIPES[name];
  if (!recipe) throw usageError(`no guest is called ${name}; known: ${Object.keys(RECIPES).join(", ")}`);
  const known = recorded(name);
  if (known && !refresh) return known;
  if (!hasApt()) throw imageError(`the guest ${name} comes through apt, which this host does not have; ${WITHOUT_APT}`);

  const apt = new Apt(recipe.arch, cacheDirectory(), progress);
  const main = apt.download(recipe.package);
  const deb = await openDeb(main.file);
  try {
    const dir = join(cacheDirectory(), "guests", `${main.package}-v${RECIPE_VERSION}`);
    mkdirSync(dir, { recursive: true });
    const kernel = join(dir, "vmlinuz");
    let initrd: string | undefined;
    let title: string;
    if (recipe.kind === "linux") {
      const { version, file } = kernelOf(deb);
      const busybox = await openDeb(apt.download("busybox-static").file);
      try {
        progress(`building the initramfs for ${version}`);
        initrd = join(dir, "initrd.img");
        put(initrd, (await buildInitramfs(deb, busybox)).bytes);
      } finally {
        busybox.close();
      }
      put(kernel, deb.read(file));
      title = `Debian Linux ${version}`;
    } else {
      const file = [...deb.entries.keys()].find((entry) => /^boot\/.*(x64|memtest86\+)\.bin$/.test(entry));
      if (!file) throw imageError(`${main.package} contains no memtest86+ image`);
      put(kernel, deb.read(file));
      title = main.package;
    }
    const files: GuestFiles = { kernel, ...(initrd ? { initrd } : {}), append: recipe.append, title };
    put(recordPath(name), new TextEncoder().encode(`${JSON.stringify(files, null, 2)}\n`));
    return files;
  } finally {
    deb.close();
  }
}

const recordPath = (name: string): string => join(cacheDirectory(), "guests", `${name}-v${RECIPE_VERSION}.json`);

function recorded(name: string): GuestFiles | undefined {
  try {
    const files = JSON.parse(readFileSync(recordPath(name), "utf8")) as GuestFiles;
    return existsSync(files.kernel) && (files.initrd === undefined || existsSync(files.initrd)) ? files : undefined;
  } catch {
    return undefined; // No record, or one cut short: it is made again.
  }
}

/** Writes a file whole or not at all. */
function put(path: string, bytes: Uint8Array): void {
  mkdirSync(dirname(path), { recursive: true });
  const part = `${path}.part-${process.pid}`;
  try {
    writeFileSync(part, bytes);
    renameSync(part, path);
  } catch (error) {
    rmSync(part, { force: true });
    throw error;
  }
}

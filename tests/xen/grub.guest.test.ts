// GRUB's 32-bit PV image reads its configuration from a disk and starts a kernel of ours from it: PAE all the way, tables handed from one to the other.
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { buildGuest, canBuild } from "./runner/build.js";
import { complaints, runDomain } from "./runner/machine.js";

const GRUB = "/usr/lib/grub-xen/grub-i386-xen.bin";
const MKFS = "mkfs.ext2";
const dir = mkdtempSync(join(tmpdir(), "paravane-xen-grub32-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const missing = [
  ...(existsSync(GRUB) ? [] : ["grub-xen-host"]),
  ...(spawnSync(MKFS, ["-V"]).status === 0 ? [] : ["e2fsprogs"]),
  ...(canBuild(32) ? [] : ["gcc-multilib"]),
];

/** A disk with the kernel and a configuration that starts it. */
async function disk(): Promise<string> {
  const root = join(dir, "root");
  mkdirSync(join(root, "boot/grub"), { recursive: true });
  writeFileSync(join(root, "boot/pae.elf"), await buildGuest("pae", 32));
  writeFileSync(join(root, "boot/grub/grub.cfg"), 'echo "this is grub.cfg"\nlinux /boot/pae.elf from=grub\nboot\n');
  const file = join(dir, "fs.img");
  writeFileSync(file, "");
  truncateSync(file, 16 << 20);
  execFileSync(MKFS, ["-q", "-F", "-d", root, file]);
  return file;
}

describe.skipIf(missing.length > 0)(`GRUB's i386 image under Xen (needs: apt-get install ${missing.join(" ")})`, () => {
  test("reads grub.cfg from a disk and starts a PAE kernel from it", { timeout: 300_000 }, async () => {
    const outcome = await runDomain(readFileSync(GRUB), { memory: "128M", disk: await disk(), limitSeconds: 280 });
    expect(outcome.console).toMatch(/Welcome to GRUB!.+this is grub\.cfg.+xen-3\.0-x86_32p\s+command line: from=grub/s);
    expect(complaints(outcome)).toEqual([]);
  });
});

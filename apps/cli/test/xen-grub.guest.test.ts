// GRUB as a Xen PV guest: it reads its configuration and a kernel from a disk, over blkfront's protocol by polling, and starts the kernel.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspectImage } from "@paravane/vmm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { payloadDecompressors } from "../src/img/payload.js";
import { Guest } from "./guest.js";
import { hasTool, paravane } from "./paravane.js";

const GRUB = "/usr/lib/grub-xen/grub-x86_64-xen.bin";
const BOOT_MS = 300_000;
const MIB = 2 ** 20;
/** The first partition begins here, as partition tools have it. */
const PARTITION_AT = MIB;
const FILE_SYSTEM_BYTES = 96 * MIB;

const dir = mkdtempSync(join(tmpdir(), "paravane-xen-grub-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** A file system with the kernel as ELF (GRUB does not unpack LZ4), its initramfs and a configuration that starts them. */
async function fileSystem(): Promise<string> {
  const taken = await paravane(["img", "take", "debian"], { limitMs: 400_000 });
  if (taken.status !== 0) throw new Error(`debian cannot be taken: ${taken.stderr}`);
  const [kernel = "", initrd = ""] = taken.stdout.split("\n");
  const root = join(dir, "root");
  mkdirSync(join(root, "boot/grub"), { recursive: true });
  const image = inspectImage(new Uint8Array(readFileSync(kernel)), { decompressors: payloadDecompressors });
  writeFileSync(join(root, "boot/vmlinux"), (await image.payload!()).file);
  copyFileSync(initrd, join(root, "boot/initrd.img"));
  const lines = ['echo "this is grub.cfg"', "linux /boot/vmlinux console=hvc0", "initrd /boot/initrd.img", "boot"];
  writeFileSync(join(root, "boot/grub/grub.cfg"), `${lines.join("\n")}\n`);
  const file = join(dir, "fs.img");
  writeFileSync(file, "");
  truncateSync(file, FILE_SYSTEM_BYTES);
  execFileSync("mkfs.ext4", ["-q", "-F", "-d", root, file]);
  return file;
}

/** The file system as the only partition of a disk with a PC partition table. */
function partitioned(source: string): string {
  const table = Buffer.alloc(PARTITION_AT);
  table[446 + 4] = 0x83;
  table.writeUInt32LE(PARTITION_AT / 512, 446 + 8);
  table.writeUInt32LE(statSync(source).size / 512, 446 + 12);
  table.writeUInt16LE(0xaa55, 510);
  const disk = join(dir, "partitioned.img");
  writeFileSync(disk, Buffer.concat([table, readFileSync(source)]));
  return disk;
}

describe.skipIf(!hasTool("apt-get") || !hasTool("mkfs.ext4", "-V") || (!existsSync(GRUB) && process.env["CI"] === undefined))(
  "GRUB under Xen",
  () => {
    let plain = "";
    beforeAll(async () => {
      if (!existsSync(GRUB)) throw new Error(`${GRUB} is missing: apt-get install grub-xen-host`);
      plain = await fileSystem();
    }, 500_000);

    test.each(["a plain disk", "a partition"])("the x86_64 image reads grub.cfg from %s and starts the kernel there", async (where) => {
      const disk = where === "a partition" ? partitioned(plain) : plain;
      const guest = new Guest(["--kernel", GRUB, "--backend", "xen", "-m", "256M", "--drive", `${disk},ro`]);
      try {
        await guest.waitFor(/Welcome to GRUB!/, BOOT_MS);
        await guest.waitFor(/this is grub\.cfg/, BOOT_MS);
        await guest.waitFor(/paravane: user space: Linux \S+ on x86_64/, BOOT_MS);
        await guest.waitFor(/# /);
        // GRUB closed its end of the disk, and Linux has opened it again.
        const device = where === "a partition" ? "xvda1" : "xvda";
        expect(await guest.command(`mount -t ext4 -o ro /dev/${device} /mnt && cat /mnt/boot/grub/grub.cfg`)).toContain("this is grub.cfg");
        guest.type("poweroff -f\r");
        expect(await guest.ended()).toBe(0);
      } finally {
        guest.kill();
      }
    });
  },
);

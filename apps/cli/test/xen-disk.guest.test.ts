// Disks of Xen domains: a stock kernel mounts ext4 over blkfront, writes, unmounts; the host finds the file and a clean file system.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Guest } from "./guest.js";
import { hasTool, paravane } from "./paravane.js";

const BOOT_MS = 300_000;
const COMPLAINTS = /WARNING:|BUG:|Call Trace|I\/O error|blkfront.*(error|fail)/i;
const dir = mkdtempSync(join(tmpdir(), "paravane-xen-disk-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));
const digest = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");

describe.skipIf(!hasTool("apt-get") || !hasTool("mkfs.ext4", "-V"))("a Xen domain with disks", () => {
  const blank = join(dir, "blank.img");
  beforeAll(() => {
    writeFileSync(blank, "");
    truncateSync(blank, 64 * 2 ** 20);
    execFileSync("mkfs.ext4", ["-q", "-F", blank]);
  });

  test.each([
    { guest: "debian", mode: "pv", vcpus: 1 },
    { guest: "debian-amd64", mode: "pv", vcpus: 2 },
    { guest: "debian", mode: "pvh", vcpus: 1 },
  ])("$guest as $mode with $vcpus vCPUs fills one, reads it back, unmounts and powers off", async ({ guest: name, mode, vcpus }) => {
    const disk = join(dir, `${name}-${mode}.img`);
    const second = join(dir, "second.img");
    copyFileSync(blank, disk);
    copyFileSync(blank, second);
    const machine = ["--backend", "xen", "--xen-mode", mode, "--smp", `${vcpus}`, "-m", "256M"];
    const guest = new Guest([name, ...machine, "--drive", disk, "--drive", `${second},ro`]);
    try {
      await guest.waitFor(/paravane: user space/, BOOT_MS);
      await guest.waitFor(/# /);
      expect(await guest.command("cat /sys/block/xvda/size /sys/block/xvdb/ro")).toMatch(/131072\s+1/);
      await guest.command("mount -t ext4 /dev/xvda /mnt");
      await guest.command("dd if=/dev/urandom of=/mnt/noise bs=64k count=320 2>/dev/null && sha256sum /mnt/noise > /mnt/sum && sync");
      await guest.command("umount /mnt && mount -t ext4 /dev/xvda /mnt && sha256sum -c /mnt/sum && echo kept > /mnt/note");
      // What was synced is on the host's disk at once, before anything is unmounted.
      await guest.command("sync");
      expect(readFileSync(disk).includes("kept\n")).toBe(true);
      await guest.command("umount /mnt");
      const log = await guest.command("dmesg");
      expect(log).toMatch(/blkfront: xvda: flush diskcache: enabled; persistent grants: enabled; indirect descriptors: enabled/);
      expect(log.split("\n").filter((line) => COMPLAINTS.test(line))).toEqual([]);
      guest.type("poweroff -f\r");
      expect(await guest.ended()).toBe(0);
    } finally {
      guest.kill();
    }
    execFileSync("e2fsck", ["-f", "-n", disk]);
    expect(execFileSync("debugfs", ["-R", "cat note", disk], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] })).toBe("kept\n");
    expect(digest(second)).toBe(digest(blank));
  });

  test.each(["pv", "pvh"])("a %s domain gives memory back and takes it again", async (mode) => {
    const guest = new Guest(["debian", "--backend", "xen", "--xen-mode", mode, "-m", "256M"]);
    try {
      await guest.waitFor(/paravane: user space/, BOOT_MS);
      await guest.waitFor(/# /);
      await guest.command("cd /sys/devices/system/xen_memory/xen_memory0");
      for (const size of [180_000, 258_000]) {
        await guest.command(`echo ${size} > target_kb; until grep -q ${size} info/current_kb; do sleep 1; done`);
      }
      // What came back is memory like any other: more than was left is filled.
      const zeros = createHash("md5")
        .update(Buffer.alloc(2 ** 20))
        .digest("hex");
      await guest.command("dd if=/dev/zero of=/tmp/big bs=1M count=100 2>/dev/null");
      expect(await guest.command("tail -c 1048576 /tmp/big | md5sum")).toContain(zeros);
      guest.type("poweroff -f\r");
      expect(await guest.ended()).toBe(0);
    } finally {
      guest.kill();
    }
  });

  test("an overlay leaves the file untouched", async () => {
    const disk = join(dir, "overlay.img");
    copyFileSync(blank, disk);
    const then = "mount -t ext4 /dev/xvda /mnt && echo kept > /mnt/note && sync && echo wr''itten\\r";
    const { status, stdout } = await paravane(
      ["boot", "debian", "--backend", "xen", "--drive", `${disk},overlay`, "--until", "/ # $", "--then", then, "--until", "written"],
      { limitMs: BOOT_MS },
    );
    expect(stdout).toContain("written");
    expect(status).toBe(0);
    expect(digest(disk)).toBe(digest(blank));
  });
});

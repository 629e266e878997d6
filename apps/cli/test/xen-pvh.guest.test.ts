// A stock kernel as a Xen PVH domain: to a shell on hvc0 by its own page tables and local APICs, a quiet log, and off by halting.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Guest } from "./guest.js";
import { hasTool, paravane } from "./paravane.js";

const BOOT_MS = 300_000;
const COMPLAINTS = /WARNING:|BUG:|Call Trace|unchecked MSR|Attempted to|Stale IRR/;

describe.skipIf(!hasTool("apt-get"))("as a Xen PVH domain", () => {
  test.each([1, 2, 4])("Debian's cloud kernel boots on %i vCPUs to its shell and powers off", async (vcpus) => {
    const guest = new Guest(["debian", "--backend", "xen", "--xen-mode", "pvh", "--smp", `${vcpus}`]);
    try {
      await guest.waitFor(/paravane: user space/, BOOT_MS);
      await guest.waitFor(/# /);
      const log = await guest.command("dmesg");
      expect(log).toContain("Hypervisor detected: Xen HVM");
      expect(log).toMatch(/Booting (paravirtualized )?kernel on Xen PVH/);
      expect(log.split("\n").filter((line) => COMPLAINTS.test(line))).toEqual([]);
      expect(await guest.command("nproc")).toBe(`${vcpus}`);
      const interrupts = await guest.command("cat /proc/interrupts");
      for (let cpu = 0; cpu < vcpus; cpu++) expect(interrupts).toMatch(new RegExp(`xen-percpu +-virq +timer${cpu}\\s`));
      expect(interrupts).toMatch(/HYP: .*Hypervisor callback interrupts/);
      expect(await guest.command("i=0; while [ $i -lt 100 ]; do i=$(($(echo $i | cat) + 1)); done; echo turns=$i")).toContain("turns=100");
      guest.type("poweroff -f\r");
      expect(await guest.ended()).toBe(0);
    } finally {
      guest.kill();
    }
  });
});

describe.skipIf(!hasTool("apt-get"))("Debian's amd64 kernel, packed with xz behind the x86 filter", () => {
  test.each(["pv", "pvh"])("boots as %s and powers off", async (mode) => {
    const guest = new Guest(["debian-amd64", "-m", "512M", "--backend", "xen", "--xen-mode", mode]);
    try {
      await guest.waitFor(/paravane: user space/, BOOT_MS);
      await guest.waitFor(/# /);
      const log = await guest.command("dmesg");
      expect(log).toContain(mode === "pv" ? "Hypervisor detected: Xen PV" : "Booting kernel on Xen PVH");
      expect(log.split("\n").filter((line) => COMPLAINTS.test(line))).toEqual([]);
      guest.type("poweroff -f\r");
      expect(await guest.ended()).toBe(0);
    } finally {
      guest.kill();
    }
  });
});

const GRUB = "/usr/lib/grub-xen/grub-i386-xen_pvh.bin";

describe.skipIf(!hasTool("apt-get") || !hasTool("mkfs.ext4", "-V") || !existsSync(GRUB))("GRUB as a PVH domain", () => {
  test("reads its configuration from a disk and starts the stock bzImage", { timeout: 400_000 }, async () => {
    const dir = mkdtempSync(join(tmpdir(), "paravane-pvh-grub-"));
    try {
      const [kernel = "", initrd = ""] = (await paravane(["img", "take", "debian"], { limitMs: 300_000 })).stdout.split("\n");
      mkdirSync(join(dir, "root/boot/grub"), { recursive: true });
      copyFileSync(kernel, join(dir, "root/boot/vmlinuz"));
      copyFileSync(initrd, join(dir, "root/boot/initrd.img"));
      const lines = ["linux /boot/vmlinuz console=hvc0 from=grub", "initrd /boot/initrd.img", "boot"];
      writeFileSync(join(dir, "root/boot/grub/grub.cfg"), `${lines.join("\n")}\n`);
      const disk = join(dir, "disk.img");
      writeFileSync(disk, "");
      truncateSync(disk, 64 * 2 ** 20);
      execFileSync("mkfs.ext4", ["-q", "-F", "-d", join(dir, "root"), disk]);
      const machine = ["--kernel", GRUB, "--backend", "xen", "--xen-mode", "pvh", "-m", "256M", "--drive", `${disk},ro`];
      const marks = ["--until", "Linux version 6", "--until", "Command line: .*from=grub", "--until", "kernel on Xen PVH"];
      const { status, stderr } = await paravane(["boot", ...machine, ...marks, "--timeout", "300s"], { limitMs: 350_000 });
      expect([status, stderr.split("\n")[0]]).toEqual([0, expect.stringContaining("backend xen")]);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});

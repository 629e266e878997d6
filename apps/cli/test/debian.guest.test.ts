// Debian's stock kernels, taken through the host's apt: user space, an ext4 virtio disk, the guest's clock, an idle guest's cost.
import { createHash } from "node:crypto";
import { execFileSync } from "node:child_process";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Guest } from "./guest.js";
import { hasTool, paravane } from "./paravane.js";

const dir = mkdtempSync(join(tmpdir(), "paravane-debian-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const KERNELS = [
  { name: "debian", machine: "x86_64", idlePercent: 2 },
  { name: "debian-amd64", machine: "x86_64", idlePercent: 2 },
  { name: "debian-686", machine: "i686", idlePercent: 5 },
  { name: "debian-686-pae", machine: "i686", idlePercent: 5 },
] as const;
const BOOT_MS = 400_000;
const SETTLE_SECONDS = 10;
const IDLE_SECONDS = 10;
const IDLE_WINDOWS = 6;
const CLOCK_SECONDS = 60;
const digest = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");

describe.skipIf(!hasTool("apt-get") || !hasTool("mkfs.ext4", "-V"))("Debian's stock kernels", () => {
  const blank = join(dir, "blank.img");
  beforeAll(async () => {
    writeFileSync(blank, "");
    truncateSync(blank, 32 * 2 ** 20);
    execFileSync("mkfs.ext4", ["-q", "-F", blank]);
    for (const { name } of KERNELS) {
      const taken = await paravane(["img", "take", name], { limitMs: 400_000 });
      if (taken.status !== 0) throw new Error(`${name} cannot be taken: ${taken.stderr}`);
    }
  });

  describe.each(KERNELS)("$name", ({ name, machine, idlePercent }) => {
    test("reaches a shell, mounts and writes an ext4 disk, idles cheaply, powers off with status 0", async () => {
      const disk = join(dir, `${name}.img`);
      copyFileSync(blank, disk);
      const guest = new Guest([name, "--drive", disk]);
      try {
        await guest.waitFor(/paravane: user space: Linux \S+ on (\S+)/, BOOT_MS);
        await guest.waitFor(/# /);
        expect(await guest.command("uname -m")).toBe(machine);
        expect(await guest.command("mount -t ext4 /dev/vda /mnt && echo kept > /mnt/note && umount /mnt && sync")).not.toContain("error");
        expect(guest.console).not.toMatch(/Marking TSC unstable|clocksource-watchdog|calibration failed|Unable to calibrate/i);
        // The kernel writes back and settles first. Other work on the host makes each wake dearer, so the quietest window counts.
        let quietest = Number.POSITIVE_INFINITY;
        await new Promise((resolve) => setTimeout(resolve, SETTLE_SECONDS * 1000));
        for (let window = 0; window < IDLE_WINDOWS && quietest >= idlePercent; window++) {
          const before = guest.cpuSeconds();
          await new Promise((resolve) => setTimeout(resolve, IDLE_SECONDS * 1000));
          quietest = Math.min(quietest, (100 * (guest.cpuSeconds() - before)) / IDLE_SECONDS);
        }
        expect(quietest).toBeLessThan(idlePercent);
        guest.type("poweroff -f\r");
        expect(await guest.ended()).toBe(0);
      } finally {
        guest.kill();
      }
      expect(readFileSync(disk).includes("kept\n")).toBe(true);
    });
  });

  test("suspends to RAM with a disk, and the clock's alarm wakes it", async () => {
    const disk = join(dir, "suspend.img");
    copyFileSync(blank, disk);
    const guest = new Guest(["debian", "--drive", disk]);
    try {
      await guest.waitFor(/# /, BOOT_MS);
      await guest.command("mount -t ext4 /dev/vda /mnt && echo before > /mnt/note");
      await guest.command("echo +3 > /sys/class/rtc/rtc0/wakealarm && echo mem > /sys/power/state");
      expect(await guest.command("cat /mnt/note; echo after > /mnt/second && sync; cat /mnt/second")).toMatch(/before\s+after/);
      expect(await guest.command("dmesg | grep 'PM: suspend'")).toMatch(/suspend entry \(deep\)[\s\S]*suspend exit/);
      guest.type("poweroff -f\r");
      expect(await guest.ended()).toBe(0);
    } finally {
      guest.kill();
    }
    expect(readFileSync(disk).includes("after\n")).toBe(true);
  });

  test("an overlay leaves the file untouched", async () => {
    const disk = join(dir, "overlay.img");
    copyFileSync(blank, disk);
    const before = digest(disk);
    const shell = "/ # $";
    const { status, stdout } = await paravane(
      [
        "boot",
        "debian",
        "--drive",
        `${disk},overlay`,
        "--until",
        shell,
        "--then",
        "mount -t ext4 /dev/vda /mnt && echo kept > /mnt/note && sync && echo wr''itten\\r",
        "--until",
        "written",
        "--then",
        "poweroff -f\\r",
      ],
      { limitMs: BOOT_MS },
    );
    expect(stdout).toContain("written");
    expect(status).toBe(0);
    expect(digest(disk)).toBe(before);
  });

  test("a read-only disk cannot be written", async () => {
    const { status } = await paravane(
      ["boot", "debian", "--drive", `${blank},ro`, "--until", "/ # $", "--then", "cat /sys/block/vda/ro\\r", "--until", "^1\\r?$"],
      { limitMs: BOOT_MS },
    );
    expect(status).toBe(0);
  });

  test("the guest's clock keeps within 1 % of the host's over a minute", async () => {
    const guest = new Guest(["debian"]);
    try {
      await guest.waitFor(/# /, BOOT_MS);
      const read = async (): Promise<{ guest: number; host: number }> => {
        const text = await guest.command("cut -d' ' -f1 /proc/uptime");
        return { guest: Number(text), host: performance.now() / 1000 };
      };
      const first = await read();
      await new Promise((resolve) => setTimeout(resolve, CLOCK_SECONDS * 1000));
      const second = await read();
      expect(Math.abs((second.guest - first.guest) / (second.host - first.host) - 1)).toBeLessThan(0.01);
    } finally {
      guest.kill();
    }
  });

  test("too little memory, and a kernel cut short, are refused with status 3", async () => {
    const small = await paravane(["run", "debian", "-m", "8M"]);
    expect([small.status, small.stdout]).toEqual([3, ""]);
    expect(small.stderr).not.toMatch(/^\s+at /m);
    const { stdout } = await paravane(["img", "take", "debian"]);
    const cut = join(dir, "vmlinuz-cut");
    writeFileSync(cut, readFileSync(stdout.split("\n")[0]!).subarray(0, 3 * 2 ** 20));
    const short = await paravane(["run", "--kernel", cut]);
    expect([short.status, short.stdout]).toEqual([3, ""]);
  });

  test("a kernel that panics ends with status 4", async () => {
    const { stdout } = await paravane(["img", "take", "debian"]);
    const kernel = stdout.split("\n")[0]!;
    const { status, stderr } = await paravane(["boot", "--kernel", kernel, "--append", "console=ttyS0 panic=-1", "--until", "never"], {
      limitMs: BOOT_MS,
    });
    expect(stderr).toMatch(/the guest panicked: Kernel panic - not syncing/);
    expect(status).toBe(4);
  });

  test("two icount boots give the same instruction count and the same console", async () => {
    const run = async (stats: string): Promise<{ instructions: number; console: string }> => {
      const { status, stdout } = await paravane(["boot", "debian", "--clock", "icount", "--until", "user space", "--stats", stats], {
        limitMs: BOOT_MS,
      });
      expect(status).toBe(0);
      return { instructions: (JSON.parse(readFileSync(stats, "utf8")) as { instructions: number }).instructions, console: stdout };
    };
    const first = await run(join(dir, "one.json"));
    expect(await run(join(dir, "two.json"))).toEqual(first);
  });
});

// A processor each, side by side.
describe.concurrent("long runs", () => {
  test("100 MB on hello's console arrive, and memory stays bounded", async () => {
    const stats = join(dir, "flood.json");
    const until = "\\.\r\nhello> ";
    const { status } = await paravane(
      ["boot", "hello", "-m", "64M", "--until", "hello> ", "--then", "flood\\r", "--until", until, "--stats", stats, "--timeout", "300s"],
      {
        limitMs: 320_000,
        keepBytes: 1 << 16,
      },
    );
    expect(status).toBe(0);
    const { memory } = JSON.parse(readFileSync(stats, "utf8")) as { memory: { peakResidentBytes: number } };
    expect(memory.peakResidentBytes).toBeLessThan(400 * 2 ** 20);
  });

  test.skipIf(!hasTool("apt-get"))("memtest86+ finishes one pass over 64 MB", { timeout: 1_300_000 }, async () => {
    const { status } = await paravane(["boot", "memtest86+", "-m", "64M", "--until", "Pass: +1 .*Errors: 0 ", "--timeout", "1200s"], {
      limitMs: 1_260_000,
    });
    expect(status).toBe(0);
  });
});

// A stock kernel as a Xen PV domain: to a shell on hvc0, some work that forks and maps, a quiet log, and off by a call.
import { describe, expect, test } from "vitest";
import { Guest } from "./guest.js";
import { hasTool } from "./paravane.js";

const BOOT_MS = 300_000;
const COMPLAINTS = /WARNING:|BUG:|Call Trace|unchecked MSR|Attempted to/;

describe.skipIf(!hasTool("apt-get"))("as a 64-bit Xen PV domain", () => {
  test("Debian's cloud kernel boots to its shell and powers off", async () => {
    const guest = new Guest(["debian", "--backend", "xen"]);
    try {
      await guest.waitFor(/paravane: user space/, BOOT_MS);
      await guest.waitFor(/# /);
      const log = await guest.command("dmesg");
      expect(log).toContain("Hypervisor detected: Xen PV");
      expect(log).toMatch(/Booting (paravirtualized )?kernel on Xen/);
      expect(log.split("\n").filter((line) => COMPLAINTS.test(line))).toEqual([]);
      expect(await guest.command("cat /proc/interrupts")).toMatch(/xen-percpu +-virq +timer0/);
      // Each turn forks twice: page tables come and go, and are written through their read-only mapping.
      expect(await guest.command("i=0; while [ $i -lt 100 ]; do i=$(($(echo $i | cat) + 1)); done; echo turns=$i")).toContain("turns=100");
      guest.type("poweroff -f\r");
      expect(await guest.ended()).toBe(0);
    } finally {
      guest.kill();
    }
  });
});

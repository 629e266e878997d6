// A stock kernel as a Xen PV domain with several vCPUs: all come up, share work that forks, keep time, and go off by a call.
import { describe, expect, test } from "vitest";
import { Guest } from "./guest.js";
import { hasTool } from "./paravane.js";

const BOOT_MS = 300_000;
const COMPLAINTS = /WARNING:|BUG:|Call Trace|unchecked MSR|Attempted to|soft lockup|rcu_.*stall/;
const TURNS = 40;
/** One loop on each vCPU, every turn of which forks twice. */
const forks = (vcpus: number): string =>
  `for j in $(seq ${vcpus}); do (i=0; while [ $i -lt ${TURNS} ]; do i=$(($(echo $i | cat) + 1)); done; echo turns=$i) & done; wait`;

describe.skipIf(!hasTool("apt-get"))("as a 64-bit Xen PV domain", () => {
  test.each([2, 4])("Debian's cloud kernel runs on %i vCPUs", async (vcpus) => {
    const guest = new Guest(["debian", "--backend", "xen", "--smp", `${vcpus}`]);
    try {
      await guest.waitFor(/paravane: user space/, BOOT_MS);
      await guest.waitFor(/# /);
      expect(await guest.command("nproc")).toBe(`${vcpus}`);
      const began = Date.now();
      const uptime = async (): Promise<number> => Number.parseFloat(await guest.command("cut -d ' ' -f 1 /proc/uptime"));
      const before = await uptime();
      const output = await guest.command(forks(vcpus), BOOT_MS);
      expect(output.match(new RegExp(`turns=${TURNS}`, "g"))).toHaveLength(vcpus);
      await guest.command("for j in 1 2 3 4; do dd if=/dev/zero of=/tmp/f$j bs=64k count=50 2>/dev/null & done; wait; cmp /tmp/f1 /tmp/f4");
      const passed = (await uptime()) - before;
      // The two readings are as far apart on the host as a prompt takes; over all this that is little.
      expect(Math.abs(passed * 1000 - (Date.now() - began))).toBeLessThan(1500);
      const interrupts = await guest.command("cat /proc/interrupts");
      for (let vcpu = 0; vcpu < vcpus; vcpu++) expect(interrupts).toMatch(new RegExp(`xen-percpu +-ipi +callfuncsingle${vcpu}`));
      const log = await guest.command("dmesg");
      expect(log).toMatch(/Booting (paravirtualized )?kernel on Xen/);
      expect(log).toContain("xen:events: Using FIFO-based ABI");
      expect(log.split("\n").filter((line) => COMPLAINTS.test(line))).toEqual([]);
      // It ran where it could: the machine's account of waiting is what the guest calls stolen.
      const [, , , , , , , , stolen = "0"] = (await guest.command("head -1 /proc/stat")).split(/ +/);
      expect(Number(stolen)).toBeGreaterThan(0);
      guest.type("poweroff -f\r");
      expect(await guest.ended()).toBe(0);
    } finally {
      guest.kill();
    }
  });
});

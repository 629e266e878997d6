// What a stock kernel asks of Xen from its first instruction to its own power-off, beside what was recorded of the same kernel on a real Xen 4.17
// (Debian 6.1 cloud, 1 vCPU, 192 MiB). Counts that go with the host's speed are known by their names; all else is the kernel's structure.
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { hasTool, paravane } from "./paravane.js";

const dir = mkdtempSync(join(tmpdir(), "paravane-calls-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

type Recorded = readonly (readonly [name: string, calls: number])[];

/** In the order in which they were first seen. */
const PV: Recorded = [
  ["xen_version.get_features", 2],
  ["memory_op.machphys_mapping", 1],
  ["update_va_mapping", 927],
  ["set_gdt", 5],
  ["set_segment_base.GS_KERNEL", 4],
  ["set_trap_table", 25],
  ["console_io.write", 2],
  ["mmuext_op", 18354],
  ["physdev_op.set_iopl", 1],
  ["vcpu_op.register_runstate_memory_area", 2],
  ["mmu_update", 52998],
  ["vm_assist.enable", 4],
  ["callback_op.register", 4],
  ["memory_op.memory_map", 1],
  ["multicall", 144],
  ["vcpu_op.is_up", 8192],
  ["xen_version.version", 182],
  ["xen_version.extraversion", 2],
  ["vcpu_op.register_vcpu_info", 1],
  ["update_descriptor", 1],
  ["set_segment_base.FS", 1],
  ["set_segment_base.GS_USER", 1258],
  ["stack_switch", 1258],
  ["set_debugreg", 6],
  ["event_channel_op.init_control", 1],
  ["physdev_op.pirq_eoi_gmfn_v2", 1],
  ["event_channel_op.send", 1072],
  ["vcpu_op.stop_periodic_timer", 3],
  ["event_channel_op.bind_virq", 1],
  ["event_channel_op.expand_array", 1],
  ["event_channel_op.set_priority", 1],
  ["vcpu_op.stop_singleshot_timer", 1],
  ["vcpu_op.set_singleshot_timer", 628],
  ["fpu_taskswitch", 2],
  ["xenpmu_op", 2],
  ["event_channel_op.bind_ipi", 4],
  ["set_segment_base.GS_USER_SEL", 96],
  ["grant_table_op.set_version", 1],
  ["grant_table_op.query_size", 4],
  ["grant_table_op.setup_table", 1],
  ["event_channel_op.bind_vcpu", 2],
  ["sched_op.block", 66],
  ["xen_version.guest_handle", 1],
  ["xen_version.build_id", 1],
  ["xen_version.capabilities", 1],
  ["xen_version.changeset", 1],
  ["xen_version.pagesize", 1],
  ["xen_version.platform_parameters", 1],
  ["sched_op.shutdown", 1],
];
/** Requests inside mmuext_op and mmu_update, and calls whose first time goes with an interrupt. */
const PV_ANYWHERE: Recorded = [
  ["mmuext_op.PIN_L4_TABLE", 72],
  ["mmuext_op.UNPIN_TABLE", 176],
  ["mmuext_op.PIN_L3_TABLE", 1],
  ["mmuext_op.NEW_BASEPTR", 17427],
  ["mmuext_op.NEW_USER_BASEPTR", 17425],
  ["mmuext_op.PIN_L1_TABLE", 196],
  ["mmuext_op.INVLPG_LOCAL", 400],
  ["mmuext_op.TLB_FLUSH_LOCAL", 42],
  ["mmuext_op.SET_LDT", 1],
  ["mmu_update.MMU_NORMAL_PT_UPDATE", 53261],
  ["mmu_update.MMU_PT_UPDATE_PRESERVE_AD", 120],
  ["iret", 2469],
  ["event_channel_op.unmask", 2],
];
const PVH: Recorded = [
  ["xen_version.get_features", 2],
  ["memory_op.add_to_physmap", 2],
  ["hvm_op.pagetable_dying", 1],
  ["xen_version.version", 3],
  ["xen_version.extraversion", 2],
  ["vcpu_op.register_vcpu_info", 1],
  ["event_channel_op.init_control", 1],
  ["hvm_op.set_evtchn_upcall_vector", 1],
  ["hvm_op.set_param", 1],
  ["hvm_op.get_param", 4],
  ["event_channel_op.send", 1293],
  ["vcpu_op.stop_periodic_timer", 3],
  ["vcpu_op.register_runstate_memory_area", 1],
  ["event_channel_op.bind_virq", 1],
  ["event_channel_op.expand_array", 1],
  ["event_channel_op.set_priority", 1],
  ["vcpu_op.stop_singleshot_timer", 1],
  ["vcpu_op.set_singleshot_timer", 1096],
  ["vm_assist.enable", 1],
  ["event_channel_op.bind_ipi", 3],
  ["grant_table_op.query_size", 4],
  ["grant_table_op.set_version", 1],
  ["event_channel_op.bind_vcpu", 2],
  ["xen_version.guest_handle", 1],
  ["xen_version.build_id", 1],
  ["xen_version.capabilities", 1],
  ["xen_version.changeset", 1],
  ["xen_version.pagesize", 1],
  ["xen_version.platform_parameters", 1],
];
const PVH_ANYWHERE: Recorded = [["event_channel_op.unmask", 2]];

/** Calls that failed there too, or that a release refuses: console_io, whose result the kernel does not look at. */
const MAY_FAIL = new Set(["hvm_op.pagetable_dying", "xen_version.build_id", "vcpu_op.is_up", "xenpmu_op", "console_io.write"]);
/** Sleeps and time-outs: as many as the host is slow. xen_version is read by user space there too, which ours does not have. */
const BY_SPEED = new Set(["sched_op.block", "xen_version.version", "vcpu_op.set_singleshot_timer"]);
/** What user space read of /sys/hypervisor there, in the order of the calls. */
const READ_SYSFS =
  "mount -t sysfs s /sys 2>/dev/null; cd /sys/hypervisor && cat uuid properties/buildid properties/capabilities properties/changeset properties/pagesize properties/virtual_start >/dev/null 2>&1; poweroff -f\\r";

interface Requests {
  readonly hypercalls: Readonly<Record<string, { readonly calls: number; readonly failed: number }>>;
  readonly instructions: Readonly<Record<string, number>>;
  readonly operations: Readonly<Record<string, number>>;
}

async function requestsOf(mode: string): Promise<Requests> {
  const stats = join(dir, `${mode}.json`);
  const { status, stderr } = await paravane(
    ["boot", "debian", "-m", "192M", "--backend", "xen", "--xen-mode", mode, "--until", "user space", "--until", "# ", "--then", READ_SYSFS]
      .concat(["--stats", stats])
      .concat(["--timeout", "200s"]),
    { limitMs: 250_000 },
  );
  expect([status, stderr]).toEqual([0, expect.stringContaining("backend xen")]);
  return (JSON.parse(readFileSync(stats, "utf8")) as { requests: Requests }).requests;
}

describe.skipIf(!hasTool("apt-get"))("what Debian's cloud kernel asks of Xen", () => {
  test.each([
    ["pv", PV, PV_ANYWHERE],
    ["pvh", PVH, PVH_ANYWHERE],
  ] as const)(
    "as %s is what was recorded: as often, in the same order, and nothing fails that did not",
    async (mode, ordered, anywhere) => {
      const { hypercalls, instructions, operations } = await requestsOf(mode);
      const seen = Object.keys(hypercalls);
      const expected = ordered.map(([name]) => name);
      expect(seen.filter((name) => expected.includes(name))).toEqual(expected);
      const failed = Object.entries(hypercalls).filter(([name, count]) => count.failed > 0 && !MAY_FAIL.has(name));
      expect(failed).toEqual([]);
      for (const [name, calls] of [...ordered, ...anywhere]) {
        const ours = hypercalls[name]?.calls ?? 0;
        if (BY_SPEED.has(name)) expect(ours, name).toBeGreaterThan(0);
        else if (calls < 10) expect(Math.abs(ours - calls), name).toBeLessThanOrEqual(3);
        else expect([name, ours > calls / 3 && ours < calls * 3]).toEqual([name, true]);
      }
      if (mode === "pv") {
        // Loads that change nothing, or single pages, are switches: what is left are those after tables have come and gone.
        expect(operations["mmu.writeCr3"]).toBeGreaterThan(0);
        expect(operations["mmu.flushTlbSingle"]).toBeGreaterThan(100);
        expect(instructions.cli).toBeGreaterThan(1000);
        expect(instructions.cpuid! + instructions.ud2!).toBeGreaterThan(100);
      } else {
        expect(Object.keys(instructions).sort()).toEqual(["cpuid", "hlt", "in", "out", "vmmcall"]);
      }
    },
  );
});

/** VMI as a backend: an ordinary PC with an option ROM, whose code a paravirtual kernel calls. */
import { type BackendEnvironment, defineBackend, HvError, type ParavirtOps, requireHypervisor, requireUnder } from "@paravane/paravirt-ops";
import { manifest } from "./abi/manifest.js";
import { Calls } from "./calls/dispatch.js";
import { type Guest, guestCpus } from "./guest.js";
import { cpuOps } from "./ops/cpu.js";
import { irqOps } from "./ops/irq.js";
import { mmuOps } from "./ops/mmu.js";
import { smpOps } from "./ops/smp.js";
import { timeOps } from "./ops/time.js";
import { parsePolicy } from "./policy.js";
import { buildRom, ROM_BASE, ROM_BYTES } from "./rom/rom.js";
import { CycleCounters } from "./time/counters.js";
import { PrivilegedKernel } from "./vcpu/privileged.js";

/** Settings of VMI. */
export interface VmiConfig {
  /** Privilege level at which the kernel runs after VMI_Init. */
  readonly cpl: 0 | 1;
  /** Bytes below 4 GiB that the guest leaves to the hypervisor, in pages; 0 for no hole. */
  readonly hole: number;
  /** Answers of GetRelocationInfo that differ from the usual ones: `NAME=call|jump|nop|native,…`. */
  readonly calls: string;
}

const PAGE = 4096;
const LARGEST_HOLE = 256 * 2 ** 20;
const TOP = 2 ** 32;

/** Settings in force when none are given. */
export const defaults: VmiConfig = { cpl: 0, hole: 0, calls: "" };

function checkHole(hole: number): void {
  if (Number.isInteger(hole) && hole >= 0 && hole <= LARGEST_HOLE && hole % PAGE === 0) return;
  throw new HvError("config/vmi-hole", `a hole of ${hole} bytes is not a number of pages up to 256 MiB`, {
    hint: "64M is customary; none is 0",
  });
}

function installGuest(environment: BackendEnvironment, under: ParavirtOps, config: VmiConfig): { guest: Guest; calls: Calls } {
  const hypervisor = requireHypervisor(environment, "vmi");
  checkHole(config.hole);
  const virtualTop = config.hole === 0 ? 0 : TOP - config.hole;
  const policy = parsePolicy(config.calls);
  const rom = buildRom({ level: config.cpl, flagPage: config.hole === 0 ? undefined : virtualTop }, virtualTop);
  const counters = new CycleCounters(environment.time);
  const returningAt = (vcpu: (typeof environment.vcpus)[number]) => calls.returningAt(vcpu);
  const guest: Guest = {
    environment,
    hypervisor,
    under,
    policy,
    rom,
    romBase: ROM_BASE,
    counters,
    cpus: guestCpus(environment, under, counters),
    kernel: new PrivilegedKernel(hypervisor, under, returningAt, policy.IRET === "call"),
    active: false,
  };
  const calls = new Calls(guest);
  environment.memory.write(ROM_BASE, rom.image);
  for (let at = ROM_BASE; at < ROM_BASE + ROM_BYTES; at += PAGE) hypervisor.protectFrame(at / PAGE, true);
  for (const { id } of environment.vcpus) {
    hypervisor.setIntercepts(id, 0, { instructions: ["vmcall"], exceptions: [], interrupts: false });
  }
  return { guest, calls };
}

/** VMI 3.0 for 32-bit kernels. */
export const vmi = defineBackend<VmiConfig>({
  name: "vmi",
  abi: manifest.abi,
  needs: ["native"],
  capabilities: ["bare-metal", "paravirt", "lazy-mmu"],
  boot: { accepts: (image) => (image.protocols.length > 0 ? "allows" : "no"), placement: "monitor" },
  manifest,
  defaults,
  install: (beneath, environment, config) => {
    const under = requireUnder(beneath, "vmi");
    const { guest, calls } = installGuest(environment, under, config);
    return {
      ops: {
        cpu: cpuOps(under.cpu),
        irq: irqOps(under.irq),
        mmu: mmuOps(under.mmu),
        time: timeOps(under.time),
        smp: smpOps(under.smp),
      },
      intercept: (vcpu, intercepted) => calls.intercept(vcpu, intercepted),
      delivery: (vcpu, event) => guest.kernel.deliver(guest.cpus[vcpu]!.vcpu, event),
      // A ROM drops what is stored to it.
      store: () => "done",
      startup: (vcpu) => {
        const cpu = guest.cpus[vcpu]!;
        const image = cpu.start;
        cpu.start = undefined;
        return image !== undefined && guest.kernel.start(cpu.vcpu, image) === undefined;
      },
    };
  },
});

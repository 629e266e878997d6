/** VMI as a backend: an ordinary PC with an option ROM, whose code a paravirtual kernel calls. */
import {
  type BackendEnvironment,
  clockEventSlots,
  defineBackend,
  HvError,
  layerOver,
  type ParavirtOps,
  requireHypervisor,
  requireUnder,
} from "@paravane/paravirt-ops";
import { manifest } from "./abi/manifest.js";
import { bootWays } from "./boot-ways.js";
import { Calls } from "./calls/dispatch.js";
import { type Guest, guestCpus } from "./guest.js";
import { modes } from "./modes.js";
import { parsePolicy } from "./policy.js";
import { buildRom, inRom, ROM_BASE, ROM_BYTES } from "./rom/rom.js";
import { CycleCounters } from "./time/counters.js";
import { DeprivilegedKernel } from "./vcpu/deprivileged.js";
import type { KernelParts } from "./vcpu/kernel.js";
import { PrivilegedKernel } from "./vcpu/privileged.js";
import { LEAST_HOLE } from "./vcpu/shadow.js";

/** Settings of VMI. */
export interface VmiConfig {
  /** Privilege level at which the kernel runs after VMI_Init. */
  readonly cpl: 0 | 1;
  /** Bytes below 4 GiB that the guest leaves to the hypervisor, in pages; 0 for no hole. Absent: none at CPL 0, 64 MiB at CPL 1. */
  readonly hole?: number;
  /** Answers of GetRelocationInfo that differ from the usual ones: `NAME=call|jump|nop|native,…`. */
  readonly calls: string;
}

const PAGE = 4096;
const USUAL_HOLE = 64 * 2 ** 20;
const LARGEST_HOLE = 256 * 2 ** 20;
const TOP = 2 ** 32;

/** Settings in force when none are given. */
export const defaults: VmiConfig = { cpl: 0, calls: "" };

/** Bytes of the hole. @throws HvError "config/vmi-hole" */
function holeOf({ cpl, hole = cpl === 0 ? 0 : USUAL_HOLE }: VmiConfig): number {
  const least = cpl === 0 ? PAGE : LEAST_HOLE;
  if (hole === 0 || (Number.isInteger(hole) && hole >= least && hole <= LARGEST_HOLE && hole % PAGE === 0)) return hole;
  throw new HvError("config/vmi-hole", `a hole of ${hole} bytes is not a number of pages from ${least / 1024} KiB to 256 MiB`, {
    hint: "64M is customary; none is 0",
  });
}

function installGuest(environment: BackendEnvironment, under: ParavirtOps, config: VmiConfig): { guest: Guest; calls: Calls } {
  const hypervisor = requireHypervisor(environment, "vmi");
  const hole = holeOf(config);
  const virtualTop = hole === 0 ? 0 : TOP - hole;
  const policy = parsePolicy(config.calls);
  const rom = buildRom({ level: config.cpl, flagPage: hole === 0 ? undefined : virtualTop }, virtualTop);
  const counters = new CycleCounters(environment.time);
  const parts: KernelParts = {
    environment,
    hypervisor,
    under,
    returningAt: (vcpu) => calls.returningAt(vcpu),
    returnIsCalled: policy.IRET === "call",
  };
  const guest: Guest = {
    environment,
    hypervisor,
    under,
    policy,
    rom,
    romBase: ROM_BASE,
    counters,
    cpus: guestCpus(environment, under, counters),
    kernel: config.cpl === 0 ? new PrivilegedKernel(parts) : new DeprivilegedKernel(parts, hole === 0 ? undefined : BigInt(virtualTop)),
    active: false,
  };
  const calls = new Calls(guest);
  environment.memory.write(ROM_BASE, rom.image);
  for (let at = ROM_BASE; at < ROM_BASE + ROM_BYTES; at += PAGE) hypervisor.protectFrame(at / PAGE, true);
  for (const { id } of environment.vcpus) {
    hypervisor.setIntercepts(id, 0, { instructions: config.cpl === 0 ? ["vmcall"] : ["vmcall", "ltr"], exceptions: [], interrupts: false });
  }
  return { guest, calls };
}

/** VMI 3.0 for 32-bit kernels. */
export const vmi = defineBackend<VmiConfig>({
  name: "vmi",
  package: "@paravane/backend-vmi",
  contract: "^1.0",
  abi: manifest.abi,
  needs: ["native"],
  capabilities: ["bare-metal", "paravirt", "lazy-mmu"],
  requires: ["operations", "hypervisor"],
  boot: { accepts: (image) => (image.protocols.length > 0 ? "allows" : "no"), placement: "monitor", ways: bootWays },
  manifest,
  modes,
  defaults,
  install: (beneath, environment, config) => {
    const under = requireUnder(beneath, "vmi");
    const { guest, calls } = installGuest(environment, under, config);
    return {
      // ROM calls end in what the bare machine does, since guest-physical addresses are the machine's; the timer is the alarm.
      ops: layerOver(under, { time: clockEventSlots((vcpu) => guest.cpus[vcpu]?.alarm) }),
      intercept: (vcpu, intercepted) => calls.intercept(vcpu, intercepted),
      delivery: (vcpu, event) => guest.kernel.deliver(guest.cpus[vcpu]!.vcpu, event),
      // A ROM drops what is stored to it.
      store: (_vcpu, store) => (inRom(store.physical) ? "done" : guest.kernel.store(store)),
      startup: (vcpu) => {
        const cpu = guest.cpus[vcpu]!;
        const image = cpu.start;
        cpu.start = undefined;
        guest.kernel.leave(cpu.vcpu);
        cpu.entered = image !== undefined && guest.kernel.start(cpu.vcpu, image) === undefined;
        return cpu.entered;
      },
    };
  },
});

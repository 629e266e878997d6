/** What the hypervisor remembers of a guest and of each of its vCPUs, beyond what the processor holds. */
import type { BackendEnvironment, HypervisorHandle, ParavirtOps, Vcpu } from "@paravane/paravirt-ops";
import type { StartImage } from "./calls/processors.js";
import { DeferredFlushes } from "./calls/deferred-flushes.js";
import type { CallPolicy } from "./policy.js";
import type { Rom } from "./rom/rom.js";
import { VmiAlarm } from "./time/alarm.js";
import type { CycleCounters } from "./time/counters.js";
import type { Kernel } from "./vcpu/kernel.js";

/** One vCPU. */
export interface GuestCpu {
  readonly vcpu: Vcpu;
  readonly flushes: DeferredFlushes;
  readonly alarm: VmiAlarm;
  /** Batch that is open. */
  lazy: "mmu" | "cpu" | undefined;
  /** How it starts when the next STARTUP comes. */
  start: StartImage | undefined;
  /** Its kernel runs at the level that the guest's kernel has. */
  entered: boolean;
}

/** One guest. */
export interface Guest {
  readonly environment: BackendEnvironment;
  readonly hypervisor: HypervisorHandle;
  readonly under: ParavirtOps;
  readonly policy: CallPolicy;
  readonly rom: Rom;
  /** Physical address of the ROM. */
  readonly romBase: number;
  readonly counters: CycleCounters;
  readonly cpus: readonly GuestCpu[];
  /** How its kernel runs. */
  readonly kernel: Kernel;
  /** VMI_Init has succeeded. */
  active: boolean;
}

/** The vCPUs' side of a guest. */
export function guestCpus(environment: BackendEnvironment, under: ParavirtOps, counters: CycleCounters): GuestCpu[] {
  return environment.vcpus.map((vcpu) => ({
    vcpu,
    flushes: new DeferredFlushes(under.mmu, vcpu),
    alarm: new VmiAlarm(vcpu.id, environment, counters),
    lazy: undefined,
    start: undefined,
    entered: false,
  }));
}

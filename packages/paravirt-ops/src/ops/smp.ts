/**
 * Operations among vCPUs, and on the machine as a whole. vCPUs are numbered from 0.
 * Origins: pv_apic_ops and pv_lock_ops of 2.6.32, pv_ops.lock of 6.1, smp_ops, machine_ops, the panic notifier.
 */
import { operation as op, type SlotsOf } from "./operation.js";

/** Where a vCPU starts when it does not start at a real-mode vector. Absent registers are zero. */
export interface StartState {
  /** First instruction. */
  readonly rip: bigint;
  /** Stack. */
  readonly rsp: bigint;
  /** Page-table root. */
  readonly cr3: bigint;
  /** Any other register by name. */
  readonly [register: string]: bigint;
}

/** Why a guest ends its machine. */
export type ShutdownReason = "poweroff" | "reboot" | "suspend" | "crash";

/** Operations among vCPUs. */
export const smpOperations = {
  startupHook: op<[target: number, state: StartState]>(
    "apic.startup_ipi_hook (2.6.32)",
    "The startup IPIs that follow start vCPU `target` in `state`.",
  ),
  vcpuUp: op<[target: number]>("smp_ops.cpu_up", "vCPU `target` runs."),
  vcpuDown: op<[target: number]>("smp_ops.play_dead, cpu_die", "vCPU `target` does not run until it is brought up again."),
  sendIpi: op<[targets: readonly number[], vector: number]>(
    "smp_ops.smp_send_reschedule, send_call_func_ipi",
    "Each of `targets` has the interrupt `vector` pending.",
  ),
  wait: op<[address: bigint, value: number]>(
    "lock.wait (6.1); lock.spin_lock (2.6.32)",
    "The vCPU may have slept, and has not missed a kick that came after the byte at `address` stopped being `value`.",
  ),
  kick: op<[target: number]>("lock.kick (6.1); lock.spin_unlock (2.6.32)", "vCPU `target` does not sleep in wait."),
  vcpuIsPreempted: op<[target: number], boolean>(
    "lock.vcpu_is_preempted (6.1)",
    "The result tells whether vCPU `target` wants to run and does not.",
  ),
  yield: op<[target: number | undefined]>("PAUSE; sched_op yield", "Another vCPU, `target` if given, has had its turn when one could run."),
  shutdown: op<[reason: ShutdownReason]>(
    "machine_ops.restart, power_off, halt, crash_shutdown; panic notifier",
    "The machine has ended for `reason`.",
  ),
} as const;

/** A backend's answers to the smp group. */
export type SmpOps = SlotsOf<typeof smpOperations>;

/** How a run ended. */

/** What `machine.run()` resolves to. `detail` is for people. */
export type RunResult =
  | { readonly kind: "poweroff" | "reset"; readonly detail: string }
  /** The guest wrote to the exit port; `status` is the process status that qemu would give: (value << 1) | 1. */
  | { readonly kind: "exit"; readonly status: number; readonly detail: string }
  /** Triple fault, or something that this hypervisor does not implement. */
  | { readonly kind: "shutdown" | "unmodelled"; readonly vcpu: number; readonly detail: string }
  /** Paused, aborted or closed from outside; after a pause `run()` goes on. */
  | { readonly kind: "stopped"; readonly detail: string };

// What the bench's child processes are told, and what they answer. One boot a process, so that nothing is warm and peak memory is its own.
import type { Stage } from "./checkpoints.js";

/** One boot. Paths are files of this host. */
export interface BootJob {
  readonly emulator: "paravane" | "v86";
  readonly kernel: string;
  readonly initrd?: string;
  readonly append: string;
  readonly memoryBytes: number;
  /** CPU seconds after which the boot counts as failed. */
  readonly limitSeconds: number;
  /** v86 starts kernels by a BIOS. */
  readonly bios?: { readonly system: string; readonly vga: string };
}

/** What one boot took. */
export interface BootSample {
  readonly stages: readonly Stage[];
  /** Resident bytes of the process: before the machine was made, and at most. */
  readonly residentBefore: number;
  readonly residentPeak: number;
  /** Guest pages that hold anything but zeros at the end, in bytes. */
  readonly touchedBytes?: number;
  /** Counters of the core. */
  readonly counters?: Readonly<Record<string, number>>;
}

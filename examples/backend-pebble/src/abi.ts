/** What a guest of Pebble sees, promised for ever: a CPUID leaf to find it by, and calls by VMCALL: number in EAX, argument in EBX, answer in EAX. */
import type { AbiManifest } from "@paravane/paravirt-ops";

/** EBX, ECX and EDX of this leaf spell "PebblePebble"; EAX is the highest leaf. */
export const SIGNATURE_LEAF = 0x40000000;
export const SIGNATURE = [0x62626550, 0x6550656c, 0x656c6262] as const;

export const calls = {
  /** The low byte of EBX goes to the console. EAX: 0, or -1 when the host is behind and it was lost. */
  putc: 0,
  /** EAX: microseconds since the machine was made, modulo 2^32. */
  now: 1,
  /** Sleeps for EBX microseconds, or until an interrupt. EAX: 0. */
  sleep: 2,
  /** Ends the machine. */
  powerOff: 3,
} as const;

/** The answer to a number that is no call. */
export const NO_CALL = 0xffffffff;

export const manifest: AbiManifest = {
  part: "pebble",
  abi: "1",
  entries: [
    { kind: "cpuid", name: "signature", value: SIGNATURE_LEAF },
    ...Object.entries(calls).map(([name, value]) => ({ kind: "hypercall" as const, name, value })),
  ],
};

/** Small kernels for tests, with the notes that they are given. */
import type { ElfImage, GuestImage, GuestNote } from "@paravane/paravirt-ops";
import { elfNotes } from "../src/abi/elfnote.js";

type NoteValue = number | bigint | string;

/** Xen's notes by name. */
export function xenNotes(values: Partial<Record<keyof typeof elfNotes, NoteValue>>): GuestNote[] {
  return Object.entries(values).map(([name, value]) => ({
    owner: "Xen",
    type: elfNotes[name as keyof typeof elfNotes],
    bytes: typeof value === "string" ? new TextEncoder().encode(`${value}\0`) : number64(BigInt(value)),
  }));
}

function number64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt.asUintN(64, value), true);
  return bytes;
}

/** An ELF kernel of one segment at `physical`. */
export function elfKernel(parts: Partial<ElfImage> & { notes: readonly GuestNote[]; physical?: number; code?: Uint8Array }): ElfImage {
  const { physical = 0, code = Uint8Array.of(0xfc), ...rest } = parts;
  return {
    bits: rest.machine === 3 ? 32 : 64,
    machine: 62,
    entry: 0n,
    segments: [{ physical, linear: BigInt(physical), bytes: code, memoryBytes: Math.max(0x10000, code.byteLength) }],
    symbols: () => [],
    ...rest,
  };
}

/** An image around it. */
export function image(elf: ElfImage, parts: Partial<GuestImage> = {}): GuestImage {
  return { description: "a kernel for tests", file: new Uint8Array(0), protocols: [], commandLine: "console=hvc0", elf, ...parts };
}

/** Notes of the smallest PV kernel, as test kernels have them: everything from linear address 0, entered at 1 MiB. */
export const plainNotes = (changes: Partial<Record<keyof typeof elfNotes, NoteValue>> = {}): GuestNote[] =>
  xenNotes({ XEN_VERSION: "xen-3.0", ENTRY: 0x100000, VIRT_BASE: 0, PAE_MODE: "yes", ...changes });

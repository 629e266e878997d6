/**
 * A guest image, parsed once by the monitor and read by whoever boots it: ELF gABI chapters 4 and 5, Linux Documentation/arch/x86/boot.
 * Physical addresses are numbers; linear ones (64-bit kernels live in the upper half) are bigints.
 */
import type { Gpa } from "./units.js";

/** A part of the image that goes to memory: `bytes`, followed by zeroes up to `memoryBytes`. */
export interface GuestSegment {
  readonly physical: Gpa;
  readonly linear: bigint;
  readonly bytes: Uint8Array;
  readonly memoryBytes: number;
}

/** An ELF note: how a kernel says what it can run on. */
export interface GuestNote {
  readonly owner: string;
  readonly type: number;
  readonly bytes: Uint8Array;
}

/** A named address of the image's symbol table. */
export interface GuestSymbol {
  readonly name: string;
  readonly value: bigint;
  readonly size: number;
}

/** The ELF side of an image. */
export interface ElfImage {
  readonly bits: 32 | 64;
  /** e_machine: 3 is i386, 62 is x86-64. */
  readonly machine: number;
  readonly entry: bigint;
  readonly segments: readonly GuestSegment[];
  readonly notes: readonly GuestNote[];
  /** Parsed when asked for; empty for a stripped image. */
  symbols(): readonly GuestSymbol[];
}

/** The Linux setup header of a bzImage. */
export interface LinuxSetup {
  /** Boot protocol, 0x020f for 2.15. */
  readonly protocol: number;
  /** The kernel's version text, or "". */
  readonly version: string;
  /** Offset of the protected-mode part in the file. */
  readonly protectedModeOffset: number;
  readonly loadFlags: number;
  readonly xLoadFlags: number;
  readonly relocatable: boolean;
  readonly alignment: number;
  readonly preferredAddress: number;
  /** Bytes of memory that the kernel needs from its load address on before it reads the memory map. */
  readonly initBytes: number;
  readonly initrdLimit: number;
  readonly commandLineLimit: number;
  /** Place of the compressed vmlinux relative to the protected-mode part; length 0 when there is none. */
  readonly payloadOffset: number;
  readonly payloadLength: number;
}

/** The multiboot 1 header (Multiboot Specification 0.6.96, §3.1). `addresses` are given for images that are not ELF. */
export interface MultibootHeader {
  readonly offset: number;
  readonly flags: number;
  readonly addresses?: { readonly header: Gpa; readonly load: Gpa; readonly loadEnd: Gpa; readonly bssEnd: Gpa; readonly entry: Gpa };
}

/** Ways into a kernel on the bare machine. */
export type BootProtocol = "linux64" | "linux32" | "pvh" | "multiboot1";

/** What the monitor found in the kernel file, with everything that goes with it. */
export interface GuestImage {
  /** What the file is, in words: "bzImage, Linux 6.1.0-49-cloud-amd64". */
  readonly description: string;
  readonly file: Uint8Array;
  /** Ways in that the image offers to a bare machine, the best first; empty when only a backend can start it. */
  readonly protocols: readonly BootProtocol[];
  readonly linux?: LinuxSetup;
  readonly elf?: ElfImage;
  readonly multiboot?: MultibootHeader;
  /** The decompressed kernel inside a bzImage. @throws HvError "image/no-decompressor" or "image/payload" */
  readonly payload?: () => Promise<GuestImage>;
  readonly initrd?: Uint8Array;
  readonly commandLine: string;
}

/**
 * A guest image, parsed once by the monitor and read by whoever boots it: ELF gABI chapters 4 and 5, Linux Documentation/arch/x86/boot.
 * Physical addresses are numbers; linear ones (64-bit kernels live in the upper half) are bigints.
 */
import type { Gpa } from "./units.js";

/** A part of the image that goes to memory: `bytes`, followed by zeroes up to `memoryBytes`. */
export interface GuestSegment {
  /** Where it goes. */
  readonly physical: Gpa;
  /** Where the image expects it once paging is on. */
  readonly linear: bigint;
  /** What the file has of it. */
  readonly bytes: Uint8Array;
  /** Bytes in memory, at least as many as in the file. */
  readonly memoryBytes: number;
}

/** An ELF note: how a kernel says what it can run on. */
export interface GuestNote {
  /** Whose note it is: "Xen", "GNU". */
  readonly owner: string;
  /** Number among the owner's notes. */
  readonly type: number;
  /** The note's value. */
  readonly bytes: Uint8Array;
}

/** A named address of the image's symbol table. */
export interface GuestSymbol {
  /** As in the symbol table. */
  readonly name: string;
  /** Linear address. */
  readonly value: bigint;
  /** Bytes; 0 when unknown. */
  readonly size: number;
  /** True of functions and of what has no type, as labels in assembly have none; false of data. */
  readonly code: boolean;
}

/** The ELF side of an image. */
export interface ElfImage {
  /** Class of the file. */
  readonly bits: 32 | 64;
  /** e_machine: 3 is i386, 62 is x86-64. */
  readonly machine: number;
  /** Linear entry address. */
  readonly entry: bigint;
  /** What goes to memory, in the order of the file. */
  readonly segments: readonly GuestSegment[];
  /** All notes, in the order of the file. */
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
  /** As in the header. */
  readonly loadFlags: number;
  /** As in the header; bit 0: there is a 64-bit entry. */
  readonly xLoadFlags: number;
  /** It may be loaded elsewhere. */
  readonly relocatable: boolean;
  /** Bytes; of the load address of a relocatable kernel. */
  readonly alignment: number;
  /** Physical load address that the kernel was linked for. */
  readonly preferredAddress: number;
  /** Bytes of memory that the kernel needs from its load address on before it reads the memory map. */
  readonly initBytes: number;
  /** Highest address that an initrd may occupy. */
  readonly initrdLimit: number;
  /** Characters, without the closing zero. */
  readonly commandLineLimit: number;
  /** Place of the compressed vmlinux relative to the protected-mode part; length 0 when there is none. */
  readonly payloadOffset: number;
  /** Bytes, including the four of the unpacked size. */
  readonly payloadLength: number;
}

/** The multiboot 1 header (Multiboot Specification 0.6.96, §3.1). `addresses` are given for images that are not ELF. */
export interface MultibootHeader {
  /** Of the header in the file. */
  readonly offset: number;
  /** As in the header. */
  readonly flags: number;
  /** Where to put the file, when it says so itself. */
  readonly addresses?: { readonly header: Gpa; readonly load: Gpa; readonly loadEnd: Gpa; readonly bssEnd: Gpa; readonly entry: Gpa };
}

/** Ways into a kernel on the bare machine. */
export type BootProtocol = "linux64" | "linux32" | "pvh" | "multiboot1";

/** What the monitor found in the kernel file, with everything that goes with it. */
export interface GuestImage {
  /** What the file is, in words: "bzImage, Linux 6.1.0-49-cloud-amd64". */
  readonly description: string;
  /** The whole kernel file. */
  readonly file: Uint8Array;
  /** Ways in that the image offers to a bare machine, the best first; empty when only a backend can start it. */
  readonly protocols: readonly BootProtocol[];
  /** There if the file is a bzImage. */
  readonly linux?: LinuxSetup;
  /** There if the file is ELF. */
  readonly elf?: ElfImage;
  /** There if the file has a multiboot header. */
  readonly multiboot?: MultibootHeader;
  /** The decompressed kernel inside a bzImage. @throws HvError "image/no-decompressor" or "image/payload" */
  readonly payload?: () => Promise<GuestImage>;
  /** There if one was given. */
  readonly initrd?: Uint8Array;
  /** As configured; "" without one. */
  readonly commandLine: string;
}

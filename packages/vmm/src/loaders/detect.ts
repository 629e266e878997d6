/**
 * What a file is, by its content. A kernel that can be booted becomes a GuestImage; everything else becomes an HvError that names what
 * was found, so that "it does not boot" is never the first thing a person reads.
 */
import { type BootProtocol, type GuestImage, HvError } from "@paravane/paravirt-ops";
import { isElf, type ParsedElf, parseElf } from "./elf.js";
import { isBzImage, parseLinuxSetup, XLF_KERNEL_64 } from "./linux-setup.js";
import { findMultibootHeader } from "./multiboot-header.js";
import { type Decompressors, decompressPayload } from "./payload.js";
import { pvhEntry } from "./pvh.js";
import { Reader } from "./reader.js";

/** What goes with a kernel file. */
export interface ImageParts {
  readonly initrd?: Uint8Array;
  readonly commandLine?: string;
  /** Needed only by backends that load the vmlinux inside a bzImage. */
  readonly decompressors?: Decompressors;
}

/** Parses a kernel file by its content. @throws HvError "image/…" for anything that is not a kernel for this machine */
export function inspectImage(file: Uint8Array, parts: ImageParts = {}): GuestImage {
  if (file.byteLength === 0) throw new HvError("image/empty", "the kernel file is empty");
  const common = { file, commandLine: parts.commandLine ?? "", ...(parts.initrd === undefined ? {} : { initrd: parts.initrd }) };
  if (isBzImage(file)) return inspectBzImage(common, parts);
  if (isElf(file)) return inspectElf(common);
  const multiboot = findMultibootHeader(file);
  if (multiboot?.addresses !== undefined) return { ...common, description: "multiboot kernel", protocols: ["multiboot1"], multiboot };
  throw unusable(file);
}

type Common = Pick<GuestImage, "file" | "commandLine" | "initrd">;

function inspectBzImage(common: Common, parts: ImageParts): GuestImage {
  const linux = parseLinuxSetup(common.file);
  const protocols: BootProtocol[] = (linux.xLoadFlags & XLF_KERNEL_64) === 0 ? ["linux32"] : ["linux64", "linux32"];
  const description = linux.version === "" ? "bzImage" : `bzImage, ${linux.version}`;
  if (linux.payloadLength === 0) return { ...common, description, protocols, linux };
  const payload = async (): Promise<GuestImage> => {
    const start = linux.protectedModeOffset + linux.payloadOffset;
    const kernel = await decompressPayload(common.file.subarray(start, start + linux.payloadLength), parts.decompressors ?? {});
    return inspectElf({ ...common, file: kernel }, "inside");
  };
  return { ...common, description, protocols, linux, payload };
}

/** A kernel inside a bzImage needs no way in of its own. */
function inspectElf(common: Common, place: "file" | "inside" = "file"): GuestImage {
  const elf = parseElf(common.file);
  const multiboot = findMultibootHeader(common.file);
  const protocols: BootProtocol[] = [];
  if (multiboot !== undefined && (elf.bits === 32 || multiboot.addresses !== undefined)) protocols.push("multiboot1");
  if (pvhEntry(elf) !== undefined) protocols.push("pvh");
  const xen = elf.notes.some(({ owner }) => owner === "Xen");
  if (protocols.length === 0 && !xen && place === "file") throw noWayIn(elf);
  const kind = protocols[0] === undefined ? (xen ? "Xen PV kernel" : "kernel without a note or header") : KINDS[protocols[0]];
  return { ...common, description: `${elf.bits}-bit ELF, ${kind}`, protocols, elf, ...(multiboot === undefined ? {} : { multiboot }) };
}

const KINDS: Readonly<Record<BootProtocol, string>> = {
  linux64: "Linux kernel",
  linux32: "Linux kernel",
  multiboot1: "multiboot kernel",
  pvh: "kernel with a PVH entry",
};

function noWayIn(elf: ParsedElf): HvError {
  if (elf.interpreter) {
    return new HvError("image/user-program", `the kernel is a ${elf.bits}-bit ELF program for user space (it asks for a dynamic linker)`);
  }
  return new HvError(
    "image/no-boot-protocol",
    `the kernel is a ${elf.bits}-bit ELF executable without a way to boot it: no multiboot header, no PVH or Xen note`,
    { hint: "a program for user space looks like this; a vmlinux needs CONFIG_PVH, or boot its bzImage" },
  );
}

interface Signature {
  readonly at: number;
  readonly bytes: readonly number[] | string;
  readonly what: string;
  readonly hint?: string;
}

const UNPACK = "unpack it first";
const FIRMWARE_HINT = "give a kernel (bzImage, ELF with a PVH note, multiboot); disks go to --drive";

/** In the order in which they are tried: an arm64 Image may also carry a PE header. */
const SIGNATURES: readonly Signature[] = [
  { at: 0x38, bytes: "ARMd", what: "an arm64 kernel Image; this machine is an x86" },
  { at: 0x24, bytes: [0x18, 0x28, 0x6f, 0x01], what: "an ARM zImage; this machine is an x86" },
  { at: 0x30, bytes: "RISCV", what: "a RISC-V kernel Image; this machine is an x86" },
  { at: 0, bytes: [0x1f, 0x8b], what: "gzip-compressed data", hint: UNPACK },
  { at: 0, bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a], what: "xz-compressed data", hint: UNPACK },
  { at: 0, bytes: [0x28, 0xb5, 0x2f, 0xfd], what: "zstd-compressed data", hint: UNPACK },
  { at: 0, bytes: [0x04, 0x22, 0x4d, 0x18], what: "LZ4-compressed data", hint: UNPACK },
  { at: 0, bytes: [0x02, 0x21, 0x4c, 0x18], what: "LZ4-compressed data", hint: UNPACK },
  { at: 0, bytes: "BZh", what: "bzip2-compressed data", hint: UNPACK },
  { at: 0, bytes: "!<arch>", what: "a Debian package or ar archive", hint: "the kernel is inside, under boot/" },
  { at: 0, bytes: "070701", what: "a cpio archive, as an initrd is", hint: "pass it as the initrd, beside a kernel" },
  { at: 0, bytes: "PK\x03\x04", what: "a zip archive", hint: UNPACK },
  { at: 0, bytes: "QFI\xfb", what: "a qcow2 disk image", hint: FIRMWARE_HINT },
  { at: 0, bytes: "KDMV", what: "a VMDK disk image", hint: FIRMWARE_HINT },
  { at: 0x8001, bytes: "CD001", what: "an ISO 9660 image, which needs a BIOS; this machine has no firmware", hint: FIRMWARE_HINT },
  { at: 0, bytes: [0x00, 0x61, 0x73, 0x6d], what: "a WebAssembly module" },
  { at: 0, bytes: [0xcf, 0xfa, 0xed, 0xfe], what: "a Mach-O executable" },
  { at: 0, bytes: "MZ", what: "an EFI or Windows executable, which needs UEFI; this machine has no firmware", hint: FIRMWARE_HINT },
  { at: 0, bytes: [0x55, 0xaa], what: "an option ROM, which needs a BIOS; this machine has no firmware", hint: FIRMWARE_HINT },
  {
    at: 510,
    bytes: [0x55, 0xaa],
    what: "a raw disk with a boot sector, which needs a BIOS; this machine has no firmware",
    hint: FIRMWARE_HINT,
  },
];

function unusable(file: Uint8Array): HvError {
  const found = SIGNATURES.find(({ at, bytes }) => startsWith(file, at, bytes));
  if (found !== undefined) {
    return new HvError("image/unusable", `the kernel file is ${found.what}`, found.hint === undefined ? {} : { hint: found.hint });
  }
  if (isFirmware(file)) {
    return new HvError("image/unusable", "the kernel file is a firmware image; this machine has no reset vector in flash yet", {
      hint: FIRMWARE_HINT,
    });
  }
  if (isText(file)) return new HvError("image/unusable", "the kernel file is text");
  const start = [...file.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return new HvError("image/unusable", `the kernel file is of no known kind: ${file.byteLength} bytes that start with ${start}`, {
    hint: "known are bzImage, ELF kernels with a PVH note, and multiboot 1",
  });
}

function startsWith(file: Uint8Array, at: number, bytes: readonly number[] | string): boolean {
  for (let index = 0; index < bytes.length; index++) {
    const wanted = typeof bytes === "string" ? bytes.charCodeAt(index) : bytes[index];
    if (file[at + index] !== wanted) return false;
  }
  return true;
}

/** Whole 64 KiB blocks, with a jump 16 bytes before the end, where an x86 starts. */
function isFirmware(file: Uint8Array): boolean {
  if (file.byteLength % 0x10000 !== 0 || file.byteLength > 16 << 20) return false;
  const first = new Reader(file, "firmware").u8(file.byteLength - 16);
  return first === 0xea || first === 0xe9 || first === 0xeb || first === 0x0f;
}

function isText(file: Uint8Array): boolean {
  return file.subarray(0, 512).every((byte) => byte === 9 || byte === 10 || byte === 13 || (byte >= 0x20 && byte !== 0x7f));
}

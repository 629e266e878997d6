/**
 * The setup header of a bzImage: Linux Documentation/arch/x86/boot, "The Real-Mode Kernel Header". Parsing only; bzimage.ts boots it.
 * Kernels older than boot protocol 2.02 (Linux 2.4.0-test3) are refused.
 */
import { HvError, type LinuxSetup } from "@paravane/paravirt-ops";
import { Reader } from "./reader.js";

const SETUP_SECTS = 0x1f1;
const BOOT_FLAG = 0x1fe;
const HEADER_MAGIC = 0x202;
const HDRS = 0x53726448;
/** loadflags: the protected-mode part belongs at 1 MiB. */
export const LOADED_HIGH = 1;
/** xloadflags: there is a 64-bit entry at +0x200. */
export const XLF_KERNEL_64 = 1;

/** True when the file has the boot sector's mark and a setup header. */
export function isBzImage(file: Uint8Array): boolean {
  const reader = new Reader(file, "bzImage");
  return reader.has(0, HEADER_MAGIC + 4) && reader.u16(BOOT_FLAG) === 0xaa55 && reader.u32(HEADER_MAGIC) === HDRS;
}

/** Reads the header of a bzImage. @throws HvError "image/bzimage" or "image/truncated" */
export function parseLinuxSetup(file: Uint8Array): LinuxSetup {
  const reader = new Reader(file, "bzImage");
  const protocol = reader.u16(0x206);
  const since = (version: number, read: () => number, otherwise: number): number => (protocol >= version ? read() : otherwise);
  if (protocol < 0x202) {
    throw new HvError("image/bzimage", `the kernel speaks boot protocol ${version(protocol)}; 2.02 or newer is needed`);
  }
  const protectedModeOffset = ((reader.u8(SETUP_SECTS) || 4) + 1) * 512;
  const loadFlags = reader.u8(0x211);
  if ((loadFlags & LOADED_HIGH) === 0) {
    throw new HvError("image/bzimage", "the kernel is a zImage, which loads below 1 MiB; build it as a bzImage");
  }
  const payloadOffset = since(0x208, () => reader.u32(0x248), 0);
  const payloadLength = since(0x208, () => reader.u32(0x24c), 0);
  const imageBytes = reader.u32(0x1f4) * 16;
  // Signed kernels carry more than syssize says, so only less is an error; syssize itself is rounded up to whole paragraphs of 16 bytes.
  const missing = Math.max(imageBytes - 15, payloadOffset + payloadLength) - (reader.length - protectedModeOffset);
  if (reader.length <= protectedModeOffset || missing > 0) {
    const missed = reader.length <= protectedModeOffset ? "its whole protected-mode part" : `${missing} of its bytes`;
    throw new HvError("image/truncated", `the bzImage is truncated: ${missed} are missing`, { hint: "copy or download it again" });
  }
  const versionAt = reader.u16(0x20e);
  return {
    protocol,
    version: versionAt === 0 ? "" : reader.text(versionAt + 0x200, 256).split(" ")[0]!,
    protectedModeOffset,
    loadFlags,
    xLoadFlags: since(0x20c, () => reader.u16(0x236), 0),
    relocatable: since(0x205, () => reader.u8(0x234), 0) !== 0,
    alignment: since(0x205, () => reader.u32(0x230), 0) || 0x100000,
    preferredAddress: since(0x20a, () => reader.n64(0x258), 0x100000),
    initBytes: since(0x20a, () => reader.u32(0x260), 0) || 3 * imageBytes,
    initrdLimit: since(0x203, () => reader.u32(0x22c), 0x37ffffff),
    commandLineLimit: since(0x206, () => reader.u32(0x238), 255),
    payloadOffset,
    payloadLength,
  };
}

function version(protocol: number): string {
  return `${protocol >> 8}.${(protocol & 0xff).toString().padStart(2, "0")}`;
}

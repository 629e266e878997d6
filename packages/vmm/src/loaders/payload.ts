/**
 * The compressed vmlinux inside a bzImage: Documentation/arch/x86/boot, payload_offset and payload_length. The formats themselves are
 * not bundled: whoever composes the machine injects what the kernels at hand need.
 */
import { HvError } from "@paravane/paravirt-ops";

/** Formats that Linux packs its kernel with. */
export type PayloadFormat = "gzip" | "bzip2" | "lzma" | "xz" | "lzo" | "lz4" | "zstd" | "none";

/** Unpacks `packed`, whose result has `bytes` bytes. */
export type Decompressor = (packed: Uint8Array, bytes: number) => Uint8Array | Promise<Uint8Array>;

/** The formats that this composition can unpack. */
export type Decompressors = Partial<Record<Exclude<PayloadFormat, "none">, Decompressor>>;

const MAGIC: readonly (readonly [PayloadFormat, readonly number[]])[] = [
  ["gzip", [0x1f, 0x8b]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["lzma", [0x5d, 0x00, 0x00]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a]],
  ["lzo", [0x89, 0x4c, 0x5a, 0x4f]],
  ["lz4", [0x02, 0x21, 0x4c, 0x18]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["none", [0x7f, 0x45, 0x4c, 0x46]],
];
/** No kernel comes near; the size comes from the file, so it is not believed blindly. */
const MAX_KERNEL_BYTES = 1 << 30;

/** What a payload is packed with, or undefined. */
export function payloadFormat(payload: Uint8Array): PayloadFormat | undefined {
  return MAGIC.find(([, bytes]) => bytes.every((byte, index) => payload[index] === byte))?.[0];
}

/** Unpacks a payload. Its last four bytes are the unpacked size, in every format. */
export async function decompressPayload(payload: Uint8Array, decompressors: Decompressors): Promise<Uint8Array> {
  const format = payloadFormat(payload);
  if (format === undefined || payload.byteLength < 8)
    throw new HvError("image/payload", "the kernel inside the bzImage is packed in an unknown way");
  if (format === "none") return payload;
  const unpack = decompressors[format];
  if (unpack === undefined) {
    throw new HvError(
      "image/no-decompressor",
      `the kernel inside the bzImage is packed with ${format}, and no decompressor for it was given`,
    );
  }
  const bytes = new DataView(payload.buffer, payload.byteOffset).getUint32(payload.byteLength - 4, true);
  if (bytes > MAX_KERNEL_BYTES) throw new HvError("image/payload", "the kernel inside the bzImage claims an impossible size");
  const packed = format === "gzip" ? payload : payload.subarray(0, -4);
  const kernel = await (async () => unpack(packed, bytes))().catch((cause: unknown) => {
    throw new HvError("image/payload", `the kernel inside the bzImage cannot be unpacked (${format})`, { cause });
  });
  if (kernel.byteLength !== bytes)
    throw new HvError("image/payload", `the kernel inside the bzImage unpacks to ${kernel.byteLength} bytes, not ${bytes}`);
  return kernel;
}

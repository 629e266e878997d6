// What the kernels inside bzImages are packed with, for backends that load them from there: each by a library, LZ4's blocks by lz4.ts.
// Formats that few kernels have are loaded when one does.
/// <reference path="./untyped.d.ts" />
import type { Decompressors } from "@paravane/vmm";
import { decompress } from "./decompress.js";
import { unpackLz4 } from "./lz4.js";
import { crc32, undoX86Filter, withoutX86Filter } from "./xz-x86.js";

/** Unpacks xz, behind the x86 filter or not. @throws RangeError when the check says that the result is not what was packed */
export async function unpackXz(packed: Uint8Array): Promise<Uint8Array> {
  const plain = withoutX86Filter(packed);
  if (plain === undefined) return decompress(packed);
  const kernel = await decompress(plain.stream);
  undoX86Filter(kernel);
  if (plain.crc !== undefined && crc32(kernel) !== plain.crc) throw new RangeError("the xz data is damaged: its check does not fit");
  return kernel;
}

/** Properties and dictionary size, then the size of the result, which kernels are packed without. */
const LZMA_HEADER_BYTES = 13;

/** Unpacks what `lzma` packs. @throws RangeError for data that is damaged or of another size */
export async function unpackLzma(packed: Uint8Array, bytes: number): Promise<Uint8Array> {
  const { default: lzma } = await import("js-lzma");
  const whole = new Uint8Array(bytes);
  let to = 0;
  const from = (start: number): { readByte(): number } => {
    let at = start;
    return {
      readByte: () => {
        if (at >= packed.length) throw new RangeError("the lzma data is cut off");
        return packed[at++]!;
      },
    };
  };
  const output = {
    writeByte: (byte: number): void => {
      if (to >= bytes) throw new RangeError("the lzma data unpacks to more than it says");
      whole[to++] = byte;
    },
  };
  const unpacked = lzma.decompress(from(0), from(LZMA_HEADER_BYTES), output, bytes);
  if (!unpacked || to !== bytes) throw new RangeError(`the lzma data unpacks to ${to} bytes, not ${bytes}`);
  return whole;
}

/** Formats of Debian's and other distributions' kernels. */
export const payloadDecompressors: Decompressors = {
  gzip: decompress,
  bzip2: async (packed) => (await import("bz2")).default.decompress(packed, true),
  lzma: unpackLzma,
  xz: unpackXz,
  zstd: decompress,
  lz4: unpackLz4,
};

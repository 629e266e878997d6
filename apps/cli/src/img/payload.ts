// What the kernels inside bzImages are packed with, for backends that load them from there.
import type { Decompressors } from "@paravane/vmm";
import { decompress } from "./decompress.js";
import { unpackLz4 } from "./lz4.js";

/** Formats of Debian's and other distributions' kernels. */
export const payloadDecompressors: Decompressors = { gzip: decompress, xz: decompress, zstd: decompress, lz4: unpackLz4 };

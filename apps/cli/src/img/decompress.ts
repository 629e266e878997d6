// Whole-buffer and streaming decompression by content: gzip, xz, zstd. Node 20 has no zstd of its own.
import { createGunzip } from "node:zlib";
import { Readable } from "node:stream";
import { Decompress as ZstdDecompress } from "fzstd";
import xz from "xz-decompress"; // a CommonJS package: its names arrive on the default export
import { imageError } from "../errors.js";

/** The compression formats told apart by their first bytes. */
export type Compression = "gzip" | "xz" | "zstd" | "none";

const startsWith = (bytes: Uint8Array, magic: readonly number[]): boolean => magic.every((byte, i) => bytes[i] === byte);

/** Finds the compression of some bytes by their magic number. */
export function compressionOf(bytes: Uint8Array): Compression {
  if (startsWith(bytes, [0x1f, 0x8b])) return "gzip";
  if (startsWith(bytes, [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00])) return "xz";
  if (startsWith(bytes, [0x28, 0xb5, 0x2f, 0xfd])) return "zstd";
  return "none";
}

const STEP_BYTES = 1 << 18;

function* slices(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += STEP_BYTES) yield bytes.subarray(at, at + STEP_BYTES);
}

async function* unzstd(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  const ready: Uint8Array[] = [];
  const stream = new ZstdDecompress((chunk) => ready.push(chunk));
  let left = bytes.length;
  for (const slice of slices(bytes)) {
    left -= slice.length;
    stream.push(slice, left === 0);
    yield* ready.splice(0);
  }
}

async function* unxz(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  const source = slices(bytes);
  const input = new ReadableStream<Uint8Array>({
    pull(controller) {
      const next = source.next();
      if (next.done) controller.close();
      else controller.enqueue(next.value);
    },
  });
  const reader = new xz.XzReadableStream(input).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

/** Decompresses piece by piece, so that a large archive never has to fit in memory; uncompressed bytes pass through. */
export async function* decompressed(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  const kind = compressionOf(bytes);
  try {
    if (kind === "none") yield bytes;
    else if (kind === "gzip") yield* Readable.from(slices(bytes)).pipe(createGunzip());
    else if (kind === "xz") yield* unxz(bytes);
    else yield* unzstd(bytes);
  } catch (error) {
    throw imageError(`the ${kind} data is damaged: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** Decompresses into one array. */
export async function decompress(bytes: Uint8Array): Promise<Uint8Array> {
  if (compressionOf(bytes) === "none") return bytes;
  const chunks: Uint8Array[] = [];
  // Some decoders reuse their output buffer between pieces, so each piece is copied.
  for await (const chunk of decompressed(bytes)) chunks.push(chunk.slice());
  const whole = new Uint8Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

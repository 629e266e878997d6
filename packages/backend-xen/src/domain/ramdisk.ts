/** The ramdisk as the domain gets it: a gzip archive is unpacked by the builder, as Xen's toolstack does, and anything else stays as it is. */

const GZIP_MAGIC = [0x1f, 0x8b] as const;

/**
 * Unpacks a gzip'ed ramdisk. One that does not unpack, or to more than `limit` bytes, is handed over as it is: the kernel knows more formats.
 */
export async function unpackRamdisk(file: Uint8Array, limit: number): Promise<Uint8Array> {
  if (!GZIP_MAGIC.every((byte, index) => file[index] === byte)) return file;
  try {
    return await gunzip(file, limit);
  } catch {
    return file;
  }
}

async function gunzip(file: Uint8Array, limit: number): Promise<Uint8Array> {
  const source = new Blob([file as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream("gzip"));
  const reader = source.getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.byteLength;
    if (length > limit) {
      await reader.cancel();
      throw new RangeError("the ramdisk is larger than the domain");
    }
    chunks.push(value);
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}

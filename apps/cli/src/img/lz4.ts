// LZ4 in the frame that Linux packs kernels with (the "legacy" one): a magic number, then blocks of a length and packed bytes, each of at
// most 8 MiB unpacked. https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
const MAGIC = 0x184c2102;
const MIN_MATCH = 4;
/** A length of this in a token goes on in the bytes that follow. */
const MORE = 15;

/** Unpacks into `bytes` bytes. @throws RangeError for data that is damaged or of another size */
export function unpackLz4(packed: Uint8Array, bytes: number): Uint8Array {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  if (packed.byteLength < 4 || view.getUint32(0, true) !== MAGIC) throw new RangeError("this is no LZ4 data as kernels have it");
  const whole = new Uint8Array(bytes);
  let to = 0;
  for (let at = 4; at + 4 <= packed.byteLength; ) {
    const length = view.getUint32(at, true);
    at += 4;
    if (length === MAGIC) continue;
    if (length > packed.byteLength - at) throw new RangeError("the LZ4 data is cut off");
    to = unpackBlock(packed.subarray(at, at + length), whole, to);
    at += length;
  }
  if (to !== bytes) throw new RangeError(`the LZ4 data unpacks to ${to} bytes, not ${bytes}`);
  return whole;
}

/** Unpacks one block behind what is there; returns where it ends. */
function unpackBlock(block: Uint8Array, whole: Uint8Array, start: number): number {
  let at = 0;
  let to = start;
  const extended = (first: number): number => {
    let length = first;
    if (first !== MORE) return length;
    for (;;) {
      const next = block[at++];
      if (next === undefined) throw new RangeError("the LZ4 data is cut off");
      length += next;
      if (next !== 255) return length;
    }
  };
  while (at < block.byteLength) {
    const token = block[at++]!;
    const literals = extended(token >>> 4);
    if (at + literals > block.byteLength || to + literals > whole.byteLength) throw new RangeError("the LZ4 data is damaged");
    whole.set(block.subarray(at, at + literals), to);
    at += literals;
    to += literals;
    // The last sequence of a block has no match.
    if (at === block.byteLength) break;
    const offset = block[at]! | (block[at + 1]! << 8);
    at += 2;
    const match = extended(token & MORE) + MIN_MATCH;
    if (offset === 0 || offset > to || to + match > whole.byteLength) throw new RangeError("the LZ4 data is damaged");
    if (offset >= match) whole.copyWithin(to, to - offset, to - offset + match);
    else for (let index = 0; index < match; index++) whole[to + index] = whole[to + index - offset]!;
    to += match;
  }
  return to;
}

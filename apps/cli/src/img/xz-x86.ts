// Kernels are packed with xz behind the x86 branch filter, which the library at hand does not know (docs/decisions/2026-11-unpacking-kernels.md).
// The stream is written anew without the filter and without its check, the library unpacks that, and filter and check are done here.
// https://tukaani.org/xz/xz-file-format.txt; the filter: §5.3.2 there. Left out: streams of several blocks, checks other than CRC32.
const HEADER_BYTES = 12;
const FOOTER_BYTES = 12;
const FILTER_X86 = 4;
const FILTERS = 0x03;
const COMPRESSED_SIZE = 0x40;
const UNCOMPRESSED_SIZE = 0x80;
/** Bytes of a check, by its number; others are not used. */
const CHECK_BYTES = new Map([
  [0, 0],
  [1, 4],
  [4, 8],
  [10, 32],
]);
const CHECK_CRC32 = 1;

/** A stream that the library can unpack, and what is left to do with the result. */
export interface PlainXz {
  readonly stream: Uint8Array;
  /** CRC32 of the kernel, when the stream had one. */
  readonly crc: number | undefined;
}

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = (value & 1) === 0 ? value >>> 1 : (value >>> 1) ^ 0xedb88320;
  return value;
});

/** CRC32 as xz, zip and PNG have it. */
export function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (let at = 0; at < bytes.length; at++) crc = TABLE[(crc ^ bytes[at]!) & 0xff]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** Bytes that are read one after the other, or written. */
class Numbers {
  at = 0;
  constructor(readonly bytes: Uint8Array) {}

  /** Seven bits a byte, the lowest first. */
  read(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = this.bytes[this.at++] ?? 0;
      value += (byte & 127) * factor;
      if (byte < 128 || factor > 2 ** 42) return value;
    }
  }

  write(value: number): void {
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) this.bytes[this.at++] = (rest % 128) | 128;
    this.bytes[this.at++] = rest;
  }
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const align4 = (length: number): number => Math.ceil(length / 4) * 4;

/** Puts the CRC32 of what lies before `at` there. */
function seal(bytes: Uint8Array, from: number, at: number): void {
  viewOf(bytes).setUint32(at, crc32(bytes.subarray(from, at)), true);
}

/** The block's header without its first filter, or undefined when that is not the x86 filter with nothing set, before exactly one other. */
function headerWithoutFilter(header: Uint8Array): Uint8Array | undefined {
  const flags = header[1]!;
  if ((flags & FILTERS) !== 1) return undefined;
  const numbers = new Numbers(header);
  numbers.at = 2;
  if ((flags & COMPRESSED_SIZE) !== 0) numbers.read();
  if ((flags & UNCOMPRESSED_SIZE) !== 0) numbers.read();
  const { at } = numbers;
  if (header[at] !== FILTER_X86 || header[at + 1] !== 0) return undefined;
  const plain = new Uint8Array(header.length);
  plain.set(header.subarray(0, at));
  plain.set(header.subarray(at + 2, header.length - 4), at);
  plain[1] = flags & ~FILTERS;
  seal(plain, 0, plain.length - 4);
  return plain;
}

/** The same data as a stream without the x86 filter; undefined for a stream that has no such filter or is not understood. */
export function withoutX86Filter(xz: Uint8Array): PlainXz | undefined {
  if (xz.length < HEADER_BYTES + FOOTER_BYTES + 16) return undefined;
  const view = viewOf(xz);
  const check = xz[7]! & 15;
  const checkBytes = CHECK_BYTES.get(check);
  const header = headerWithoutFilter(xz.subarray(HEADER_BYTES, HEADER_BYTES + (xz[HEADER_BYTES]! + 1) * 4));
  const indexAt = xz.length - FOOTER_BYTES - (view.getUint32(xz.length - 8, true) + 1) * 4;
  if (checkBytes === undefined || header === undefined || indexAt <= HEADER_BYTES + header.length || xz[indexAt] !== 0) return undefined;
  const index = new Numbers(xz);
  index.at = indexAt + 1;
  if (index.read() !== 1) return undefined;
  const blockBytes = index.read() - checkBytes;
  const kernelBytes = index.read();
  if (HEADER_BYTES + align4(blockBytes) + checkBytes !== indexAt) return undefined;
  const stream = rewritten(xz, header, blockBytes, kernelBytes);
  return { stream, crc: check === CHECK_CRC32 ? view.getUint32(HEADER_BYTES + align4(blockBytes), true) : undefined };
}

/** Stream header, block, index and footer, all without a check. */
function rewritten(xz: Uint8Array, header: Uint8Array, blockBytes: number, kernelBytes: number): Uint8Array {
  const index = new Numbers(new Uint8Array(32));
  index.at = 1;
  index.write(1);
  index.write(blockBytes);
  index.write(kernelBytes);
  const indexBytes = align4(index.at) + 4;
  seal(index.bytes, 0, indexBytes - 4);
  const indexAt = HEADER_BYTES + align4(blockBytes);
  const stream = new Uint8Array(indexAt + indexBytes + FOOTER_BYTES);
  stream.set(xz.subarray(0, 6));
  seal(stream, 6, 8);
  stream.set(header, HEADER_BYTES);
  stream.set(xz.subarray(HEADER_BYTES + header.length, HEADER_BYTES + blockBytes), HEADER_BYTES + header.length);
  stream.set(index.bytes.subarray(0, indexBytes), indexAt);
  const footer = viewOf(stream.subarray(indexAt + indexBytes));
  footer.setUint32(4, indexBytes / 4 - 1, true);
  footer.setUint16(10, 0x5a59, true);
  footer.setUint32(0, crc32(stream.subarray(stream.length - 8, stream.length - 2)), true);
  return stream;
}

/** By which of the last three bytes began a CALL or JMP that was not one: is another allowed here, and which byte of its operand decides. */
const ALLOWED = [true, true, true, false, true, false, false, false];
const DECIDES = [0, 1, 2, 2, 3, 3, 3, 3];
const isSign = (byte: number): boolean => byte === 0 || byte === 0xff;

/** Makes the absolute targets of CALL and JMP relative again, in place. */
export function undoX86Filter(code: Uint8Array): void {
  const view = viewOf(code);
  let last = -1;
  let mask = 0;
  for (let at = 0; at < code.length - 4; at++) {
    if ((code[at]! & 0xfe) !== 0xe8) continue;
    const passed = at - last;
    mask = passed > 3 ? 0 : (mask << (passed - 1)) & 7;
    last = at;
    const blocked = mask !== 0 && (!ALLOWED[mask]! || isSign(code[at + 4 - DECIDES[mask]!]!));
    if (blocked || !isSign(code[at + 4]!)) {
      mask = (mask << 1) | 1;
      continue;
    }
    view.setInt32(at + 1, relative(view.getInt32(at + 1, true), at + 5, mask), true);
    at += 4;
  }
}

/** The relative target of an absolute one; bytes that the packer could have taken for its own work are turned once more. */
function relative(absolute: number, next: number, mask: number): number {
  let source = absolute;
  let target: number;
  for (;;) {
    target = (source - next) | 0;
    if (mask === 0) break;
    const bits = DECIDES[mask]! * 8;
    if (!isSign((target >>> (24 - bits)) & 0xff)) break;
    source = target ^ ((1 << (32 - bits)) - 1);
  }
  return (target << 7) >> 7;
}

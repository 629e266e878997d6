// The symbol table that a Linux kernel carries for its own oopses, found in guest memory: kernel/kallsyms.c and scripts/kallsyms.c.
// So a stock kernel is profiled with names although its package has none, wherever it has moved itself to.
//
// Names are sequences of tokens, 256 of them, whose texts follow one another ("token table") with an index of u16 offsets behind. Every
// kernel has names with digits, and single characters stand for themselves at their own index: the ten digits mark the table.
// Before it lie the markers (offset of every 256th name) and the names; addresses are 32-bit offsets from a base. Known are the two orders
// of these tables: up to 6.3 (offsets, base, count, names, markers, tokens) and from 6.4 (count, names, markers, tokens, offsets, base);
// the sequence numbers that newer kernels have between or behind are left alone.
import type { NamedAddress } from "./symbols.js";

const TOKENS = 256;
const NAMES_A_MARKER = 256;
const DIGITS = Uint8Array.from([..."0123456789"].flatMap((digit) => [digit.charCodeAt(0), 0]));
const FIRST_DIGIT = "0".charCodeAt(0);
const MAX_TOKEN_BYTES = 64;
const MAX_NAME = 512;
/** A guest may have written tables to keep us busy. */
const MAX_TABLES = 8;
/** Names and markers of a large kernel take 3 MB. */
const MAX_TABLE_BYTES = 1 << 24;
/** What a name takes on average over 256 of them. */
const LEAST_NAME_BYTES = 3;
const MOST_NAME_BYTES = 64;
/** So many values in a row are no accident. */
const SURE_MARKERS = 8;

interface Tokens {
  readonly texts: readonly string[];
  readonly start: number;
  /** Behind the index. */
  readonly end: number;
}

interface Names {
  readonly start: number;
  readonly count: number;
  /** Where the count is. */
  readonly countAt: number;
}

/** The code symbols of the kernel in `memory`; undefined when there is none, or one whose tables are laid out in an unknown way. */
export function findKallsyms(memory: Uint8Array): NamedAddress[] | undefined {
  const view = new DataView(memory.buffer, memory.byteOffset, memory.byteLength);
  const bytes = Buffer.from(memory.buffer, memory.byteOffset, memory.byteLength);
  let tables = 0;
  for (let at = bytes.indexOf(DIGITS); at >= 0 && tables < MAX_TABLES; at = bytes.indexOf(DIGITS, at + 1)) {
    const tokens = tokensAround(view, at);
    if (tokens === undefined) continue;
    tables++;
    const names = namesBefore(view, tokens);
    const symbols = names && (addressed(view, tokens, names, 8) ?? addressed(view, tokens, names, 4));
    if (symbols) return symbols;
  }
  return undefined;
}

/** The token table whose tenth part begins at `digits`, if its index agrees. */
function tokensAround(view: DataView, digits: number): Tokens | undefined {
  let start = digits;
  for (let token = 0; token < FIRST_DIGIT; token++) {
    let length = 1;
    while (length < MAX_TOKEN_BYTES && start - 1 - length >= 0 && view.getUint8(start - 1 - length) !== 0) length++;
    start -= length;
    // The first token begins at the alignment of the table, which may have no zero before it.
    if (token === FIRST_DIGIT - 1) while (start % 4 !== 0 && start < digits) start++;
  }
  for (const first of [start, start - 4, start + 4]) {
    const texts: string[] = [];
    const offsets: number[] = [];
    let at = first;
    while (texts.length < TOKENS && at >= 0 && at + MAX_TOKEN_BYTES < view.byteLength) {
      let length = 0;
      while (length < MAX_TOKEN_BYTES && view.getUint8(at + length) !== 0) length++;
      texts.push(textAt(view, at, length));
      offsets.push(at - first);
      at += length + 1;
    }
    for (const alignment of [8, 4, 2]) {
      const index = Math.ceil(at / alignment) * alignment;
      if (index + 2 * TOKENS > view.byteLength) continue;
      if (offsets.length === TOKENS && offsets.every((offset, token) => view.getUint16(index + 2 * token, true) === offset))
        return { texts, start: first, end: index + 2 * TOKENS };
    }
  }
  return undefined;
}

const textAt = (view: DataView, at: number, length: number): string =>
  String.fromCharCode(...new Uint8Array(view.buffer, view.byteOffset + at, length));

/** The names: found by their markers, which begin with zero and rise by the length of 256 names, and by the count of them in front. */
function namesBefore(view: DataView, { start }: Tokens): Names | undefined {
  const lowest = Math.max(8, start - MAX_TABLE_BYTES);
  const markers = markersBefore(view, start, lowest);
  if (markers === undefined) return undefined;
  const second = view.getUint32(markers.start + 4, true);
  for (let begin = (markers.start - second) & ~3; begin > lowest; begin -= 4) {
    for (const countAt of [begin - 8, begin - 4]) {
      const count = view.getUint32(countAt, true);
      // What follows the markers may look like one or two more.
      const needed = Math.ceil(count / NAMES_A_MARKER);
      if (needed > markers.count || needed < markers.count - 2) continue;
      let at = begin;
      for (let name = 0; name < NAMES_A_MARKER && at < markers.start; name++) at += nameLength(view, at).whole;
      if (at - begin === second) return { start: begin, count, countAt };
    }
  }
  return undefined;
}

function markersBefore(view: DataView, end: number, lowest: number): { start: number; count: number } | undefined {
  const rises = (at: number): boolean => {
    const by = view.getUint32(at + 4, true) - view.getUint32(at, true);
    return by >= NAMES_A_MARKER * LEAST_NAME_BYTES && by <= NAMES_A_MARKER * MOST_NAME_BYTES;
  };
  for (let start = (end & ~3) - 4 * SURE_MARKERS; start > lowest; start -= 4) {
    if (view.getUint32(start, true) !== 0 || !rises(start)) continue;
    let count = 1;
    while (start + 4 * count < end && rises(start + 4 * (count - 1))) count++;
    if (count >= SURE_MARKERS) return { start, count };
  }
  return undefined;
}

/** Length of a name's tokens, and with its length byte or, since 6.1, bytes. */
function nameLength(view: DataView, at: number): { head: number; tokens: number; whole: number } {
  const low = view.getUint8(at);
  if ((low & 0x80) === 0) return { head: 1, tokens: low, whole: 1 + low };
  const tokens = (low & 0x7f) | (view.getUint8(at + 1) << 7);
  return { head: 2, tokens, whole: 2 + tokens };
}

/** Names with addresses, for pointers of so many bytes; undefined when they do not make a kernel. */
function addressed(view: DataView, tokens: Tokens, names: Names, pointer: 4 | 8): NamedAddress[] | undefined {
  const align = (at: number): number => Math.ceil(at / pointer) * pointer;
  const bytes = names.count * 4;
  const before = { base: names.countAt - pointer, offsets: names.countAt - pointer - align(bytes) };
  const behind = { offsets: align(tokens.end), base: align(align(tokens.end) + bytes) };
  for (const { base, offsets } of [before, behind]) {
    if (offsets < 0 || base + pointer > view.byteLength || offsets + bytes > view.byteLength) continue;
    const origin = pointer === 8 ? view.getBigUint64(base, true) : BigInt(view.getUint32(base, true));
    if (pointer === 8 ? origin < 0xffffffff80000000n : origin < 0x40000000n) continue;
    const symbols = decode(view, tokens, names, offsets, origin, pointer);
    if (symbols.some(({ name }) => name === "_stext" || name === "_text" || name === "startup_64")) return symbols;
  }
  return undefined;
}

function decode(view: DataView, { texts }: Tokens, names: Names, offsets: number, origin: bigint, pointer: 4 | 8): NamedAddress[] {
  // 64-bit SMP kernels keep per-CPU symbols as positive values and everything else as -1 - offset.
  let negative = 0;
  for (let index = 0; index < names.count; index++) if (view.getInt32(offsets + 4 * index, true) < 0) negative++;
  const inverted = pointer === 8 && negative > names.count / 2;
  const symbols: NamedAddress[] = [];
  let at = names.start;
  for (let index = 0; index < names.count; index++) {
    const { head, tokens, whole } = nameLength(view, at);
    if (at + whole > view.byteLength) break;
    let text = "";
    for (let token = 0; token < tokens && text.length < MAX_NAME; token++) text += texts[view.getUint8(at + head + token)]!;
    at += whole;
    if (!/^[tTwW]/.test(text)) continue;
    const offset = view.getInt32(offsets + 4 * index, true);
    if (inverted && offset >= 0) continue;
    const address = inverted ? origin - 1n - BigInt(offset) : origin + BigInt(offset >>> 0);
    symbols.push({ name: text.slice(1), address, size: 0 });
  }
  return symbols;
}

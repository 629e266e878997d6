// Reading tar archives at random: POSIX.1-1988 ustar, GNU long names (types L and K), pax path and linkpath (type x). Sparse files are not read.
import { imageError } from "../errors.js";

/** What a tar entry is; everything that is not one of these is "other". */
export type TarType = "file" | "directory" | "symlink" | "hardlink" | "other";

/** One entry of a tar archive: its name without a leading "./" and where its bytes lie. */
export interface TarEntry {
  readonly name: string;
  readonly type: TarType;
  readonly mode: number;
  readonly size: number;
  readonly linkName: string;
  readonly offset: number;
}

/** Reads `length` bytes at `offset`; fewer at the end of the archive. */
export type ReadAt = (offset: number, length: number) => Uint8Array;

const BLOCK = 512;
const TYPES: Record<string, TarType> = { "0": "file", "\0": "file", "1": "hardlink", "2": "symlink", "5": "directory" };
const text = new TextDecoder();

function field(block: Uint8Array, start: number, length: number): string {
  const bytes = block.subarray(start, start + length);
  const end = bytes.indexOf(0);
  return text.decode(end < 0 ? bytes : bytes.subarray(0, end));
}

function number(block: Uint8Array, start: number, length: number): number {
  if ((block[start]! & 0x80) !== 0) {
    let value = block[start]! & 0x7f;
    for (let i = 1; i < length; i++) value = value * 256 + block[start + i]!;
    return value;
  }
  return Number.parseInt(field(block, start, length).trim() || "0", 8);
}

function checksumHolds(block: Uint8Array): boolean {
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += i >= 148 && i < 156 ? 0x20 : block[i]!;
  return sum === number(block, 148, 8);
}

/** The records of a pax extended header: "LENGTH KEY=VALUE\n" each. */
function paxRecords(bytes: Uint8Array): Map<string, string> {
  const records = new Map<string, string>();
  for (let at = 0; at < bytes.length; ) {
    const space = bytes.indexOf(0x20, at);
    const length = Number.parseInt(text.decode(bytes.subarray(at, space < 0 ? at : space)), 10);
    if (!(length > 0)) break;
    const [key = "", ...value] = text.decode(bytes.subarray(space + 1, at + length - 1)).split("=");
    records.set(key, value.join("="));
    at += length;
  }
  return records;
}

const plain = (name: string): string => name.replace(/^(\.?\/)+/, "").replace(/\/$/, "");

/** Lists the entries of a tar archive without reading their contents. */
export function listTar(readAt: ReadAt): TarEntry[] {
  const entries: TarEntry[] = [];
  let longName: string | undefined;
  let longLink: string | undefined;
  for (let at = 0; ; ) {
    const block = readAt(at, BLOCK);
    if (block.length < BLOCK || block.every((byte) => byte === 0)) return entries;
    if (!checksumHolds(block)) throw imageError(`the tar archive is damaged at byte ${at}`);
    const size = number(block, 124, 12);
    const offset = at + BLOCK;
    at = offset + Math.ceil(size / BLOCK) * BLOCK;
    const kind = String.fromCharCode(block[156]!);
    if (kind === "L") longName = field(readAt(offset, size), 0, size);
    else if (kind === "K") longLink = field(readAt(offset, size), 0, size);
    else if (kind === "x") {
      const pax = paxRecords(readAt(offset, size));
      longName = pax.get("path") ?? longName;
      longLink = pax.get("linkpath") ?? longLink;
    } else if (kind !== "g") {
      const prefix = field(block, 257, 6).startsWith("ustar") && !field(block, 257, 8).startsWith("ustar  ") ? field(block, 345, 155) : "";
      const short = field(block, 0, 100);
      entries.push({
        name: plain(longName ?? (prefix ? `${prefix}/${short}` : short)),
        type: TYPES[kind] ?? "other",
        mode: number(block, 100, 8) & 0o7777,
        size,
        linkName: longLink ?? field(block, 157, 100),
        offset,
      });
      longName = undefined;
      longLink = undefined;
    }
  }
}

// The common ar archive format, as .deb files use it: deb(5), ar(5). Extended file names are not used by .deb and are not read.
import { imageError } from "../errors.js";

/** One member of an ar archive; `data` is a view, not a copy. */
export interface ArMember {
  readonly name: string;
  readonly data: Uint8Array;
}

const MAGIC = "!<arch>\n";
const HEADER_BYTES = 60;

const ascii = (bytes: Uint8Array, start: number, length: number): string =>
  String.fromCharCode(...bytes.subarray(start, start + length)).trimEnd();

/** True when the bytes begin like an ar archive. */
export const isAr = (bytes: Uint8Array): boolean => bytes.length >= 8 && ascii(bytes, 0, 8) === MAGIC.trimEnd();

/** The members of an ar archive, in order. */
export function readAr(bytes: Uint8Array): ArMember[] {
  if (!isAr(bytes)) throw imageError("not an ar archive");
  const members: ArMember[] = [];
  for (let at = MAGIC.length; at + HEADER_BYTES <= bytes.length; ) {
    const size = Number.parseInt(ascii(bytes, at + 48, 10), 10);
    const start = at + HEADER_BYTES;
    if (ascii(bytes, at + 58, 2) !== "`" || !Number.isInteger(size) || size < 0 || start + size > bytes.length) {
      throw imageError(`the ar archive is damaged or cut short at byte ${at}`);
    }
    members.push({ name: ascii(bytes, at, 16).replace(/\/$/, ""), data: bytes.subarray(start, start + size) });
    at = start + size + (size & 1);
  }
  return members;
}

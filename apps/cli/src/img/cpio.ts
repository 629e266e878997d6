// Writing and listing cpio archives in the "newc" format that the kernel unpacks: Documentation/driver-api/early-userspace/buffer-format.rst.

/** One entry of an initramfs; names have no leading slash. */
export interface CpioEntry {
  readonly name: string;
  readonly kind: "file" | "directory" | "symlink" | "character";
  /** Permission bits. */
  readonly mode?: number;
  /** A file's bytes, or where a symbolic link points. */
  readonly data?: Uint8Array | string;
  /** Major and minor number of a character device. */
  readonly device?: readonly [major: number, minor: number];
}

const KIND_BITS = { file: 0o100000, directory: 0o040000, symlink: 0o120000, character: 0o020000 } as const;
const DEFAULT_MODE = { file: 0o644, directory: 0o755, symlink: 0o777, character: 0o600 } as const;
const encoder = new TextEncoder();

const hex = (value: number): string => value.toString(16).padStart(8, "0").toUpperCase();
const padded = (length: number): number => (length + 3) & ~3;

/** Writes the archive. All times are zero and all owners root, so that equal entries give equal bytes. */
export function writeCpio(entries: readonly CpioEntry[]): Uint8Array {
  const parts: Uint8Array[] = [];
  const put = (bytes: Uint8Array): void => {
    const whole = new Uint8Array(padded(bytes.length));
    whole.set(bytes);
    parts.push(whole);
  };
  const entry = (ino: number, mode: number, name: string, data: Uint8Array, device: readonly [number, number] = [0, 0]): void => {
    const nameBytes = encoder.encode(`${name}\0`);
    // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
    const fields = [ino, mode, 0, 0, 1, 0, data.length, 0, 0, ...device, nameBytes.length, 0];
    const header = encoder.encode(`070701${fields.map(hex).join("")}`);
    const head = new Uint8Array(header.length + nameBytes.length);
    head.set(header);
    head.set(nameBytes, header.length);
    put(head);
    put(data);
  };
  entries.forEach(({ name, kind, mode = DEFAULT_MODE[kind], data = "", device }, index) => {
    entry(index + 1, KIND_BITS[kind] | mode, name, typeof data === "string" ? encoder.encode(data) : data, device);
  });
  entry(0, 0, "TRAILER!!!", new Uint8Array(0));
  const whole = new Uint8Array(Math.ceil(parts.reduce((sum, part) => sum + part.length, 0) / 512) * 512);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/** True when the bytes begin like a newc archive. */
export const isCpio = (bytes: Uint8Array): boolean => String.fromCharCode(...bytes.subarray(0, 6)) === "070701";

function* entriesOf(bytes: Uint8Array): Generator<{ name: string; mode: number; data: Uint8Array }> {
  const text = new TextDecoder();
  for (let at = 0; at + 110 <= bytes.length && isCpio(bytes.subarray(at)); ) {
    const field = (n: number): number => Number.parseInt(text.decode(bytes.subarray(at + 6 + 8 * n, at + 14 + 8 * n)), 16);
    const size = field(6);
    const nameSize = field(11);
    const name = text.decode(bytes.subarray(at + 110, at + 110 + nameSize - 1));
    if (name === "TRAILER!!!") break;
    const begin = at + padded(110 + nameSize);
    yield { name, mode: field(1), data: bytes.subarray(begin, begin + size) };
    at = begin + padded(size);
  }
}

/** The names, modes and sizes in a newc archive, up to its trailer. */
export function listCpio(bytes: Uint8Array): { name: string; mode: number; size: number }[] {
  return [...entriesOf(bytes)].map(({ name, mode, data }) => ({ name, mode, size: data.length }));
}

/** The bytes of one file in a newc archive; undefined when it has none of that name. */
export function readCpioFile(bytes: Uint8Array, name: string): Uint8Array | undefined {
  for (const entry of entriesOf(bytes)) if (entry.name === name) return entry.data;
  return undefined;
}

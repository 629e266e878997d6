// Reading Debian packages: deb(5). The data archive is unpacked once into a temporary file, so that packages of any size can be read at random.
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileError, imageError } from "../errors.js";
import { isAr, readAr } from "./ar.js";
import { decompressed } from "./decompress.js";
import { listTar, type TarEntry } from "./tar.js";

/** An opened package: its files by name, without a leading slash. `close()` removes the temporary file. */
export interface Deb {
  readonly entries: ReadonlyMap<string, TarEntry>;
  /** The bytes of a file; links inside the package are followed. */
  read(name: string): Uint8Array;
  close(): void;
}

/** True when the bytes begin like a Debian package. */
export const isDeb = (bytes: Uint8Array): boolean => isAr(bytes) && String.fromCharCode(...bytes.subarray(8, 8 + 13)) === "debian-binary";

/** Opens a Debian package. */
export async function openDeb(path: string): Promise<Deb> {
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw fileError(path, error);
  }
  if (!isDeb(bytes)) throw imageError(`${path} is not a Debian package`);
  const data = readAr(bytes).find((member) => member.name.startsWith("data.tar"));
  if (!data) throw imageError(`${path} has no data archive`);

  const dir = mkdtempSync(join(tmpdir(), "paravane-deb-"));
  const fd = openSync(join(dir, "data.tar"), "w+");
  const close = () => {
    closeSync(fd);
    rmSync(dir, { recursive: true, force: true });
  };
  try {
    for await (const chunk of decompressed(data.data)) writeSync(fd, chunk);
    const readAt = (offset: number, length: number): Uint8Array => {
      const buffer = new Uint8Array(length);
      return buffer.subarray(0, readSync(fd, buffer, 0, length, offset));
    };
    const entries = new Map(listTar(readAt).map((entry) => [entry.name, entry]));
    const read = (name: string, depth = 0): Uint8Array => {
      const entry = entries.get(name);
      if (!entry || depth > 8) throw imageError(`${path} has no ${name}`);
      if (entry.type === "hardlink") return read(entry.linkName.replace(/^\.\//, ""), depth + 1);
      if (entry.type === "symlink") return read(resolveLink(name, entry.linkName), depth + 1);
      return readAt(entry.offset, entry.size);
    };
    return { entries, read, close };
  } catch (error) {
    close();
    throw error;
  }
}

function resolveLink(from: string, target: string): string {
  const parts = target.startsWith("/") ? [] : from.split("/").slice(0, -1);
  for (const part of target.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}

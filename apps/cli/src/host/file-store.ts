// A raw disk image in a file as the contract's BlockStore. Requests go to the operating system in parallel; nothing is cached here.
import { type FileHandle, open } from "node:fs/promises";
import { type BlockStore, HvError } from "@paravane/paravirt-ops";
import { fileError, imageError } from "../errors.js";

const SECTOR_BYTES = 512;

/** Opens a raw disk image. A file that is too short for one sector, or not whole sectors, is refused. */
export async function openFileStore(path: string, readOnly: boolean): Promise<BlockStore> {
  let file: FileHandle;
  let size: number;
  try {
    file = await open(path, readOnly ? "r" : "r+");
  } catch (error) {
    throw fileError(path, error);
  }
  try {
    const stat = await file.stat();
    if (!stat.isFile() && !stat.isBlockDevice()) throw imageError(`cannot use ${path} as a disk: it is not a regular file`);
    size = stat.size;
    if (size === 0) throw imageError(`cannot use ${path} as a disk: it is empty`);
    if (size % SECTOR_BYTES !== 0)
      throw imageError(`cannot use ${path} as a disk: its ${size} bytes are not whole ${SECTOR_BYTES}-byte sectors`);
    const head = new Uint8Array(4);
    await file.read(head, 0, 4, 0);
    if (String.fromCharCode(...head) === "QFI\xfb")
      throw imageError(`${path} is a qcow2 image, which cannot be read yet; convert it to raw`);
  } catch (error) {
    await file.close();
    throw error;
  }
  return new FileStore(path, file, size, readOnly);
}

class FileStore implements BlockStore {
  readonly sectorSize = SECTOR_BYTES;

  constructor(
    private readonly path: string,
    private readonly file: FileHandle,
    readonly size: number,
    readonly readOnly: boolean,
  ) {}

  async read(offset: number, into: Uint8Array): Promise<void> {
    await this.#whole("read", into.length, (done) =>
      this.file.read(into, done, into.length - done, offset + done).then((r) => r.bytesRead),
    );
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    await this.#whole("write", bytes.length, (done) =>
      this.file.write(bytes, done, bytes.length - done, offset + done).then((r) => r.bytesWritten),
    );
  }

  async flush(): Promise<void> {
    if (this.readOnly) return;
    await this.file.datasync().catch((cause) => this.#fail("flush", cause));
  }

  async close(): Promise<void> {
    await this.file.close();
  }

  /** Repeats a partial transfer until all of it is done. */
  async #whole(verb: string, length: number, step: (done: number) => Promise<number>): Promise<void> {
    for (let done = 0; done < length; ) {
      const moved = await step(done).catch((cause) => this.#fail(verb, cause));
      if (moved === 0) this.#fail(verb, new Error("the file ended early"));
      done += moved;
    }
  }

  #fail(verb: string, cause: unknown): never {
    throw new HvError("block/io", `${this.path}: ${verb} failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}

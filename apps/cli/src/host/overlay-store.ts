// Copy-on-write in memory: the store beneath is never written. Memory grows with the blocks the guest wrote, at most to the disk's size.
import type { BlockStore } from "@paravane/paravirt-ops";

const BLOCK_BYTES = 1 << 16;

/** A writable view of a store whose changes are forgotten when it is closed. */
export class OverlayStore implements BlockStore {
  readonly readOnly = false;
  readonly #blocks = new Map<number, Promise<Uint8Array>>();

  constructor(private readonly under: BlockStore) {}

  get size(): number {
    return this.under.size;
  }

  get sectorSize(): number {
    return this.under.sectorSize;
  }

  /** Bytes of host memory that the changes take. */
  get changedBytes(): number {
    return this.#blocks.size * BLOCK_BYTES;
  }

  async read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void> {
    await this.#each(offset, into, async (block, start, part) => {
      const changed = await this.#blocks.get(block);
      if (changed) part.set(changed.subarray(start, start + part.length));
      else await this.under.read(block * BLOCK_BYTES + start, part, signal);
    });
  }

  async write(offset: number, bytes: Uint8Array, signal?: AbortSignal): Promise<void> {
    await this.#each(offset, bytes, async (block, start, part) => {
      (await this.#writable(block, signal)).set(part, start);
    });
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {
    this.#blocks.clear();
    await this.under.close();
  }

  /** The block's own copy; two writers of a fresh block share one read of what is beneath. */
  #writable(block: number, signal?: AbortSignal): Promise<Uint8Array> {
    let copy = this.#blocks.get(block);
    if (!copy) {
      copy = (async () => {
        const bytes = new Uint8Array(Math.min(BLOCK_BYTES, this.size - block * BLOCK_BYTES));
        await this.under.read(block * BLOCK_BYTES, bytes, signal);
        return bytes;
      })();
      this.#blocks.set(block, copy);
      copy.catch(() => this.#blocks.delete(block));
    }
    return copy;
  }

  async #each(offset: number, bytes: Uint8Array, visit: (block: number, start: number, part: Uint8Array) => Promise<void>): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const at = offset + done;
      const start = at % BLOCK_BYTES;
      const length = Math.min(BLOCK_BYTES - start, bytes.length - done);
      await visit(Math.floor(at / BLOCK_BYTES), start, bytes.subarray(done, done + length));
      done += length;
    }
  }
}

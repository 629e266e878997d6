// Notices the words with which well-known kernels die, so that a run can end with the status for it.

const PANIC = /(Kernel panic - not syncing[^\r\n]*|panic\(cpu [^\r\n]*|\(XEN\) Panic on CPU[^\r\n]*)[\r\n]/;
const KEEP_CHARACTERS = 512;

/** Watches a console. */
export class PanicWatch {
  #tail = "";
  #seen: string | undefined;

  /** The line that told of it. */
  get seen(): string | undefined {
    return this.#seen;
  }

  feed(bytes: Uint8Array): void {
    if (this.#seen !== undefined) return;
    const text = this.#tail + String.fromCharCode.apply(null, bytes as unknown as number[]);
    this.#seen = PANIC.exec(text)?.[1];
    this.#tail = text.slice(-KEEP_CHARACTERS);
  }
}

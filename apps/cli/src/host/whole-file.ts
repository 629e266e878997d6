// A file of many megabytes in memory that is given back to the system when nobody holds it any more.
import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";

const WASM_PAGE = 0x10000;

/**
 * All bytes of a file, as `readFileSync` gives them. They lie in a WebAssembly memory, which V8 maps by itself. Node's buffers come from malloc,
 * and glibc takes the largest that was freed as a measure (mallopt(3), M_MMAP_THRESHOLD): it keeps twice as much at the end of the heap of
 * each thread from then on, which for kernels and V8's compiler threads is some 40 MiB.
 */
export function readWholeFile(path: string): Uint8Array {
  const file = openSync(path, "r");
  try {
    const stat = fstatSync(file);
    // Pipes do not know their size, nor do the files of /proc.
    if (stat.size === 0 || !stat.isFile()) return readFileSync(file);
    const pages = Math.ceil(stat.size / WASM_PAGE);
    const bytes = new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer);
    let filled = 0;
    while (filled < stat.size) {
      const read = readSync(file, bytes, filled, stat.size - filled, filled);
      if (read === 0) break;
      filled += read;
    }
    return bytes.subarray(0, filled);
  } finally {
    closeSync(file);
  }
}

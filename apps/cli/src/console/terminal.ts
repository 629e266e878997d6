// The terminal in raw mode while a guest runs, and put back on every way out of the process: return, error, signal, exit().
import type { ProcessIo } from "../host/process-io.js";

/** A terminal that was put into raw mode, or a stream that is no terminal. */
export interface Terminal {
  readonly isRaw: boolean;
  /** Puts the terminal back; may be called often. */
  restore(): void;
}

/** Puts the terminal into raw mode, when it is one. */
export function rawTerminal(input: ProcessIo["stdin"]): Terminal {
  if (!input.isTTY || !input.setRawMode) return { isRaw: false, restore: () => {} };
  let raw = true;
  const restore = (): void => {
    if (!raw) return;
    raw = false;
    process.off("exit", restore);
    input.setRawMode?.(false);
  };
  input.setRawMode(true);
  process.on("exit", restore);
  return {
    get isRaw() {
      return raw;
    },
    restore,
  };
}

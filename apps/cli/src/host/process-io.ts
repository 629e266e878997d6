// The streams of this process, passed in so that tests can bring their own.
import type { Readable, Writable } from "node:stream";
import type { ReadStream } from "node:tty";

/** Standard streams. */
export interface ProcessIo {
  readonly stdin: Readable & Partial<Pick<ReadStream, "isTTY" | "isRaw" | "setRawMode">>;
  readonly stdout: Writable;
  readonly stderr: Writable;
}

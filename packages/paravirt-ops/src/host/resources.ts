/**
 * What a host lends to a machine. All asynchronous and cancellable, so that a file, an OPFS handle, a fetch with ranges
 * or a worker can stand behind each.
 */

/** A random-access store of whole sectors. Requests may complete in any order. */
export interface BlockStore {
  /** Bytes; a multiple of `sectorSize`. */
  readonly size: number;
  /** Bytes; offsets and lengths of requests are multiples of it. */
  readonly sectorSize: number;
  /** Writes are refused. */
  readonly readOnly: boolean;
  /** Fills `into` from byte `offset`. Rejects with HvError "block/io" on a host failure. */
  read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Stores `bytes` at byte `offset`. Rejects with HvError "block/io" on a host failure. */
  write(offset: number, bytes: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Resolves when all completed writes are durable. */
  flush(signal?: AbortSignal): Promise<void>;
  /** Says that the bytes are not needed; reading them afterwards gives anything. */
  discard?(offset: number, length: number, signal?: AbortSignal): Promise<void>;
  /** Lets go of the store; requests in flight are finished. */
  close(): Promise<void>;
}

/** A pair of byte directions with backpressure, as a serial port or console needs it. */
export interface ByteStream {
  /** Guest to host. False when the host is behind: nothing was taken then, and `onDrain` tells when to try again. */
  write(bytes: Uint8Array): boolean;
  /** Called when the host can take more after a refused write. */
  onDrain(listener: () => void): void;
  /** Host to guest: the listener takes what it can and returns how many bytes it took; the rest is offered again after `ready`. */
  onData(listener: (bytes: Uint8Array) => number): void;
  /** The guest can take more. */
  ready(): void;
}

/** Ethernet frames without FCS, 14 to 65,535 bytes. */
export interface PacketPort {
  /** False when the frame was dropped because the host is behind. */
  send(frame: Uint8Array): boolean;
  /** Called for each frame from the network. */
  onFrame(listener: (frame: Uint8Array) => void): void;
  /** No frame is sent or heard afterwards. */
  close(): void;
}

/** Cryptographic randomness, or a seeded stream under deterministic clocks. */
export interface Entropy {
  /** Overwrites all of `bytes`. */
  fill(bytes: Uint8Array): void;
}

/** Civil time of the host: milliseconds since 1970-01-01 UTC. */
export interface WallClock {
  /** Now. */
  nowMs(): number;
}

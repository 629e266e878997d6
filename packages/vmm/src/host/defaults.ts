/** What a machine uses when its composer names nothing: the host's clock and randomness, or fixed ones for repeatable runs. */
import type { Clock, Entropy, WallClock } from "@paravane/paravirt-ops";

/** Where civil time starts under a deterministic clock: 2026-01-01T00:00:00Z. */
export const ICOUNT_EPOCH_MS = Date.UTC(2026, 0, 1);

/** The host's calendar. */
export const hostWallClock: WallClock = { nowMs: () => Date.now() };

/** A calendar that starts at a fixed date and follows guest time. */
export function guestWallClock(clock: Clock): WallClock {
  return { nowMs: () => ICOUNT_EPOCH_MS + Math.floor(clock.nowNs() / 1e6) };
}

/** `getRandomValues` takes no more at once. */
const RANDOM_CHUNK = 65_536;

/** The host's cryptographic generator. */
export const hostEntropy: Entropy = {
  fill(bytes) {
    for (let at = 0; at < bytes.byteLength; at += RANDOM_CHUNK) {
      crypto.getRandomValues(bytes.subarray(at, at + RANDOM_CHUNK) as Uint8Array<ArrayBuffer>);
    }
  },
};

/** A stream that only depends on its seed (the sfc32 generator). Repeatable, and not for keys. */
export function seededEntropy(seed: number): Entropy {
  let a = 0x9e3779b9 | 0;
  let b = 0x243f6a88 | 0;
  let c = seed | 0;
  let counter = 1;
  const next = (): number => {
    const value = (a + b + counter++) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = (((c << 21) | (c >>> 11)) + value) | 0;
    return value;
  };
  for (let round = 0; round < 12; round++) next();
  return {
    fill(bytes) {
      for (let at = 0; at < bytes.byteLength; at++) bytes[at] = next();
    },
  };
}

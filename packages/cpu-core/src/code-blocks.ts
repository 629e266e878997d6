/** The engine's hash of decoded blocks (assembly/code-cache.ts), read from outside. */
import * as L from "./layout.js";

/** The header of the block that was decoded from host address `host` under mode key `mode`, or 0. */
export function findBlock(view: DataView, host: number, mode: number): number {
  const spread = host ^ Math.imul(host >>> 12, L.BLOCK_HASH_FACTOR) ^ (mode << 4) ^ (mode >>> 6);
  const chain = view.getUint32(L.BLOCK_HASH_PTR, true) + ((spread & (L.BLOCK_HASH_ENTRIES - 1)) << 2);
  for (let at = view.getUint32(chain, true); at !== 0; at = view.getUint32(at + L.H_NEXT, true))
    if (view.getUint32(at + L.H_HOST, true) === host && view.getUint32(at + L.H_MODE, true) === mode) return at;
  return 0;
}

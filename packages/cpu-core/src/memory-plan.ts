/** Where the core's tables and guest RAM lie in the machine's WebAssembly memory. */
import { HvError } from "@paravane/paravirt-ops";
import { BLOCK_HASH_ENTRIES, MAX_VCPUS, VCPU_BASE, VCPU_STRIDE, WINDOW_MAX, WINDOW_SIZE } from "./layout.js";

export interface MemoryPlan {
  readonly frameInfo: number;
  readonly codeMap: number;
  readonly pageBlocks: number;
  readonly frameStores: number;
  readonly blockHash: number;
  readonly codePool: number;
  readonly codeEnd: number;
  /** Rows of linear windows, and behind them the frames of their pages. */
  readonly windows: number;
  readonly windowPages: number;
  readonly ramBase: number;
  /** Frames behind guest RAM that a backend may allocate. */
  readonly hypervisorFrames: number;
  readonly memoryBytes: number;
}

const MIB = 0x100000;
const WASM_PAGE = 0x10000;
/** Decoded code: enough for the kernel and user land of a booted Linux; when it is full, decoding starts anew. */
const CODE_POOL_BYTES = 40 * MIB;
/**
 * What "verify" needs behind guest RAM for its notes of stores (src/verify): a string instruction stores at most 64 KiB, and memory that is
 * never touched costs nothing.
 */
export const LOG_BYTES = 64 * MIB;
/** The devices' hole begins at 3 GiB. */
export const MAX_RAM_BYTES = 3072 * MIB;

/** Frames for a hypervisor beside one 8-byte entry for each frame of RAM: tables that it shares with its guest. */
const HYPERVISOR_FRAMES = 1024;
const MAX_HYPERVISOR_FRAMES = 0x10000;
/** Pages of windows onto frames that are not its own. */
const WINDOW_PAGES = 4096;

const align = (value: number, to: number): number => Math.ceil(value / to) * to;

/** @throws HvError "core/memory-limit" for RAM that is not a multiple of 1 MiB between 1 MiB and 3 GiB or too many frames, "core/vcpus" for too many vCPUs */
export function planMemory({
  ramBytes,
  vcpus,
  hypervisorFrames = HYPERVISOR_FRAMES + Math.ceil(ramBytes / 0x1000 / 512),
}: {
  ramBytes: number;
  vcpus: number;
  hypervisorFrames?: number;
}): MemoryPlan {
  if (!Number.isInteger(ramBytes / MIB) || ramBytes < MIB || ramBytes > MAX_RAM_BYTES)
    throw new HvError(
      "core/memory-limit",
      `guest memory of ${ramBytes / MIB} MiB is not possible: it must be whole MiB, from 1 to ${MAX_RAM_BYTES / MIB}`,
    );
  if (!Number.isInteger(vcpus) || vcpus < 1 || vcpus > MAX_VCPUS)
    throw new HvError("core/vcpus", `${vcpus} vCPUs are not possible: 1 to ${MAX_VCPUS}`);
  if (!Number.isInteger(hypervisorFrames) || hypervisorFrames < 0 || hypervisorFrames > MAX_HYPERVISOR_FRAMES)
    throw new HvError("core/memory-limit", `${hypervisorFrames} hypervisor frames are not possible: 0 to ${MAX_HYPERVISOR_FRAMES}`);
  const frames = ramBytes / 0x1000 + hypervisorFrames;
  const frameInfo = align(VCPU_BASE + MAX_VCPUS * VCPU_STRIDE, 0x1000);
  const codeMap = align(frameInfo + frames, 8);
  const pageBlocks = codeMap + frames * 8;
  const frameStores = pageBlocks + frames * 4;
  const blockHash = align(frameStores + frames * 4, 0x1000);
  const codePool = blockHash + BLOCK_HASH_ENTRIES * 4;
  const codeEnd = codePool + CODE_POOL_BYTES;
  const windows = codeEnd;
  const windowPages = hypervisorFrames + WINDOW_PAGES;
  const ramBase = align(windows + WINDOW_MAX * WINDOW_SIZE + windowPages * 4, WASM_PAGE);
  const memoryBytes = align(ramBase + frames * 0x1000, WASM_PAGE);
  return {
    frameInfo,
    codeMap,
    pageBlocks,
    frameStores,
    blockHash,
    codePool,
    codeEnd,
    windows,
    windowPages,
    ramBase,
    hypervisorFrames,
    memoryBytes,
  };
}

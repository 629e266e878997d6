/** What a machine is made of. Parts are definitions; the machine makes the instances and owns them. */
import type {
  BackendDefinition,
  BlockStore,
  BoardDefinition,
  BootProtocol,
  ByteStream,
  CoreDefinition,
  Entropy,
  Taps,
  WallClock,
} from "@paravane/paravirt-ops";
import { HvError } from "@paravane/paravirt-ops";
import type { Decompressors } from "./loaders/payload.js";

/** The kernel and what goes with it. */
export interface GuestOptions {
  readonly kernel: Uint8Array;
  readonly initrd?: Uint8Array;
  /** Text, or what it is under the backend that was chosen: a Xen domain has its console elsewhere. */
  readonly commandLine?: string | ((backend: string) => string);
  /** Insists on one way in; otherwise the best that the kernel offers is taken. */
  readonly protocol?: BootProtocol;
  /** For backends that load the vmlinux inside a bzImage. */
  readonly decompressors?: Decompressors;
}

/** A disk. The store stays the composer's: closing the machine does not close it. */
export interface DriveOptions {
  readonly store: BlockStore;
  readonly readOnly?: boolean;
}

/** Everything `createMachine` takes. */
export interface MachineOptions {
  readonly core: CoreDefinition;
  readonly board: BoardDefinition;
  /** Layers, each on top of the one before; usually `[native]` or `[native, xen]`. */
  readonly backends: readonly BackendDefinition[];
  readonly guest: GuestOptions;
  /** Names of backends, the one first that is to be taken where the kernel leaves the choice. */
  readonly preference?: readonly string[];
  /** Bytes, or text as `256M`, `1G`; a multiple of 1 MiB, at most 3 GiB. Default 256 MiB; 128 MiB for a multiboot kernel. */
  readonly memory?: number | string;
  /** Default 1. */
  readonly vcpus?: number;
  /** CPU model text: `MODEL,+feature,-feature,vendor=V`. */
  readonly cpu?: string;
  readonly drives?: readonly DriveOptions[];
  /** COM1. Without it the machine makes Web Streams: `machine.serial`. */
  readonly serial?: ByteStream;
  /** `host` follows the host's time, `icount` is a function of retired instructions. Default `host`. */
  readonly clock?: "host" | "icount";
  readonly wallClock?: WallClock;
  readonly entropy?: Entropy;
  /** isa-debug-exit port. */
  readonly exitPort?: number;
  /** The kernel test suites' device. */
  readonly testDevice?: boolean;
  /** Where the machine is watched. */
  readonly taps?: Taps;
  /** Ends the run and closes the machine when aborted. */
  readonly signal?: AbortSignal;
}

const MIB = 0x100000;
const DEFAULT_MEMORY = 256 * MIB;
/** What multiboot kernels are used to get from qemu. */
const DEFAULT_MEMORY_MULTIBOOT = 128 * MIB;
const MAX_MEMORY = 3072 * MIB;
const UNITS: Readonly<Record<string, number>> = { "": MIB, K: 1024, M: MIB, G: 1024 * MIB, T: 1024 * 1024 * MIB };

/** Bytes of RAM from an option, or the default for a kernel that is started by `protocol`. Plain text numbers are MiB, as in qemu. @throws HvError "config/memory" */
export function memoryBytes(memory: number | string | undefined, protocol?: BootProtocol): number {
  if (memory === undefined) return protocol === "multiboot1" ? DEFAULT_MEMORY_MULTIBOOT : DEFAULT_MEMORY;
  const parsed = typeof memory === "string" ? /^(\d+)([KMGT]?)(?:i?B)?$/i.exec(memory.trim()) : undefined;
  if (parsed === null) throw new HvError("config/memory", `memory "${memory}" is not a size; write 256M or 1G`);
  const bytes = parsed === undefined ? (memory as number) : Number(parsed[1]) * UNITS[parsed[2]!.toUpperCase()]!;
  if (!Number.isInteger(bytes) || bytes < MIB || bytes % MIB !== 0) {
    throw new HvError("config/memory", `memory must be a whole number of MiB and at least one; ${memory} is not`);
  }
  if (bytes > MAX_MEMORY) throw new HvError("config/memory", `memory is limited to 3072 MiB; ${memory} was asked for`);
  return bytes;
}

/**
 * A hypervisor backend as a part. A definition is data and three functions; operations, delivery and intercepts, and the boot protocol are
 * separate members, so that what one layer does by default cannot leak into a guest of another.
 */
import type { AbiManifest } from "./abi.js";
import type { GuestMode } from "./answers.js";
import type { Board } from "./board.js";
import type { MmioBus } from "./bus/mmio.js";
import type { PioBus } from "./bus/pio.js";
import { HvError } from "./errors.js";
import type { Clock } from "./handles/clock.js";
import type { DeliveryHandler } from "./handles/delivery.js";
import type { GuestMemory } from "./handles/guest-memory.js";
import type { HypervisorHandle, StoreHandler } from "./handles/hypervisor.js";
import type { InterceptHandler } from "./handles/intercepts.js";
import type { Timekeeping } from "./handles/time.js";
import type { Vcpu } from "./handles/vcpu.js";
import type { BlockStore, ByteStream, Entropy, PacketPort, WallClock } from "./host/resources.js";
import type { GuestImage } from "./image.js";
import type { CpuidResult } from "./ops/cpu.js";
import type { ParavirtOps } from "./ops/index.js";
import type { ShutdownReason } from "./ops/smp.js";
import { mark, type PART, type Part } from "./part.js";
import type { Snapshottable } from "./snapshot.js";
import type { Taps } from "./trace.js";

/** Everything that a backend may use. Nothing here knows another backend. */
export interface BackendEnvironment {
  /** All vCPUs; the first is the boot processor. */
  readonly vcpus: readonly Vcpu[];
  /** Guest RAM. */
  readonly memory: GuestMemory;
  /** The bus of port devices. */
  readonly pio: PioBus;
  /** The bus of memory-mapped devices. */
  readonly mmio: MmioBus;
  /** Guest time. */
  readonly clock: Clock;
  /** Clocksource and clock event devices. */
  readonly time: Timekeeping;
  /** Civil time. */
  readonly wallClock: WallClock;
  /** Randomness of the host, or a seeded stream. */
  readonly entropy: Entropy;
  /** The core's services; undefined when the core offers the bare machine only. */
  readonly hypervisor: HypervisorHandle | undefined;
  /** The board's wires, message-signalled interrupts and local interrupt controllers. */
  readonly board: Pick<Board, "line" | "timerLine" | "localTimerLine" | "msi" | "localInterrupts" | "msrs">;
  /** CPUID as the core's model has it; all zero for a core that does not tell. */
  cpuid(leaf: number, subleaf: number): CpuidResult;
  /** The guest's console. */
  readonly console: ByteStream;
  /** Disks as configured. */
  readonly drives: readonly { readonly store: BlockStore; readonly readOnly: boolean }[];
  /** Network ports as configured. */
  readonly ports: readonly PacketPort[];
  /** Where this machine is watched. */
  readonly taps: Taps;
  /** Ends the machine. */
  shutdown(reason: ShutdownReason, detail: string): void;
}

/** How a backend treats a guest image: it is the only one that can start it, it can, or it cannot. */
export type Acceptance = "requires" | "allows" | "no";

/** The boot protocol of a backend. */
export interface BootMethod {
  /** By the image's notes and protocols alone. */
  accepts(image: GuestImage): Acceptance;
  /** `monitor`: the monitor's own loaders place the image on the bare machine; `backend`: the instance's `load` does. */
  readonly placement: "monitor" | "backend";
  /** What `accepts` saw, for people; absent for a backend that has nothing to add to it. Never throws because of what is in the image. */
  ways?(image: ProbedImage): readonly BootWay[];
}

/** An image that is looked at and not started. */
export interface ProbedImage {
  /** The file. */
  readonly image: GuestImage;
  /** The kernel inside, for a bzImage that could be unpacked; else the same. */
  readonly unpacked: GuestImage;
}

/** One way in which a backend starts guests, and whether it is open to an image. */
export interface BootWay {
  /** "pv", "linux64". */
  readonly name: string;
  /** The image can be started in this way. */
  readonly open: boolean;
  /** What in the image says so, a line each. */
  readonly why: readonly string[];
}

/** A backend at work in one machine. */
export interface InstalledBackend {
  /** Its answers: every slot. */
  readonly ops: ParavirtOps;
  /** Absent: architectural delivery. Bound only when this backend is the guest's own, never when it lies under another. */
  readonly delivery?: DeliveryHandler;
  /** Absent: nothing is intercepted. */
  readonly intercept?: InterceptHandler;
  /** Absent: no frame is protected. */
  readonly store?: StoreHandler;
  /**
   * A STARTUP has come for a vCPU that waits for one: true when the backend has given it its registers, with which it then runs, false for a
   * start in real-address mode at `vector` << 12. Absent: always false.
   */
  readonly startup?: (vcpu: number, vector: number) => boolean;
  /** Places the image and sets the first vCPU, for `placement: "backend"`. @throws HvError "image/…" */
  load?(image: GuestImage): Promise<void>;
  /** What it remembers about its guest. */
  readonly state?: Snapshottable;
  /** Lets go of what it holds. */
  close?(): void;
}

/** A backend as a part of a composition. Make one with `defineBackend`. */
export interface BackendDefinition<Config = unknown> extends Part {
  /** Lower case; what `needs` of other backends refers to. */
  readonly name: string;
  /** Version of the guest ABI, which changes never once released. */
  readonly abi: string;
  /** Names of layers that must lie beneath it; the last one named is its `under`. */
  readonly needs: readonly string[];
  /** How it starts a guest. */
  readonly boot: BootMethod;
  /** Guest-visible numbers. */
  readonly manifest: AbiManifest;
  /** Ways of being its guest, and how each gets what operations promise; absent when the slots' inline forms say it. */
  readonly modes?: readonly GuestMode<Config>[];
  /** Settings in force. */
  readonly config: Config;
  /** Whether it can do something. */
  has(capability: string): boolean;
  /** The same backend with other settings. */
  with(config: Partial<Config>): BackendDefinition<Config>;
  /** Puts it to work in one machine. `under` are the operations of the layer beneath, undefined for the bottom layer. */
  install(under: ParavirtOps | undefined, environment: BackendEnvironment): InstalledBackend;
}

/** What an author writes. */
export interface BackendSource<Config> extends Omit<BackendDefinition<Config>, "has" | "with" | "install" | "config" | typeof PART> {
  /** Settings when none are given. */
  readonly defaults: Config;
  /** Puts it to work in one machine. */
  install(under: ParavirtOps | undefined, environment: BackendEnvironment, config: Config): InstalledBackend;
}

/** Makes a definition of a backend. */
export function defineBackend<Config extends object = Record<never, never>>(source: BackendSource<Config>): BackendDefinition<Config> {
  const make = (config: Config): BackendDefinition<Config> => ({
    ...mark("backend"),
    name: source.name,
    ...(source.package === undefined ? {} : { package: source.package }),
    abi: source.abi,
    contract: source.contract,
    needs: source.needs,
    capabilities: source.capabilities,
    requires: source.requires,
    boot: source.boot,
    manifest: source.manifest,
    ...(source.modes === undefined ? {} : { modes: source.modes }),
    config,
    has: (capability) => source.capabilities.includes(capability),
    with: (changes) => make({ ...config, ...changes }),
    install: (under, environment) => source.install(under, environment, config),
  });
  return make(source.defaults);
}

/** The layer beneath, for backends that cannot be at the bottom. @throws HvError "compose/missing-layer" */
export function requireUnder(under: ParavirtOps | undefined, name: string): ParavirtOps {
  if (under === undefined) throw new HvError("compose/missing-layer", `backend "${name}" has no layer under it`);
  return under;
}

/** The core's services, for backends that need more than the bare machine. @throws HvError "compose/core-lacks-handles" */
export function requireHypervisor(environment: BackendEnvironment, name: string): HypervisorHandle {
  if (environment.hypervisor === undefined) {
    throw new HvError("compose/core-lacks-handles", `backend "${name}" needs intercepts and delivery, which this core does not lend`);
  }
  return environment.hypervisor;
}

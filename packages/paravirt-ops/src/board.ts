/** What a board (the devices of a machine) is to whoever composes it. */
import type { AbiManifest } from "./abi.js";
import type { MmioBus } from "./bus/mmio.js";
import type { PioBus } from "./bus/pio.js";
import type { BusTap } from "./bus/tap.js";
import type { HypercallDevice, LocalInterrupts, MsrDevice } from "./core.js";
import type { Clock } from "./handles/clock.js";
import type { GuestMemory } from "./handles/guest-memory.js";
import type { IrqLine, MsiSink } from "./handles/irq-line.js";
import type { Vcpu } from "./handles/vcpu.js";
import type { BlockStore, ByteStream, Entropy, WallClock } from "./host/resources.js";
import { mark, type PART, type Part } from "./part.js";
import type { Gpa, Gsi } from "./units.js";

/**
 * What the guest did to its machine. `status` is a process status: isa-debug-exit gives (value << 1) | 1.
 * "suspend" stops the vCPUs (ACPI S3) until "resume", which comes between two slices: all vCPUs are reset then, and the boot processor starts
 * in real-address mode at `entry`, guest-physical, below 1 MiB. RAM keeps its contents; the board's devices have been reset already.
 */
export type PowerEvent =
  | { kind: "poweroff" }
  | { kind: "reset" }
  | { kind: "exit"; status: number }
  | { kind: "suspend" }
  | { kind: "resume"; entry: Gpa };

/** A drive as configured: the store, and what the guest may do with it. */
export interface BoardDrive {
  /** Where the sectors are. */
  readonly store: BlockStore;
  /** The guest may not write. */
  readonly readOnly: boolean;
}

/** What a board is given. vCPUs and RAM come from the core later, through `connect`. */
export interface BoardEnvironment {
  /** Bytes of guest RAM. */
  readonly ramBytes: number;
  /** How many vCPUs there will be. */
  readonly vcpus: number;
  /** The bus to attach to. */
  readonly pio: PioBus;
  /** The bus to attach to. */
  readonly mmio: MmioBus;
  /** Guest time. */
  readonly clock: Clock;
  /** Civil time for the RTC. */
  readonly wallClock: WallClock;
  /** Randomness for the entropy device. */
  readonly entropy: Entropy;
  /** COM1: bytes from the host to the guest and back. */
  readonly serial: ByteStream;
  /** Port 0 of a virtio console, or undefined for a board without one. */
  readonly console?: ByteStream;
  /** Disks, in the order in which the guest finds them. */
  readonly drives: readonly BoardDrive[];
  /** isa-debug-exit port, or undefined. */
  readonly exitPort?: number;
  /** The kernel test suites' device (ports 0xe0-0xeb, 0x2000+n, 64 KiB at 0xff000000). */
  readonly testDevice?: boolean;
  /** Index of the vCPU whose access is on the bus: the one whose `run` is in progress. Local APICs share one address and differ by this. */
  currentVcpu(): number;
  /** Ends the machine's run, or suspends and resumes it. */
  power(event: PowerEvent): void;
  /** Drives the A20 gate. */
  setA20(enabled: boolean): void;
  /** Frequency of the TSC. */
  readonly tscHz: number;
}

/** The devices of one machine, in the state in which firmware leaves them (LINT0 of the boot processor is ExtINT, LINT1 NMI). */
export interface Board {
  /** What the core asks at INTA and for CR8. */
  readonly localInterrupts: LocalInterrupts;
  /** MSRs of the local APICs. */
  readonly msrs: MsrDevice;
  /** Hypercalls that the board itself answers, on boards that do. */
  readonly hypercalls?: HypercallDevice;
  /** Second step of construction: the processor side exists now. */
  connect(parts: { vcpus: readonly Vcpu[]; memory: GuestMemory }): void;
  /** The wire of a global system interrupt. */
  line(gsi: Gsi): IrqLine;
  /**
   * ISA interrupt 0 for a timer that stands in for the interval timer: each rise is an edge at the interrupt controllers, whatever level the
   * interval timer holds the wire at.
   */
  timerLine(): IrqLine;
  /** Timer input of one vCPU's local interrupt controller: a rise is delivered as its entry says at that moment, vector and mask. */
  localTimerLine(vcpu: number): IrqLine;
  /** Message-signalled interrupts. */
  readonly msi: MsiSink;
  /** Writes firmware tables (ACPI) into guest memory; returns what a boot protocol must pass on. */
  installTables(): { rsdp: number; reserved: { base: number; length: number; kind: "acpi" | "nvs" | "reserved" }[] };
  /** Adds an item to fw_cfg under a file name. */
  addFirmwareFile(name: string, bytes: Uint8Array): void;
  /** Every device is in its power-on state. */
  reset(): void;
  /** Cancels requests in flight and lets go of the host's resources. */
  close(): void;
}

/** A board as a part; make one with `defineBoard`. The monitor makes the buses, hands them to the core and to the board, and connects the two. */
export interface BoardDefinition extends Part {
  /** Ports, addresses, interrupts and schemas that it promises to guests; absent for a board that promises nothing. */
  readonly manifest?: AbiManifest;
  /** The two buses, empty. */
  createBuses(tap?: BusTap): { pio: PioBus; mmio: MmioBus };
  /** Makes the devices of one machine. */
  create(environment: BoardEnvironment): Board;
}

/** Makes a definition of a board. */
export function defineBoard<Source extends Omit<BoardDefinition, typeof PART>>(source: Source): Source & BoardDefinition {
  return { ...source, ...mark("board") };
}

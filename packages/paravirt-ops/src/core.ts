/** What a CPU core is to whoever composes a machine. A core is a definition (a factory); the monitor creates the instance. */
import type { AbiManifest } from "./abi.js";
import type { GuestMemory } from "./handles/guest-memory.js";
import type { HypervisorHandle } from "./handles/hypervisor.js";
import type { PrivilegeLevel } from "./handles/intercepts.js";
import type { Vcpu } from "./handles/vcpu.js";
import type { MmioBus } from "./bus/mmio.js";
import type { PioBus } from "./bus/pio.js";
import type { CpuidResult } from "./ops/cpu.js";
import type { ParavirtOps } from "./ops/index.js";
import { mark, type PART, type Part } from "./part.js";

/** The processor's side of its interrupt controller: INTA cycles and the local APIC's registers that are not memory. */
export interface LocalInterrupts {
  /** INTA: the vector to deliver now, or -1 when the request went away, which drops INTR. Called with interrupts enabled and INTR asserted. */
  acknowledge(vcpu: number): number;
  /** CR8 is the high nibble of the task priority (SDM Vol. 3A §11.8.6). */
  readTaskPriority(vcpu: number): number;
  /** Sets the task priority; `cr8` is 0 to 15. */
  writeTaskPriority(vcpu: number, cr8: number): void;
}

/** MSRs that the board owns (IA32_APIC_BASE, x2APIC 0x800-0x8ff, TSC deadline). `undefined`/false mean #GP. */
export interface MsrDevice {
  /** The register's value, or undefined for #GP. */
  msrRead(vcpu: number, index: number): bigint | undefined;
  /** False for #GP. */
  msrWrite(vcpu: number, index: number, value: bigint): boolean;
}

/** A VMCALL or VMMCALL. */
export interface Hypercall {
  /** Where it was executed, 0 to 3. */
  readonly level: number;
  /** 64 in 64-bit mode, otherwise 32: how much of the registers counts. */
  readonly bits: 32 | 64;
  /** RAX, RBX, RCX, RDX and RSI. */
  readonly registers: readonly [bigint, bigint, bigint, bigint, bigint];
}

/** Hypercalls that a board answers. Where nobody does, VMCALL and VMMCALL are #UD, as on a processor without virtualization. */
export interface HypercallDevice {
  /** What goes to RAX; negative for an error. */
  hypercall(vcpu: number, call: Hypercall): bigint;
}

/**
 * What a core may answer for the TSC without asking: right after a reading, until a device or a backend is called or the run ends, each
 * instruction of the vCPU counts for a fixed time. The clock that allows it takes care that no later reading is behind such a guess.
 */
export interface TscGuess {
  /** For how many instructions. */
  readonly instructions: number;
  /** What each of them counts for from the present reading on, in 1/256 tick. */
  pace(): number;
}

/** What the core needs from the world around it. */
export interface CoreEnvironment {
  /** At least as many bytes as `plan` said; never grown. */
  readonly memory: WebAssembly.Memory;
  /** Bytes of guest RAM, a multiple of 1 MiB. */
  readonly ramBytes: number;
  /** How many vCPUs to make. */
  readonly vcpus: number;
  /** `--cpu` text: MODEL,+feature,-feature,vendor=V. */
  readonly cpuModel?: string;
  /** Where port accesses go. */
  readonly pio: PioBus;
  /** Where accesses outside RAM go. */
  readonly mmio: MmioBus;
  /** The board's interrupt controllers. */
  readonly localInterrupts: LocalInterrupts;
  /** MSRs that the board owns. */
  readonly msrs: MsrDevice;
  /** Who answers VMCALL and VMMCALL. */
  readonly hypercalls?: HypercallDevice;
  /** Time-stamp counter now, in ticks of `tscHz`. A number: exact to 2^53. */
  readTsc(vcpu: number): number;
  /** How TSCs may go on between two readings; absent: each reading is asked for. */
  readonly tscGuess?: TscGuess;
  /** Does `run` return "yield" too when a vCPU executes PAUSE again and again and no other one could run? Absent: it goes on spinning. */
  readonly pauseLoopExiting?: boolean;
  /** Frequency of the TSC, for CPUID. */
  readonly tscHz: number;
  /** Fills the array with random bytes (RDRAND, RDSEED). */
  random(bytes: Uint8Array): void;
}

/** A piece of translated guest code. */
export interface CodeRegion {
  /** Which translator made it: a NAME of `tiers.NAME`. */
  readonly tier: string;
  /** Linear address of its first instruction when it was translated. */
  readonly address: bigint;
  /** Privilege level that it is for. */
  readonly level: PrivilegeLevel;
  /** Guest instructions in it. */
  readonly instructions: number;
  /** Bytes of host code or of the input to the host's compiler. */
  readonly bytes: number;
  /** How often it was entered; 0 when the core does not count that. */
  readonly entries: number;
  /** How often it was left, by reason; empty when the core does not count that. */
  readonly exits: Readonly<Record<string, number>>;
}

/** A processor complex: vCPUs and the memory that they share. */
export interface Core {
  /** All vCPUs; the first is the boot processor. */
  readonly vcpus: readonly Vcpu[];
  /** The RAM that all vCPUs share. */
  readonly guestMemory: GuestMemory;
  /** Services to backends; absent in a core for the bare machine only. */
  readonly hypervisor?: HypervisorHandle;
  /** CPUID of the configured model. */
  cpuid?(leaf: number, subleaf: number): CpuidResult;
  /** Binds the guest's operations by their inline forms, once, before the first run. Absent: every sensitive instruction is architectural. */
  bind?(ops: ParavirtOps): void;
  /** A20 gate: false makes bit 20 of every physical address zero. */
  setA20(enabled: boolean): void;
  /**
   * Host-side counters, name to value, all of which only rise or tell the present size. Dots group: a core with several tiers gives
   * `tiers.NAME.instructions` for each, what made code leave a tier is `exits.REASON`. Cheap enough to be asked for at any time.
   */
  stats(): Record<string, number>;
  /** Guest code that is translated at present, for profiles; absent in a core that only interprets. May take milliseconds. */
  regions?(): readonly CodeRegion[];
  /** Lets go of what it holds; no vCPU runs afterwards. */
  close(): void;
}

/** A core as a part. Make one with `defineCore`. Capabilities: "operations" when it has `bind`, "hypervisor" when it lends `hypervisor`. */
export interface CoreDefinition extends Part {
  /** CPUID leaves and MSRs of its models; absent for a core that promises nothing. */
  readonly manifest?: AbiManifest;
  /** Bytes of WebAssembly memory for this configuration. @throws HvError "core/memory-limit" when it does not fit into 4 GiB */
  plan(config: { ramBytes: number; vcpus: number }): { memoryBytes: number };
  /** Makes the processors of one machine. */
  create(environment: CoreEnvironment): Promise<Core>;
}

/** Makes a definition of a core. */
export function defineCore<Source extends Omit<CoreDefinition, typeof PART>>(source: Source): Source & CoreDefinition {
  return { ...source, ...mark("core") };
}

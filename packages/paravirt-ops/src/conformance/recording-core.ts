/** A core without a processor: memory, recorded registers, and a function in place of the guest. For tests of backends and monitors. */
import { CONTRACT_VERSION } from "../abi.js";
import { type Core, type CoreDefinition, type CoreEnvironment, defineCore } from "../core.js";
import type { ParavirtOps } from "../ops/index.js";
import { RecordingHypervisor } from "./recording-hypervisor.js";
import { RecordingMemory } from "./recording-memory.js";
import { type GuestProgram, RecordingVcpu, spin } from "./recording-vcpu.js";

/** A recording core at work. */
export interface RecordingCore extends Core {
  readonly vcpus: readonly RecordingVcpu[];
  readonly guestMemory: RecordingMemory;
  readonly hypervisor: RecordingHypervisor;
  readonly environment: CoreEnvironment;
  /** What `bind` was given. */
  readonly bound: ParavirtOps | undefined;
  readonly a20: boolean;
  readonly closed: boolean;
}

/** A core definition that remembers its instances. */
export interface RecordingCoreDefinition extends CoreDefinition {
  readonly made: readonly RecordingCore[];
  create(environment: CoreEnvironment): Promise<RecordingCore>;
}

class Recorder implements RecordingCore {
  readonly vcpus: readonly RecordingVcpu[];
  readonly guestMemory: RecordingMemory;
  readonly hypervisor: RecordingHypervisor;
  bound: ParavirtOps | undefined;
  a20 = true;
  closed = false;

  constructor(
    readonly environment: CoreEnvironment,
    program: GuestProgram,
  ) {
    this.guestMemory = new RecordingMemory(environment.ramBytes);
    this.hypervisor = new RecordingHypervisor(this.guestMemory);
    this.vcpus = Array.from({ length: environment.vcpus }, (_, id) => new RecordingVcpu(id, program, environment.msrs));
  }

  bind(ops: ParavirtOps): void {
    this.bound = ops;
  }

  cpuid(leaf: number, subleaf: number): { eax: number; ebx: number; ecx: number; edx: number } {
    return { eax: leaf, ebx: subleaf, ecx: 0, edx: 0 };
  }

  setA20(enabled: boolean): void {
    this.a20 = enabled;
  }

  stats(): Record<string, number> {
    return {};
  }

  close(): void {
    this.closed = true;
  }
}

/** Makes a core definition whose vCPUs run `program`. */
export function recordingCore(program: GuestProgram = spin): RecordingCoreDefinition {
  const made: RecordingCore[] = [];
  const definition = defineCore({
    name: "recording",
    contract: `^${CONTRACT_VERSION}`,
    capabilities: ["operations", "hypervisor"],
    requires: [],
    made,
    plan: () => ({ memoryBytes: 65536 }),
    create: async (environment) => {
      const core = new Recorder(environment, program);
      made.push(core);
      return core;
    },
  });
  return definition;
}

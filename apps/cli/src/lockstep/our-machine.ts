// Our side: a whole machine with deterministic time, run by hand. One command is under way at a time: run to an instruction count, or step
// and show each state. The vCPU is wrapped, so the machine itself (alarms, interrupts, disks) works as in any other run.
import type { ByteStream, Core, GuestMemory, MmioBus, PioBus, Vcpu } from "@paravane/paravirt-ops";
import { createMachine, type Machine, type RunResult } from "@paravane/vmm";
import type { Parts } from "../parts.js";

/** What happened within an instruction beyond the processor. */
export interface Outside {
  /** A port or a device's memory was read, or an MSR of the board, the clock or the random numbers were used. */
  touched: string | undefined;
  /** The vector of a hardware interrupt that was taken before it. */
  interrupt: number | undefined;
  /** Physical ranges that devices or the loader wrote. */
  readonly written: { from: number; to: number }[];
}

/** Why a command ended. */
export type Halt = { readonly kind: "reached" } | { readonly kind: "ended"; readonly result: RunResult };

/** Called before each instruction when stepping; false stops in front of it. */
export type BeforeInstruction = () => boolean;
/** Called after each; false stops behind it. */
export type AfterInstruction = () => boolean;

type Command =
  | { readonly kind: "run"; readonly until: number }
  | { readonly kind: "step"; readonly before: BeforeInstruction; readonly after: AfterInstruction };

/** What a machine is made with; the lockstep driver makes the same one again to go back in time. */
export interface OurOptions {
  readonly parts: Parts;
  readonly guest: { readonly kernel: Uint8Array; readonly initrd?: Uint8Array; readonly commandLine: string };
  readonly memoryBytes: number;
  readonly cpu: string | undefined;
  readonly exitPort: number | undefined;
  readonly testDevice: boolean;
  readonly console: (bytes: Uint8Array) => void;
}

/** A machine under control. */
export class OurMachine {
  readonly outside: Outside = { touched: undefined, interrupt: undefined, written: [] };
  #machine!: Machine;
  #core!: Core;
  #vcpu!: Vcpu;
  #command: Command | undefined;
  #done = false;

  private constructor(private readonly signal: AbortSignal) {}

  /** @param signal - commands under way reject with its reason */
  static async create(options: OurOptions, signal: AbortSignal): Promise<OurMachine> {
    const ours = new OurMachine(signal);
    const { parts } = options;
    ours.#machine = await createMachine({
      ...parts,
      core: ours.#watched(parts.core),
      guest: options.guest,
      memory: options.memoryBytes,
      vcpus: 1,
      clock: "icount",
      testDevice: options.testDevice,
      serial: consoleOnly(options.console),
      ...(options.cpu === undefined ? {} : { cpu: options.cpu }),
      ...(options.exitPort === undefined ? {} : { exitPort: options.exitPort }),
      signal,
    });
    ours.outside.written.length = 0;
    return ours;
  }

  get vcpu(): Vcpu {
    return this.#vcpu;
  }

  get memory(): GuestMemory {
    return this.#core.guestMemory;
  }

  /** Instructions since the guest's first. */
  get count(): number {
    return this.#vcpu.retired;
  }

  /** Runs at full speed until so many instructions have retired. */
  runTo(count: number): Promise<Halt> {
    return count <= this.count ? Promise.resolve({ kind: "reached" }) : this.#execute({ kind: "run", until: count });
  }

  /** Runs one instruction at a time. `outside` says what each of them did. */
  step(before: BeforeInstruction, after: AfterInstruction): Promise<Halt> {
    return this.#execute({ kind: "step", before, after });
  }

  close(): Promise<void> {
    return this.#machine.close();
  }

  async #execute(command: Command): Promise<Halt> {
    this.#command = command;
    this.#done = false;
    for (;;) {
      const result = await this.#machine.run();
      this.signal.throwIfAborted();
      if (result.kind !== "stopped") return { kind: "ended", result };
      if (this.#done) return { kind: "reached" };
    }
  }

  #stop(): "stopped" {
    this.#done = true;
    // Not now: pausing within a slice asks the vCPU to stop, which would meet the next command's first instruction.
    queueMicrotask(() => void this.#machine.pause());
    return "stopped";
  }

  #run(vcpu: Vcpu, budget: number): ReturnType<Vcpu["run"]> {
    const command = this.#command!;
    if (this.#done) return this.#stop();
    if (command.kind === "run") {
      const reason = vcpu.run(Math.min(budget, command.until - vcpu.retired));
      return reason === "budget" && vcpu.retired >= command.until ? this.#stop() : reason;
    }
    const { outside } = this;
    for (let left = budget; left > 0; left--) {
      if (!command.before()) return this.#stop();
      outside.touched = undefined;
      outside.interrupt = undefined;
      const reason = vcpu.run(1);
      if (!command.after()) return this.#stop();
      if (reason !== "budget") return reason;
    }
    return "budget";
  }

  /** The core with taps on everything that comes from outside the processor. */
  #watched(definition: Parts["core"]): Parts["core"] {
    const { outside } = this;
    const touch = (what: string): void => {
      outside.touched = what;
    };
    return {
      ...definition,
      create: async (environment) => {
        const { pio, mmio, msrs, localInterrupts } = environment;
        const core = await definition.create({
          ...environment,
          pio: watchedBus(pio, () => touch("port")),
          mmio: watchedBus(mmio, () => touch("device memory")),
          msrs: {
            msrRead(vcpu, index) {
              touch("MSR");
              return msrs.msrRead(vcpu, index);
            },
            msrWrite(vcpu, index, value) {
              touch("MSR");
              return msrs.msrWrite(vcpu, index, value);
            },
          },
          localInterrupts: {
            acknowledge(vcpu) {
              const vector = localInterrupts.acknowledge(vcpu);
              if (vector >= 0) outside.interrupt = vector;
              return vector;
            },
            readTaskPriority(vcpu) {
              touch("CR8");
              return localInterrupts.readTaskPriority(vcpu);
            },
            writeTaskPriority(vcpu, cr8) {
              touch("CR8");
              localInterrupts.writeTaskPriority(vcpu, cr8);
            },
          },
          readTsc(vcpu) {
            touch("clock");
            return environment.readTsc(vcpu);
          },
          random(bytes) {
            touch("random numbers");
            environment.random(bytes);
          },
        });
        this.#core = core;
        const vcpu = core.vcpus[0]!;
        this.#vcpu = vcpu;
        const controlled = overlay(vcpu, { run: (budget: number) => this.#run(vcpu, budget) });
        return overlay(core, { vcpus: [controlled], guestMemory: watchedMemory(core.guestMemory, outside.written) });
      },
    };
  }
}

/** A bus whose reads are noted. What is written leaves the processor, and tells it nothing. */
function watchedBus<B extends PioBus | MmioBus>(bus: B, touch: () => void): B {
  return overlay(bus, {
    read(address: number, size: 1 | 2 | 4): number {
      touch();
      return bus.read(address, size);
    },
  });
}

const STORES: Readonly<Record<string, (args: readonly unknown[]) => number>> = {
  write: ([, bytes]) => (bytes as Uint8Array).byteLength,
  fill: ([, length]) => length as number,
  writeU8: () => 1,
  writeU16: () => 2,
  writeU32: () => 4,
  writeU64: () => 8,
};

/** Guest memory that notes what is stored from outside the processor. */
function watchedMemory(memory: GuestMemory, written: Outside["written"]): GuestMemory {
  const stores = Object.entries(STORES).map(([name, lengthOf]) => [
    name,
    (...args: unknown[]): unknown => {
      const from = args[0] as number;
      written.push({ from, to: from + lengthOf(args) });
      return (memory[name as "write"] as (...rest: unknown[]) => unknown).apply(memory, args);
    },
  ]);
  return overlay(memory, Object.fromEntries(stores));
}

/** The same object with some members replaced; methods keep their own `this`. */
function overlay<T extends object>(target: T, members: object): T {
  return new Proxy(target, {
    get(_, property) {
      const value: unknown = property in members ? Reflect.get(members, property) : Reflect.get(target, property, target);
      return typeof value === "function" && !(property in members) ? value.bind(target) : value;
    },
  });
}

/** A serial line that is only listened to. */
function consoleOnly(listen: (bytes: Uint8Array) => void): ByteStream {
  return {
    write(bytes) {
      listen(bytes);
      return true;
    },
    onDrain: () => {},
    onData: () => {},
    ready: () => {},
  };
}

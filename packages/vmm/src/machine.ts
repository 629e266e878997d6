/**
 * A machine composed of a core, a board and backends that know nothing of one another. Construction order: clock and buses, the board on
 * them, the core on both, then the board learns of the processors, then the guest is placed.
 */
import {
  type Board,
  type BoardDrive,
  type BootProtocol,
  type Core,
  type Gpa,
  type GuestImage,
  HvError,
  type PowerEvent,
  type ShutdownReason,
  type Vcpu,
} from "@paravane/paravirt-ops";
import { checkParts } from "./check-parts.js";
import { HostClock } from "./clock/host-clock.js";
import { IcountClock } from "./clock/icount-clock.js";
import { type MachineClock, TSC_HZ } from "./clock/machine-clock.js";
import { createTimekeeping } from "./clock/timekeeping.js";
import { type Composition, composeBackends, type InstalledComposition, installBackends } from "./compose.js";
import { guestWallClock, hostEntropy, hostWallClock, seededEntropy } from "./host/defaults.js";
import { EventLoop } from "./host/event-loop.js";
import { createNap } from "./host/nap.js";
import { SerialPort } from "./host/serial-port.js";
import { type InFlight, TrackedStore } from "./host/tracked-store.js";
import { bootImage } from "./loaders/boot.js";
import { inspectImage } from "./loaders/detect.js";
import { MemoryMap } from "./loaders/memory-map.js";
import { type MachineOptions, memoryBytes } from "./machine-options.js";
import { Processors, type VcpuStats } from "./run/processors.js";
import { type RunCounters, RunLoop } from "./run/run-loop.js";
import type { RunResult } from "./run/run-result.js";
import { WakingHypervisor } from "./run/waking-hypervisor.js";
import { WakingVcpu } from "./run/waking-vcpu.js";

/** What happened to a machine, for `on`. */
export interface MachineEvents {
  /** The guest is over; `run()` resolves to the same. */
  ended: RunResult;
  /** `run()` returned because of `pause`, abort or `close`. */
  stopped: RunResult;
  closed: undefined;
}

/** Counters of a machine, for people and for `--stats`. */
export interface MachineStats extends RunCounters {
  /** Instructions retired by all vCPUs. */
  readonly instructions: number;
  /** Guest time, in ns. */
  readonly guestNs: number;
  /** Host milliseconds inside `run()`. */
  readonly wallMs: number;
  /** Each vCPU's share, by number. */
  readonly vcpus: readonly VcpuStats[];
  readonly core: Record<string, number>;
}

/** How the guest was started, for the first line that a person sees. */
export interface BootReport {
  /** What the kernel file is. */
  readonly image: string;
  readonly protocol: string;
  readonly backend: string;
  /** Why this backend, in words. */
  readonly reason: string;
  readonly memoryBytes: number;
  readonly vcpus: number;
}

/** Makes a machine with its guest placed and ready to run. @throws HvError when parts, sizes or the image do not fit; the signal's reason when aborted */
export async function createMachine(options: MachineOptions): Promise<Machine> {
  options.signal?.throwIfAborted();
  const vcpus = options.vcpus ?? 1;
  if (!Number.isInteger(vcpus) || vcpus < 1) throw new HvError("config/vcpus", `the number of vCPUs must be at least 1; ${vcpus} is not`);
  checkParts(options);
  const { guest, ...around } = options;
  const { commandLine = "", ...parts } = guest;
  const inspected = inspectImage(guest.kernel, parts);
  const ramBytes = memoryBytes(options.memory, guest.protocol ?? inspected.protocols[0]);
  const composition = composeBackends(options.backends, inspected, options.preference);
  const image: GuestImage = {
    ...inspected,
    commandLine: typeof commandLine === "string" ? commandLine : commandLine(composition.chosen.name),
  };
  const built = await assemble(around, { ramBytes, vcpus, composition });
  try {
    const report = await placeGuest(image, guest.protocol, { ramBytes, vcpus, composition }, built);
    options.signal?.throwIfAborted();
    return new Machine(report, built);
  } catch (error) {
    closeParts(built);
    throw error;
  }
}

/** The machine without its guest, whose files it need not keep alive: its closures live as long as the machine, and with them all that is known here. */
async function assemble(options: Omit<MachineOptions, "guest">, { ramBytes, vcpus, composition }: Frame): Promise<Parts> {
  const plan = options.core.plan({ ramBytes, vcpus });
  const pages = Math.ceil(plan.memoryBytes / 65536);
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });

  const host = new EventLoop();
  const processors = new Processors();
  const inFlight: InFlight = { count: 0, onSubmit: () => attend(), onSettle: () => attend() };
  const retired = (): number => processors.retired;
  const onEarlier = (): void => attend();
  const clock: MachineClock = options.clock === "icount" ? new IcountClock(retired, onEarlier) : new HostClock(retired, onEarlier);
  const deterministic = clock.kind === "icount";
  const loop = new RunLoop(clock, processors, host, inFlight, createNap());
  const attend = (): void => loop.attend();

  const buses = options.board.createBuses(options.taps);
  const serial = options.serial === undefined ? new SerialPort() : undefined;
  const entropy = options.entropy ?? (deterministic ? seededEntropy(1) : hostEntropy);
  const wallClock = options.wallClock ?? (deterministic ? guestWallClock(clock) : hostWallClock);
  const drives = (options.drives ?? []).map(
    (drive): BoardDrive => ({
      store: new TrackedStore(drive.store, inFlight, deterministic),
      readOnly: drive.readOnly ?? drive.store.readOnly,
    }),
  );
  const console = options.serial ?? serial!;
  let core: Core | undefined;
  let backends: InstalledComposition | undefined;
  const board = options.board.create({
    ...buses,
    ramBytes,
    vcpus,
    clock,
    wallClock,
    entropy,
    serial: console,
    drives,
    ...(options.exitPort === undefined ? {} : { exitPort: options.exitPort }),
    testDevice: options.testDevice ?? false,
    currentVcpu: () => processors.currentId,
    power: (event) => {
      if (event.kind === "suspend") loop.suspend();
      else if (event.kind === "resume") {
        resumeFromRam(core!.vcpus, event.entry);
        loop.resume();
      } else loop.end(powerResult(event));
    },
    setA20: (enabled) => core?.setA20(enabled),
    tscHz: TSC_HZ,
  });
  try {
    core = await options.core.create({
      ...buses,
      memory,
      ramBytes,
      vcpus,
      ...(options.cpu === undefined ? {} : { cpuModel: options.cpu }),
      localInterrupts: board.localInterrupts,
      msrs: board.msrs,
      ...(board.hypercalls === undefined ? {} : { hypercalls: board.hypercalls }),
      readTsc: () => clock.nowNs(),
      ...(clock.tscGuess === undefined ? {} : { tscGuess: clock.tscGuess }),
      pauseLoopExiting: loop.pauseLoopExiting,
      tscHz: TSC_HZ,
      random: (bytes) => entropy.fill(bytes),
    });
    options.signal?.throwIfAborted();
    processors.connect(core.vcpus);
    const signalled = (vcpu: Core["vcpus"][number]): void => {
      if (processors.signalled(vcpu)) host.wake();
    };
    const start = ({ id }: Vcpu, vector: number): boolean => {
      if (backends?.backend.startup?.(id, vector) !== true) return false;
      core?.hypervisor?.wake(id);
      return true;
    };
    board.connect({ vcpus: core.vcpus.map((vcpu) => new WakingVcpu(vcpu, signalled, start)), memory: core.guestMemory });
    const { cpuid, hypervisor, guestMemory, vcpus: processorList } = core;
    backends = installBackends(
      composition,
      {
        ...buses,
        vcpus: core.vcpus,
        memory: guestMemory,
        clock,
        time: createTimekeeping(clock, (vcpu) => processors.stolenNs(vcpu)),
        wallClock,
        entropy,
        hypervisor: hypervisor && new WakingHypervisor(hypervisor, (vcpu) => signalled(processorList[vcpu]!)),
        board,
        cpuid: (leaf, subleaf) => cpuid?.call(core, leaf, subleaf) ?? { eax: 0, ebx: 0, ecx: 0, edx: 0 },
        console,
        drives,
        ports: [],
        taps: options.taps ?? {},
        shutdown: (reason, detail) => loop.end(shutdownResult(reason, detail)),
      },
      core,
    );
    return { loop, host, clock, processors, core, board, backends, serial, signal: options.signal };
  } catch (error) {
    closeParts({ backends, board, core, host });
    throw error;
  }
}

function closeParts({ backends, board, core, host }: Closable): void {
  backends?.close();
  board.close();
  core?.close();
  host.close();
}

/** What firmware leaves the processors in when a sleep is over (ACPI 6.4 §16.3.2): reset, the boot processor in real-address mode at `entry`. */
function resumeFromRam([boot, ...others]: readonly Vcpu[], entry: Gpa): void {
  for (const vcpu of others) vcpu.reset();
  if (!boot) return;
  boot.reset();
  boot.registers.setSegment("cs", { selector: entry >>> 4, base: BigInt(entry & ~15), limit: 0xffff, access: 0x9b });
  boot.registers.set("rip", BigInt(entry & 15));
}

function powerResult(event: Exclude<PowerEvent, { kind: "suspend" | "resume" }>): RunResult {
  switch (event.kind) {
    case "poweroff":
      return { kind: "poweroff", detail: "the guest powered off" };
    case "reset":
      return { kind: "reset", detail: "the guest reset the machine" };
    case "exit":
      return { kind: "exit", status: event.status, detail: `the guest ended the run with status ${event.status}` };
  }
}

/** What a backend's guest asked for, as a result of the run. */
function shutdownResult(reason: ShutdownReason, detail: string): RunResult {
  if (reason === "crash") return { kind: "shutdown", vcpu: 0, detail };
  return { kind: reason === "reboot" ? "reset" : "poweroff", detail };
}

/** What is decided before anything is made. */
interface Frame {
  readonly ramBytes: number;
  readonly vcpus: number;
  readonly composition: Composition;
}

/** The backend places the guest by its own protocol; or the board writes its tables and the kernel is placed around them. */
async function placeGuest(
  image: GuestImage,
  asked: BootProtocol | undefined,
  { ramBytes, vcpus, composition }: Frame,
  { backends, board, core }: Parts,
): Promise<BootReport> {
  const { name, boot } = composition.chosen;
  const report = { image: image.description, backend: name, reason: composition.reason, memoryBytes: ramBytes, vcpus };
  if (boot.placement === "backend") {
    if (backends.backend.load === undefined)
      throw new HvError("compose/no-loader", `backend "${name}" says that it places its guests, and has no load()`);
    await backends.backend.load(image);
    return { ...report, protocol: name };
  }
  const map = new MemoryMap(ramBytes);
  const { rsdp, reserved } = board.installTables();
  for (const { base, length, kind } of reserved) map.reserve(base, length, kind);
  const protocol = bootImage(image, { memory: core.guestMemory, map, vcpu: core.vcpus[0]!, rsdp }, asked);
  return { ...report, protocol };
}

/** What has been made so far, to be closed. */
interface Closable {
  readonly backends: InstalledComposition | undefined;
  readonly board: Board;
  readonly core: Core | undefined;
  readonly host: EventLoop;
}

interface Parts extends Closable {
  readonly loop: RunLoop;
  readonly clock: MachineClock;
  readonly processors: Processors;
  readonly core: Core;
  readonly board: Board;
  readonly backends: InstalledComposition;
  readonly serial: SerialPort | undefined;
  readonly signal: AbortSignal | undefined;
}

/** A machine with a guest in it. Made by `createMachine`. */
export class Machine {
  readonly #parts: Parts;
  readonly #listeners = new Map<keyof MachineEvents, Set<(event: never) => void>>();
  #running: Promise<RunResult> | undefined;
  #closing: Promise<void> | undefined;
  #wallMs = 0;
  readonly #aborted = (): void => void this.#close("aborted");

  /** @internal */
  constructor(
    /** What was found and how it was started. */
    readonly boot: BootReport,
    parts: Parts,
  ) {
    this.#parts = parts;
    parts.signal?.addEventListener("abort", this.#aborted, { once: true });
  }

  /** COM1 as Web Streams, unless the composer gave a `ByteStream` of its own. */
  get serial(): Pick<SerialPort, "readable" | "writable"> | undefined {
    return this.#parts.serial;
  }

  /** True while `run()` is pending. */
  get running(): boolean {
    return this.#running !== undefined;
  }

  /** Runs until the guest ends, or `pause`, `close` or the signal stops it. Called again after a pause it goes on. */
  run(): Promise<RunResult> {
    if (this.#closing !== undefined) return Promise.reject(new HvError("machine/closed", "the machine is closed"));
    if (this.#running !== undefined) return this.#running;
    if (this.#parts.loop.ended !== undefined) return Promise.resolve(this.#parts.loop.ended);
    const started = performance.now();
    this.#running = this.#parts.loop.run().finally(() => {
      this.#running = undefined;
      this.#wallMs += performance.now() - started;
    });
    return this.#running.then((result) => {
      this.#emit(result.kind === "stopped" ? "stopped" : "ended", result);
      return result;
    });
  }

  /** Stops the vCPUs at an instruction boundary; resolves when they stand still. */
  pause(): Promise<void> {
    return this.#stop("paused");
  }

  /** Stops the machine for good and lets go of everything that the host gave it. */
  close(): Promise<void> {
    return this.#close("closed");
  }

  /** Counters so far. */
  stats(): MachineStats {
    const { loop, clock, processors, core } = this.#parts;
    return {
      ...loop.counters,
      instructions: processors.retired,
      guestNs: clock.nowNs(),
      wallMs: this.#wallMs,
      vcpus: processors.stats,
      core: core.stats(),
    };
  }

  /** Calls `listener` at each event; returns a function that ends it. */
  on<Name extends keyof MachineEvents>(name: Name, listener: (event: MachineEvents[Name]) => void): () => void {
    const listeners = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, listeners);
    listeners.add(listener as (event: never) => void);
    return () => void listeners.delete(listener as (event: never) => void);
  }

  #emit<Name extends keyof MachineEvents>(name: Name, event: MachineEvents[Name]): void {
    for (const listener of this.#listeners.get(name) ?? []) listener(event as never);
  }

  async #stop(detail: string): Promise<void> {
    if (this.#running === undefined) return;
    this.#parts.loop.interrupt(detail);
    await this.#running.catch(() => {});
  }

  #close(detail: string): Promise<void> {
    this.#closing ??= (async () => {
      const { signal, board, backends, core, serial, host } = this.#parts;
      signal?.removeEventListener("abort", this.#aborted);
      await this.#stop(detail);
      backends.close();
      board.close();
      core.close();
      serial?.close();
      host.close();
      this.#emit("closed", undefined);
    })();
    return this.#closing;
  }
}

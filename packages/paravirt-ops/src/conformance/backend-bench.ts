/** A backend at work on the recording core and a board, with time that the test moves. */
import type { BackendDefinition, BackendEnvironment, InstalledBackend } from "../backend.js";
import type { Board, BoardDefinition } from "../board.js";
import type { Alarm } from "../handles/clock.js";
import { clockEventOver } from "../handles/clock-event.js";
import type { Ns } from "../units.js";
import { listOperations, type OperationGroup, type ParavirtOps } from "../ops/index.js";
import { plainBackend, plainOps } from "./plain-backend.js";
import { recordingBoard } from "./recording-board.js";
import { type RecordingCore, recordingCore } from "./recording-core.js";

const MIB = 0x100000;

/** A backend at work on the recording parts. */
export interface BackendBench {
  readonly backend: InstalledBackend;
  readonly core: RecordingCore;
  readonly environment: BackendEnvironment;
  /** Guest time, moved by the test; alarms fire as it passes. */
  advance(ns: Ns): void;
  /** Whose accesses are on the buses from now on; the first vCPU's before. */
  use(vcpu: number): void;
  /** Books time during which `vcpu` was ready and another one ran. */
  steal(vcpu: number, ns: Ns): void;
  /** What the backend ended the machine with. */
  readonly shutdowns: readonly string[];
}

/** A clock that the test moves. */
class HandClock {
  now = 0;
  readonly #armed = new Map<object, { deadlineNs: Ns; fire: (deadlineNs: Ns) => void }>();

  nowNs(): Ns {
    return this.now;
  }

  createAlarm(_name: string, fire: (deadlineNs: Ns) => void): Alarm {
    const armed = this.#armed;
    const alarm: Alarm = {
      arm: (deadlineNs) => void armed.set(alarm, { deadlineNs, fire }),
      disarm: () => void armed.delete(alarm),
      get deadlineNs() {
        return armed.get(alarm)?.deadlineNs;
      },
    };
    return alarm;
  }

  advance(ns: Ns): void {
    const until = this.now + ns;
    for (;;) {
      const due = [...this.#armed].filter(([, { deadlineNs }]) => deadlineNs <= until).sort((a, b) => a[1].deadlineNs - b[1].deadlineNs)[0];
      if (due === undefined) break;
      const [alarm, { deadlineNs, fire }] = due;
      this.#armed.delete(alarm);
      this.now = Math.max(this.now, deadlineNs);
      fire(deadlineNs);
    }
    this.now = until;
  }
}

/** Installs a backend, and the layers beneath it, on the recording core and on `board`: the recording one, or one at the work that it does. */
export async function backendBench(
  definition: BackendDefinition,
  layers: readonly BackendDefinition[] = [],
  vcpus = 2,
  board: BoardDefinition = recordingBoard(),
): Promise<BackendBench> {
  const clock = new HandClock();
  let current = 0;
  let instance: Board | undefined;
  const stolen = Array.from({ length: vcpus }, () => 0);
  const buses = board.createBuses();
  const core = await recordingCore().create({
    ...buses,
    memory: new WebAssembly.Memory({ initial: 1 }),
    ramBytes: 8 * MIB,
    vcpus,
    localInterrupts: {
      acknowledge: (vcpu) => instance?.localInterrupts.acknowledge(vcpu) ?? -1,
      readTaskPriority: (vcpu) => instance?.localInterrupts.readTaskPriority(vcpu) ?? 0,
      writeTaskPriority: (vcpu, value) => instance?.localInterrupts.writeTaskPriority(vcpu, value),
    },
    msrs: {
      msrRead: (vcpu, index) => instance?.msrs.msrRead(vcpu, index),
      msrWrite: (vcpu, index, value) => instance?.msrs.msrWrite(vcpu, index, value) ?? false,
    },
    readTsc: () => clock.now,
    tscHz: 1e9,
    random: () => {},
  });
  const shutdowns: string[] = [];
  instance = board.create({
    ...buses,
    ramBytes: 8 * MIB,
    vcpus,
    clock,
    wallClock: { nowMs: () => 1.7e12 },
    entropy: { fill: () => {} },
    serial: { write: () => true, onDrain: () => {}, onData: () => {}, ready: () => {} },
    drives: [],
    currentVcpu: () => current,
    power: () => {},
    setA20: () => {},
    tscHz: 1e9,
  });
  instance.connect({ vcpus: core.vcpus, memory: core.guestMemory });
  const environment: BackendEnvironment = {
    ...buses,
    vcpus: core.vcpus,
    memory: core.guestMemory,
    clock,
    time: {
      clocksource: { name: "hand", hz: 1e9, read: () => clock.now, stolenNs: (vcpu) => stolen[vcpu] ?? 0 },
      createClockEvent: (vcpu, name, expire) => clockEventOver(clock, vcpu, name, expire),
    },
    wallClock: { nowMs: () => 1.7e12 },
    entropy: { fill: (bytes) => void bytes.fill(7) },
    hypervisor: core.hypervisor,
    board: instance,
    cpuid: (leaf, subleaf) => ({ eax: leaf, ebx: subleaf, ecx: 0, edx: 0 }),
    console: { write: () => true, onDrain: () => {}, onData: () => {}, ready: () => {} },
    drives: [],
    ports: [],
    taps: {},
    shutdown: (reason, detail) => void shutdowns.push(`${reason}: ${detail}`),
  };
  const installed = new Map<string, InstalledBackend>();
  for (const layer of [...layers, definition]) {
    installed.set(layer.name, layer.install(installed.get(layer.needs.at(-1) ?? "")?.ops, environment));
  }
  return {
    backend: installed.get(definition.name)!,
    core,
    environment,
    advance: (ns) => clock.advance(ns),
    use: (vcpu) => {
      current = vcpu;
    },
    steal: (vcpu, ns) => {
      stolen[vcpu] = (stolen[vcpu] ?? 0) + ns;
    },
    shutdowns,
  };
}

/** The slots in which a backend differs from the layer beneath it, as "group.name", on `plainOps`. */
export async function ownAnswers(definition: BackendDefinition): Promise<string[]> {
  const ops = plainOps();
  const layers = definition.needs.map((name) => plainBackend({ name, install: () => ({ ops }) }));
  const { backend } = await backendBench(definition, layers);
  const own = listOperations().filter(({ group, name }) => slotOf(backend.ops, group, name) !== slotOf(ops, group, name));
  backend.close?.();
  return own.map(({ group, name }) => `${group}.${name}`);
}

const slotOf = (ops: ParavirtOps, group: OperationGroup, name: string): unknown => (ops[group] as Record<string, unknown>)[name];

/** A board without devices: two plain buses, recorded lines, and the environment in the test's hand. */
import { CONTRACT_VERSION } from "../abi.js";
import { type Board, type BoardDefinition, type BoardEnvironment, defineBoard } from "../board.js";
import type { MmioBus, MmioDevice } from "../bus/mmio.js";
import type { PioBus, PioDevice } from "../bus/pio.js";
import type { LocalInterrupts, MsrDevice } from "../core.js";
import type { GuestMemory } from "../handles/guest-memory.js";
import type { IrqLine, MsiSink } from "../handles/irq-line.js";
import type { Vcpu } from "../handles/vcpu.js";
import type { AccessSize } from "../units.js";

const ALL_ONES = { 1: 0xff, 2: 0xffff, 4: 0xffffffff } as const;

interface Attached<Device> {
  readonly base: number;
  readonly length: number;
  readonly device: Device;
}

/** A list of windows; first fit. */
class Windows<Device> {
  readonly #list: Attached<Device>[] = [];

  attach(base: number, length: number, device: Device): void {
    this.#list.push({ base, length, device });
  }

  detach(base: number): void {
    const index = this.#list.findIndex((window) => window.base === base);
    if (index >= 0) this.#list.splice(index, 1);
  }

  find(address: number, size: number): Attached<Device> | undefined {
    return this.#list.find(({ base, length }) => address >= base && address + size <= base + length);
  }
}

class ListPioBus implements PioBus {
  readonly #windows = new Windows<PioDevice>();

  attach(port: number, length: number, device: PioDevice): void {
    this.#windows.attach(port, length, device);
  }

  detach(port: number): void {
    this.#windows.detach(port);
  }

  read(port: number, size: AccessSize): number {
    const window = this.#windows.find(port, size);
    return window === undefined ? ALL_ONES[size] : window.device.pioRead(port - window.base, size);
  }

  write(port: number, size: AccessSize, value: number): void {
    const window = this.#windows.find(port, size);
    window?.device.pioWrite(port - window.base, size, value);
  }
}

class ListMmioBus implements MmioBus {
  readonly #windows = new Windows<MmioDevice>();

  attach(base: number, length: number, device: MmioDevice): void {
    this.#windows.attach(base, length, device);
  }

  detach(base: number): void {
    this.#windows.detach(base);
  }

  read(address: number, size: AccessSize): number {
    const window = this.#windows.find(address, size);
    return window === undefined ? ALL_ONES[size] : window.device.mmioRead(address - window.base, size);
  }

  write(address: number, size: AccessSize, value: number): void {
    const window = this.#windows.find(address, size);
    window?.device.mmioWrite(address - window.base, size, value);
  }
}

/** A recording board at work. */
export interface RecordingBoard extends Board {
  readonly environment: BoardEnvironment;
  /** What `connect` was given. */
  readonly parts: { readonly vcpus: readonly Vcpu[]; readonly memory: GuestMemory } | undefined;
  /** One line for each change of a wire: "gsi 4 true". */
  readonly log: string[];
  readonly firmwareFiles: ReadonlyMap<string, Uint8Array>;
  readonly closed: boolean;
}

/** A board definition that remembers its instances. */
export interface RecordingBoardDefinition extends BoardDefinition {
  readonly made: readonly RecordingBoard[];
}

class Recorder implements RecordingBoard {
  readonly log: string[] = [];
  readonly firmwareFiles = new Map<string, Uint8Array>();
  parts: { vcpus: readonly Vcpu[]; memory: GuestMemory } | undefined;
  closed = false;
  readonly localInterrupts: LocalInterrupts = { acknowledge: () => -1, readTaskPriority: () => 0, writeTaskPriority: () => {} };
  readonly msrs: MsrDevice = { msrRead: () => undefined, msrWrite: () => false };
  readonly msi: MsiSink = { send: (address, data) => void this.log.push(`msi ${address.toString(16)} ${data.toString(16)}`) };

  constructor(readonly environment: BoardEnvironment) {}

  connect(parts: { vcpus: readonly Vcpu[]; memory: GuestMemory }): void {
    this.parts = parts;
  }

  line(gsi: number): IrqLine {
    return { set: (level) => void this.log.push(`gsi ${gsi} ${level}`) };
  }

  timerLine(): IrqLine {
    return { set: (level) => void this.log.push(`timer ${level}`) };
  }

  localTimerLine(vcpu: number): IrqLine {
    return { set: (level) => void this.log.push(`timer of ${vcpu} ${level}`) };
  }

  installTables(): ReturnType<Board["installTables"]> {
    return { rsdp: 0x9fc00, reserved: [{ base: 0x9fc00, length: 0x400, kind: "reserved" }] };
  }

  addFirmwareFile(name: string, bytes: Uint8Array): void {
    this.firmwareFiles.set(name, bytes);
  }

  reset(): void {
    this.log.push("reset");
  }

  close(): void {
    this.closed = true;
  }
}

/** Makes a board definition; `start` gets each instance when its processors are connected. */
export function recordingBoard(start: (board: RecordingBoard) => void = () => {}): RecordingBoardDefinition {
  const made: RecordingBoard[] = [];
  const definition = defineBoard({
    name: "recording",
    contract: `^${CONTRACT_VERSION}`,
    capabilities: [],
    requires: [],
    made,
    createBuses: () => ({ pio: new ListPioBus(), mmio: new ListMmioBus() }),
    create: (environment) => {
      const board = new Recorder(environment);
      made.push(board);
      start(board);
      return board;
    },
  });
  return definition;
}

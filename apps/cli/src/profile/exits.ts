// How often, and for how long, the guest left the core: ports, device memory, MSRs of the board, the clock; and what backends were asked for.
// By wrapping the board's buses and the core's environment; a machine without a profile carries none of this.
import type { BoardDefinition, CoreDefinition, MmioBus, PioBus, Taps } from "@paravane/paravirt-ops";

/** One kind of exit. */
export interface ExitCount {
  count: number;
  /** Host milliseconds inside devices. */
  ms: number;
}

const MAX_KINDS = 4096;
/** Device memory is told by page. */
const PAGE_BITS = 12;

const hex = (value: number, digits: number): string => value.toString(16).padStart(digits, "0");

/** Counts the exits of one machine. */
export class Exits {
  readonly counts = new Map<string, ExitCount>();
  /** Operations, hypercalls, intercepts and deliveries that backends told of, by name. */
  readonly operations = new Map<string, number>();

  constructor(private readonly now: () => number = () => performance.now()) {}

  /** Forgets what was counted so far. */
  restart(): void {
    this.counts.clear();
    this.operations.clear();
  }

  /** The same board, with counted buses. */
  wrapBoard(board: BoardDefinition): BoardDefinition {
    return {
      ...board,
      createBuses: (tap) => {
        const { pio, mmio } = board.createBuses(tap);
        const page = (address: number): string => `memory ${hex(Math.floor(address / 2 ** PAGE_BITS) * 2 ** PAGE_BITS, 8)}`;
        return { pio: this.#wrapBus(pio, (port) => `port ${hex(port, 3)}`), mmio: this.#wrapBus(mmio, page) };
      },
    };
  }

  /** The same core, with a counted environment. */
  wrapCore(definition: CoreDefinition): CoreDefinition {
    return {
      ...definition,
      create: (environment) => {
        const { msrs, localInterrupts } = environment;
        return definition.create({
          ...environment,
          readTsc: (vcpu) => this.#timed("time-stamp counter", () => environment.readTsc(vcpu)),
          msrs: {
            msrRead: (vcpu, index) => this.#timed(`MSR ${hex(index, 3)} read`, () => msrs.msrRead(vcpu, index)),
            msrWrite: (vcpu, index, value) => this.#timed(`MSR ${hex(index, 3)} write`, () => msrs.msrWrite(vcpu, index, value)),
          },
          localInterrupts: {
            acknowledge: (vcpu) => this.#timed("interrupt acknowledged", () => localInterrupts.acknowledge(vcpu)),
            readTaskPriority: (vcpu) => this.#timed("CR8 read", () => localInterrupts.readTaskPriority(vcpu)),
            writeTaskPriority: (vcpu, cr8) => this.#timed("CR8 write", () => localInterrupts.writeTaskPriority(vcpu, cr8)),
          },
        });
      },
    };
  }

  /** Taps for the machine, which backends call. */
  get taps(): Taps {
    const count = (name: string): void => {
      if (this.operations.size < MAX_KINDS || this.operations.has(name)) this.operations.set(name, (this.operations.get(name) ?? 0) + 1);
    };
    return {
      operation: (_at, _vcpu, group, name) => count(`operation ${group}.${name}`),
      intercept: (_at, _vcpu, { instruction }) => count(`intercept ${instruction}`),
      hypercall: (_at, _vcpu, name) => count(`hypercall ${name}`),
      delivery: (_at, _vcpu, { kind, vector }) => count(`delivery ${kind}${vector === undefined ? "" : ` ${hex(vector, 2)}`}`),
    };
  }

  #timed<T>(kind: string, work: () => T): T {
    const started = this.now();
    const result = work();
    const ms = this.now() - started;
    const entry = this.counts.get(kind);
    if (entry !== undefined) {
      entry.count++;
      entry.ms += ms;
    } else if (this.counts.size < MAX_KINDS) this.counts.set(kind, { count: 1, ms });
    return result;
  }

  #wrapBus<B extends PioBus | MmioBus>(bus: B, name: (address: number) => string): B {
    const under = bus as PioBus;
    const counted: PioBus = {
      attach: (address, length, device) => under.attach(address, length, device),
      detach: (address) => under.detach(address),
      read: (address, size) => this.#timed(`${name(address)} read`, () => under.read(address, size)),
      write: (address, size, value) => this.#timed(`${name(address)} write`, () => under.write(address, size, value)),
    };
    return counted as B;
  }
}

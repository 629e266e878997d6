/** A whole board on its buses, with processors that write down what reaches them. */
import type { BoardDrive, ByteStream, MmioBus, PioBus, PowerEvent, Vcpu } from "@paravane/paravirt-ops";
import { pcBoard } from "../src/board/pc-board.js";
import { RecordingProcessor } from "./apic-rig.js";
import { ManualClock } from "./fakes.js";
import { createRam } from "./ram.js";

interface Buses {
  readonly pio: PioBus;
  readonly mmio: MmioBus;
}

/** `around` may put something between the board and its buses. */
export function pcRig(
  options: { vcpus?: number; exitPort?: number; testDevice?: boolean; drives?: BoardDrive[]; console?: ByteStream } = {},
  around: (buses: Buses) => Buses = (buses) => buses,
) {
  const vcpus = options.vcpus ?? 1;
  const clock = new ManualClock();
  const power: PowerEvent[] = [];
  const a20: boolean[] = [];
  const console = { text: "" };
  let current = 0;
  let onData: (bytes: Uint8Array) => number = () => 0;
  const buses = around(pcBoard.createBuses());
  const board = pcBoard.create({
    ...buses,
    ramBytes: 64 << 20,
    vcpus,
    clock,
    wallClock: { nowMs: () => Date.UTC(2026, 10, 21, 12, 34, 56) },
    entropy: { fill: (bytes) => void bytes.fill(7) },
    serial: {
      write(bytes) {
        console.text += String.fromCharCode(...bytes);
        return true;
      },
      onDrain: () => {},
      onData: (listener) => {
        onData = listener;
      },
      ready: () => {},
    },
    drives: options.drives ?? [],
    ...(options.console === undefined ? {} : { console: options.console }),
    ...(options.exitPort === undefined ? {} : { exitPort: options.exitPort }),
    ...(options.testDevice === undefined ? {} : { testDevice: options.testDevice }),
    currentVcpu: () => current,
    power: (event) => void power.push(event),
    setA20: (enabled) => void a20.push(enabled),
    tscHz: 1e9,
  });
  const cpus = Array.from({ length: vcpus }, (_, id) => Object.assign(new RecordingProcessor(), { id }));
  const memory = createRam(4 << 20);
  board.connect({ vcpus: cpus as unknown as Vcpu[], memory });
  const as = (n: number) => {
    current = n;
  };
  const { pio, mmio } = buses;
  const ioapicWrite = (register: number, value: number) => {
    mmio.write(0xfec00000, 4, register);
    mmio.write(0xfec00010, 4, value);
  };
  /** Takes the interrupt that waits for vCPU `n` and ends it at its local APIC; -1 when none does. */
  const take = (n = 0) => {
    if (!cpus[n]!.intr) return -1;
    const vector = board.localInterrupts.acknowledge(n);
    as(n);
    mmio.write(0xfee000b0, 4, 0);
    return vector;
  };
  return {
    ...buses,
    pio,
    mmio,
    board,
    clock,
    power,
    a20,
    console,
    cpus,
    memory,
    as,
    ioapicWrite,
    take,
    type: (text: string) => onData(new TextEncoder().encode(text)),
  };
}

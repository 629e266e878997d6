/**
 * Bus 0 of a PCI machine: up to 32 single-function devices, reached by configuration mechanism #1, and the work that firmware does for
 * an operating system: windows placed, interrupt lines named. PCI Local Bus Specification 3.0 §3.2.2.3.2 and §6.2.
 * Left out: further buses, multi-function devices, hot plug.
 */
import { HvError } from "@paravane/paravirt-ops";
import type { AccessSize } from "@paravane/paravirt-ops";
import { requireSchema } from "../schema.js";
import { COMMAND_IO, COMMAND_MEMORY } from "./config-space.js";
import type { PciConfigSpace } from "./config-space.js";

/** One function as the bus sees it. Configuration accesses go through it, so that it can act on them. */
export interface PciFunction {
  readonly name: string;
  readonly space: PciConfigSpace;
  configRead(offset: number, size: AccessSize): number;
  configWrite(offset: number, size: AccessSize, value: number): void;
  /** The configuration space has changed, or a window elsewhere has: put the windows where they belong. */
  remap(): void;
  /** Back to power-on state. */
  reset(): void;
  save(): { schema: string };
  /** Restores registers and drives wires to the levels they mean; windows follow by `remap`. */
  load(state: { schema: string }): void;
}

/** Where firmware places windows. `memoryLimit` and `ioLimit` are the first addresses past the end. */
export interface PciWindows {
  readonly memoryBase: number;
  readonly memoryLimit: number;
  readonly ioBase: number;
  readonly ioLimit: number;
}

/** The part of the device hole that the ACPI tables promise to PCI, and I/O ports no legacy device uses. */
export const defaultPciWindows: PciWindows = { memoryBase: 0xe000_0000, memoryLimit: 0xfec0_0000, ioBase: 0xc000, ioLimit: 0x1_0000 };

/** Saved devices of a bus, by slot. */
export interface PciBusState {
  schema: "pci-bus@1";
  functions: { slot: number; state: { schema: string } }[];
}

const ones = (size: AccessSize): number => (size === 4 ? 0xffff_ffff : (1 << (8 * size)) - 1);

/** The devices on bus 0. */
export class PciBus {
  readonly #functions: (PciFunction | undefined)[] = new Array(32).fill(undefined);

  /** First free slot. @throws HvError "pci/slot" when there is none */
  nextSlot(): number {
    const slot = this.#functions.indexOf(undefined);
    if (slot < 0) throw new HvError("pci/slot", "no PCI slot is left: a bus has 32", { hint: "attach fewer devices" });
    return slot;
  }
  /** Plugs a device into a slot, by default the first free one, and returns the slot. @throws HvError "pci/slot" */
  add(fn: PciFunction, slot = this.nextSlot()): number {
    if (slot < 0 || slot > 31 || this.#functions[slot] !== undefined)
      throw new HvError("pci/slot", `PCI slot ${slot} is not free for ${fn.name}`);
    this.#functions[slot] = fn;
    return slot;
  }
  /** The device in a slot. */
  at(slot: number): PciFunction | undefined {
    return this.#functions[slot];
  }

  /** Reads configuration space; nobody there reads as ones. */
  read(bus: number, slot: number, fn: number, offset: number, size: AccessSize): number {
    const target = bus === 0 && fn === 0 ? this.#functions[slot] : undefined;
    return target === undefined ? ones(size) : target.configRead(offset, size);
  }
  /** Writes configuration space. A window that moves may uncover another, so everyone looks again. */
  write(bus: number, slot: number, fn: number, offset: number, size: AccessSize, value: number): void {
    const target = bus === 0 && fn === 0 ? this.#functions[slot] : undefined;
    if (target === undefined) return;
    target.configWrite(offset, size, value);
    if (offset < 0x28 && offset + size > 0x04) {
      target.remap();
      this.remap();
    }
  }

  /** Puts all windows where the configuration spaces say. */
  remap(): void {
    for (const fn of this.#functions) fn?.remap();
  }

  /**
   * Resets all functions and does firmware's part: windows placed from the bottom up, largest first, spaces enabled, interrupt lines written.
   *
   * @param interruptLine - ISA IRQ that the INTx pin (1–4) of a slot reaches without an I/O APIC
   * @throws HvError "pci/no-space" when the windows do not fit
   */
  assign(interruptLine: (slot: number, pin: number) => number, windows: PciWindows = defaultPciWindows): void {
    for (const fn of this.#functions) fn?.reset();
    this.remap();
    let memory = windows.memoryBase;
    let io = windows.ioBase;
    const bars = this.#functions.flatMap((fn) => (fn === undefined ? [] : fn.space.bars.map((bar) => ({ space: fn.space, bar }))));
    bars.sort((a, b) => b.bar.size - a.bar.size);
    for (const { space, bar } of bars) {
      const isIo = bar.kind === "io";
      const grain = Math.max(bar.size, isIo ? 16 : 4096);
      const base = Math.ceil((isIo ? io : memory) / grain) * grain;
      if (base + bar.size > (isIo ? windows.ioLimit : windows.memoryLimit)) throw new HvError("pci/no-space", "the PCI windows do not fit");
      space.placeBar(bar, base);
      if (isIo) io = base + bar.size;
      else memory = base + bar.size;
    }
    this.#functions.forEach((fn, slot) => {
      if (fn === undefined) return;
      fn.space.setCommand(fn.space.command | COMMAND_IO | COMMAND_MEMORY);
      if (fn.space.interruptPin !== 0) fn.space.setInterruptLine(interruptLine(slot, fn.space.interruptPin));
    });
    this.remap();
  }

  save(): PciBusState {
    return {
      schema: "pci-bus@1",
      functions: this.#functions.flatMap((fn, slot) => (fn === undefined ? [] : [{ slot, state: fn.save() }])),
    };
  }
  /** @throws HvError "snapshot/mismatch" when other slots are in use than were saved */
  load(state: PciBusState): void {
    requireSchema(state, "pci-bus@1");
    const here = this.#functions.flatMap((fn, slot) => (fn === undefined ? [] : [slot]));
    if (here.join() !== state.functions.map((saved) => saved.slot).join()) {
      throw new HvError("snapshot/mismatch", "the snapshot was made with other PCI devices than this machine has");
    }
    for (const saved of state.functions) this.#functions[saved.slot]!.load(saved.state);
    // Windows may have traded places: the first pass frees the old ones, the second takes what the first found still occupied.
    this.remap();
    this.remap();
  }
}

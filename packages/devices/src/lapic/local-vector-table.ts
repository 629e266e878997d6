/**
 * The local vector table and the two pins that belong to it. SDM Vol. 3A §11.5.1-11.5.3.
 * Its interrupts are those of one processor: they go straight to its IRR, its NMI or its INTR, and no routing knows of them.
 */
import * as R from "./registers.js";

/** Everything the table remembers. */
export interface LocalVectorTableState {
  entries: number[];
  lint0: boolean;
  lint1: boolean;
}

/** Timer, thermal, performance, LINT0, LINT1 and error entries. `deliver` takes delivery mode, vector and whether it is level-triggered. */
export class LocalVectorTable {
  readonly #deliver: (mode: number, vector: number, level: boolean) => void;
  readonly #entries = new Uint32Array(6);
  #lint0 = false;
  #lint1 = false;

  constructor(deliver: (mode: number, vector: number, level: boolean) => void) {
    this.#deliver = deliver;
    this.clear();
  }

  /** All entries masked, as after reset. The pins keep their levels. */
  clear(): void {
    this.#entries.fill(R.LVT_MASKED);
  }

  /** What software-disabling the APIC does. */
  maskAll(): void {
    for (let index = 0; index < this.#entries.length; index++) this.#entries[index]! |= R.LVT_MASKED;
  }

  read(index: number): number {
    return this.#entries[index]!;
  }

  /** Writes an entry; while the APIC is software-disabled its mask bit cannot be cleared. */
  write(index: number, value: number, softwareEnabled: boolean): void {
    let entry = value & R.LVT_WRITABLE[index]!;
    if (!softwareEnabled) entry |= R.LVT_MASKED;
    const stillLevel = (entry & R.LVT_LEVEL) !== 0 && ((entry >> 8) & 7) === R.MODE_FIXED;
    this.#entries[index] = entry | (stillLevel ? this.#entries[index]! & R.LVT_REMOTE_IRR : 0);
  }

  /** Vector of an entry that is not masked, otherwise -1. */
  unmaskedVector(index: number): number {
    const entry = this.#entries[index]!;
    return entry & R.LVT_MASKED ? -1 : entry & 0xff;
  }

  /** Level of the LINT0 pin. */
  get lint0(): boolean {
    return this.#lint0;
  }

  /** True while LINT0 asks for an 8259 interrupt. */
  get extIntRequested(): boolean {
    const entry = this.#entries[R.LVT_LINT0]!;
    return this.#lint0 && (entry & R.LVT_MASKED) === 0 && ((entry >> 8) & 7) === R.MODE_EXTINT;
  }

  /** Drives a pin. Nothing is delivered while the APIC is disabled. */
  setPin(index: typeof R.LVT_LINT0 | typeof R.LVT_LINT1, level: boolean, enabled: boolean): void {
    if (level === this.#pin(index)) return;
    if (index === R.LVT_LINT0) this.#lint0 = level;
    else this.#lint1 = level;
    if (enabled && level) this.#asserted(index, true);
  }

  /** A pin's entry was written: a level that waits is delivered now. */
  reconsider(index: number): void {
    if (this.#pin(index)) this.#asserted(index, false);
  }

  /** EOI of a level-triggered vector: the pin that gave it asks again while it is high. */
  endOfInterrupt(vector: number): void {
    for (const index of [R.LVT_LINT0, R.LVT_LINT1]) {
      const entry = this.#entries[index]!;
      if ((entry & 0xff) !== vector || (entry & R.LVT_REMOTE_IRR) === 0) continue;
      this.#entries[index] = entry & ~R.LVT_REMOTE_IRR;
      this.reconsider(index);
    }
  }

  save(): LocalVectorTableState {
    return { entries: [...this.#entries], lint0: this.#lint0, lint1: this.#lint1 };
  }

  /** Restores entries and pins; nothing is delivered. */
  load(state: LocalVectorTableState): void {
    this.#entries.set(state.entries);
    this.#lint0 = state.lint0;
    this.#lint1 = state.lint1;
  }

  #pin(index: number): boolean {
    return index === R.LVT_LINT0 ? this.#lint0 : index === R.LVT_LINT1 && this.#lint1;
  }

  /** A pin is high: `rises` tells an edge from a level that has been there. ExtINT is a level that `extIntRequested` shows. */
  #asserted(index: number, rises: boolean): void {
    const entry = this.#entries[index]!;
    if (entry & R.LVT_MASKED) return;
    const mode = (entry >> 8) & 7;
    if (mode === R.MODE_FIXED && entry & R.LVT_LEVEL) {
      if (entry & R.LVT_REMOTE_IRR) return;
      this.#entries[index] = entry | R.LVT_REMOTE_IRR;
      this.#deliver(mode, entry & 0xff, true);
    } else if (rises && mode !== R.MODE_EXTINT) this.#deliver(mode, entry & 0xff, false);
  }
}

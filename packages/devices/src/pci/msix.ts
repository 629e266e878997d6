/**
 * MSI-X: a table of messages and their pending bits in a memory window, two control bits in a capability.
 * PCI Local Bus Specification 3.0 §6.8.2. Entries are 16 bytes: address low, address high, data, vector control.
 */
import type { AccessSize, MsiSink } from "@paravane/paravirt-ops";
import { requireSchema } from "../schema.js";

/** Id of the MSI-X capability. */
export const CAP_MSIX = 0x11;
const CONTROL_ENABLE = 1 << 15;
const CONTROL_FUNCTION_MASK = 1 << 14;
const VECTOR_MASKED = 1;
const WORDS_PER_ENTRY = 4;

/** Saved MSI-X state. `table` is 4 words an entry. */
export interface MsixState {
  schema: "msix@1";
  table: number[];
  pending: number[];
  control: number;
}

/** Messages of one function. */
export class Msix {
  readonly #table: Uint32Array;
  readonly #pending: Uint32Array;
  readonly #sink: MsiSink;
  /** Bus Master Enable: a message is a memory write of the function. */
  readonly #mayWrite: () => boolean;
  #control = 0;

  constructor(vectors: number, sink: MsiSink, mayWrite: () => boolean) {
    this.#table = new Uint32Array(vectors * WORDS_PER_ENTRY);
    this.#pending = new Uint32Array(((vectors + 63) >> 6) << 1);
    this.#sink = sink;
    this.#mayWrite = mayWrite;
    this.reset();
  }

  /** Number of table entries. */
  get vectors(): number {
    return this.#table.length / WORDS_PER_ENTRY;
  }
  /** True while messages replace INTx. */
  get enabled(): boolean {
    return (this.#control & CONTROL_ENABLE) !== 0;
  }

  /** Body of the capability: message control, then table and pending bits as offset into BAR `bar`. */
  capability(bar: number, tableOffset: number, pendingOffset: number): { body: Uint8Array; writable: Uint8Array } {
    const body = new Uint8Array(10);
    const view = new DataView(body.buffer);
    view.setUint16(0, this.vectors - 1, true);
    view.setUint32(2, tableOffset | bar, true);
    view.setUint32(6, pendingOffset | bar, true);
    const writable = new Uint8Array(10);
    writable[1] = (CONTROL_ENABLE | CONTROL_FUNCTION_MASK) >> 8;
    return { body, writable };
  }

  /** The capability's message control has this value now. */
  setControl(control: number): void {
    this.#control = control & (CONTROL_ENABLE | CONTROL_FUNCTION_MASK);
    this.sendPending();
  }

  /** Sends message `vector`, or remembers it while it is masked. Outside the table nothing happens. */
  notify(vector: number): void {
    if (vector >= this.vectors || !this.enabled) return;
    if (this.#masked(vector)) this.#pending[vector >> 5] = this.#pending[vector >> 5]! | (1 << (vector & 31));
    else this.#send(vector);
  }

  /** Sends what was held back and may go now. */
  sendPending(): void {
    if (!this.enabled) return;
    for (let word = 0; word < this.#pending.length; word++) {
      let bits = this.#pending[word]!;
      while (bits !== 0) {
        const bit = 31 - Math.clz32(bits);
        bits &= ~(1 << bit);
        const vector = word * 32 + bit;
        if (this.#masked(vector)) continue;
        this.#pending[word] = this.#pending[word]! & ~(1 << bit);
        this.#send(vector);
      }
    }
  }

  /** Software must use whole aligned doublewords here; anything else reads zero and writes nothing. */
  readTable(offset: number, size: AccessSize): number {
    return size === 4 && (offset & 3) === 0 ? (this.#table[offset >> 2] ?? 0) : 0;
  }
  writeTable(offset: number, size: AccessSize, value: number): void {
    const index = offset >> 2;
    if (size !== 4 || (offset & 3) !== 0 || index >= this.#table.length) return;
    const part = index % WORDS_PER_ENTRY;
    this.#table[index] = part === 0 ? value & ~3 : part === 3 ? value & VECTOR_MASKED : value;
    if (part === 3) this.sendPending();
  }
  readPending(offset: number, size: AccessSize): number {
    return size === 4 && (offset & 3) === 0 ? (this.#pending[offset >> 2] ?? 0) : 0;
  }

  /** All vectors masked, nothing pending, disabled. */
  reset(): void {
    this.#table.fill(0);
    for (let i = 3; i < this.#table.length; i += WORDS_PER_ENTRY) this.#table[i] = VECTOR_MASKED;
    this.#pending.fill(0);
    this.#control = 0;
  }
  save(): MsixState {
    return { schema: "msix@1", table: [...this.#table], pending: [...this.#pending], control: this.#control };
  }
  /** Sends nothing: messages that were pending stay so until they are unmasked. */
  load(state: MsixState): void {
    requireSchema(state, "msix@1");
    this.#table.set(state.table.slice(0, this.#table.length));
    this.#pending.set(state.pending.slice(0, this.#pending.length));
    this.#control = state.control & (CONTROL_ENABLE | CONTROL_FUNCTION_MASK);
  }

  #masked(vector: number): boolean {
    return (this.#control & CONTROL_FUNCTION_MASK) !== 0 || (this.#table[vector * WORDS_PER_ENTRY + 3]! & VECTOR_MASKED) !== 0;
  }
  #send(vector: number): void {
    if (!this.#mayWrite()) return;
    const at = vector * WORDS_PER_ENTRY;
    const high = this.#table[at + 1]!;
    if (high < 2 ** 21) this.#sink.send(this.#table[at]! + high * 2 ** 32, this.#table[at + 2]!);
  }
}

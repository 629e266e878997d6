/**
 * QEMU's firmware configuration device, as guests and firmware know it: items by number, a directory of named ones, a byte port and DMA.
 * QEMU docs/specs/fw_cfg.rst. Big-endian where that document says so; numbered items are little-endian.
 * Left out: writing to items (their DMA writes fail), the memory-mapped variant.
 */
import { HvError } from "@paravane/paravirt-ops";
import type { GuestMemory } from "@paravane/paravirt-ops";
import { requireSchema } from "../schema.js";

/** Item numbers that guests ask for. */
export const FW_CFG_SIGNATURE = 0x00,
  FW_CFG_ID = 0x01,
  FW_CFG_RAM_SIZE = 0x03,
  FW_CFG_NB_CPUS = 0x05,
  FW_CFG_MAX_CPUS = 0x0f,
  FW_CFG_FILE_DIR = 0x19;
const FW_CFG_FILE_FIRST = 0x20;
const SELECTOR_MASK = 0x3fff;
const ID_TRADITIONAL = 1,
  ID_DMA = 2;
const NAME_LENGTH = 56,
  ENTRY_LENGTH = 64;

const DMA_ERROR = 1,
  DMA_READ = 2,
  DMA_SKIP = 4,
  DMA_SELECT = 8,
  DMA_WRITE = 16;
/** What the DMA address register reads as: "QEMU CFG". */
const DMA_SIGNATURE = [0x51, 0x45, 0x4d, 0x55, 0x20, 0x43, 0x46, 0x47];

/** Saved registers. The items are configuration and come from whoever builds the machine. */
export interface FwCfgState {
  schema: "fw-cfg@1";
  selector: number;
  offset: number;
  dmaAddress: number[];
}

/** The device: a selector, a position, items. */
export class FwCfg {
  readonly #items = new Map<number, Uint8Array>();
  readonly #files: { name: string; selector: number; size: number }[] = [];
  #memory: GuestMemory | undefined;
  #selector = 0;
  #offset = 0;
  /** The DMA address register as its eight ports hold it, most significant byte first. */
  readonly #dmaAddress = new Uint8Array(8);

  constructor() {
    this.setItem(FW_CFG_SIGNATURE, new TextEncoder().encode("QEMU"));
    this.setItem(FW_CFG_ID, littleEndian(ID_TRADITIONAL | ID_DMA, 4));
    this.#writeDirectory();
  }

  /** Guest memory exists now; DMA works from here on. */
  connect(memory: GuestMemory): void {
    this.#memory = memory;
  }

  /** Sets a numbered item. */
  setItem(selector: number, bytes: Uint8Array): void {
    this.#items.set(selector & SELECTOR_MASK, bytes.slice());
  }
  /** Sets a numbered item to an unsigned number of `size` bytes. */
  setNumber(selector: number, value: number, size: number): void {
    this.setItem(selector, littleEndian(value, size));
  }
  /** Adds a named file, or replaces one of that name. @throws HvError "fw-cfg/bad-name" for a name that has no room in the directory */
  addFile(name: string, bytes: Uint8Array): void {
    if (name.length === 0 || name.length >= NAME_LENGTH || !/^[\x21-\x7e]+$/.test(name)) {
      throw new HvError(
        "fw-cfg/bad-name",
        `"${name}" cannot be a firmware file: 1 to ${NAME_LENGTH - 1} printable ASCII characters are needed`,
      );
    }
    let file = this.#files.find((each) => each.name === name);
    if (file === undefined) {
      file = { name, selector: FW_CFG_FILE_FIRST + this.#files.length, size: 0 };
      this.#files.push(file);
    }
    file.size = bytes.length;
    this.setItem(file.selector, bytes);
    this.#writeDirectory();
  }

  /** Chooses an item and goes to its start. */
  select(selector: number): void {
    this.#selector = selector & 0xffff;
    this.#offset = 0;
  }
  /** Next byte of the chosen item; past its end, and where there is none, zero. */
  readData(): number {
    const item = this.#item();
    return item !== undefined && this.#offset < item.length ? item[this.#offset++]! : 0;
  }
  /** Port 0–7 of the DMA address register. */
  readDma(port: number): number {
    return DMA_SIGNATURE[port] ?? 0xff;
  }
  /** Writing the last port starts the transfer. */
  writeDma(port: number, value: number): void {
    this.#dmaAddress[port] = value;
    if (port === 7) this.#transfer();
  }

  /** Power-on state; items stay. */
  reset(): void {
    this.#selector = 0;
    this.#offset = 0;
    this.#dmaAddress.fill(0);
  }
  save(): FwCfgState {
    return { schema: "fw-cfg@1", selector: this.#selector, offset: this.#offset, dmaAddress: [...this.#dmaAddress] };
  }
  load(state: FwCfgState): void {
    requireSchema(state, "fw-cfg@1");
    this.#selector = state.selector & 0xffff;
    this.#offset = state.offset;
    this.#dmaAddress.set(state.dmaAddress.slice(0, 8));
  }

  #item(): Uint8Array | undefined {
    return this.#items.get(this.#selector & SELECTOR_MASK);
  }

  /** `struct FWCfgDmaAccess`: control, length, address; 4, 4 and 8 bytes, big-endian. Control becomes zero, or the error bit. */
  #transfer(): void {
    const memory = this.#memory;
    const register = new DataView(this.#dmaAddress.buffer);
    const at = register.getUint32(0) * 2 ** 32 + register.getUint32(4);
    this.#dmaAddress.fill(0);
    if (memory === undefined || !memory.contains(at, 16)) return;
    const access = memory.view(at, 16).slice();
    const view = new DataView(access.buffer);
    const control = view.getUint32(0);
    const length = view.getUint32(4);
    const address = view.getUint32(8) * 2 ** 32 + view.getUint32(12);
    const failed = !this.#perform(memory, control, length, address);
    memory.write(at, new Uint8Array([0, 0, 0, failed ? DMA_ERROR : 0]));
  }
  #perform(memory: GuestMemory, control: number, length: number, address: number): boolean {
    if ((control & DMA_SELECT) !== 0) this.select(control >>> 16);
    const item = this.#item();
    const rest = item === undefined ? 0 : Math.max(0, item.length - this.#offset);
    const part = Math.min(length, rest);
    if ((control & DMA_READ) !== 0) {
      if (!memory.contains(address, length)) return false;
      if (item !== undefined && part > 0) memory.write(address, item.subarray(this.#offset, this.#offset + part));
      if (length > part) memory.fill(address + part, length - part, 0);
    } else if ((control & DMA_WRITE) !== 0) {
      return false;
    } else if ((control & DMA_SKIP) === 0) {
      return true;
    }
    this.#offset += part;
    return true;
  }

  /** Count, then per file size, selector, reserved and name; sorted by name as firmware expects. */
  #writeDirectory(): void {
    const bytes = new Uint8Array(4 + ENTRY_LENGTH * this.#files.length);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, this.#files.length);
    const sorted = [...this.#files].sort((a, b) => (a.name < b.name ? -1 : 1));
    sorted.forEach((file, i) => {
      const at = 4 + ENTRY_LENGTH * i;
      view.setUint32(at, file.size);
      view.setUint16(at + 4, file.selector);
      bytes.set(new TextEncoder().encode(file.name), at + 8);
    });
    this.#items.set(FW_CFG_FILE_DIR, bytes);
  }
}

function littleEndian(value: number, size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => Math.floor(value / 2 ** (8 * i)) % 256);
}

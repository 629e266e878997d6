/**
 * A VGA as far as text consoles need one: 128 KiB of memory at 0xa0000 as plain bytes, the register files, a cursor, retrace flags that
 * follow guest time. IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem".
 * Left out: planes, write modes and latches, character generator memory, graphics modes, the 0x3c3/0x46e8 enable ports, the vertical
 * retrace interrupt. Registers of those hold what is written to them.
 */
import type { Clock } from "@paravane/paravirt-ops";
import { requireSchema } from "../schema.js";
import { cp437 } from "./cp437.js";
import {
  ATTRIBUTE_MODE_3,
  ATTRIBUTE_REGISTERS,
  CRTC_CURSOR_END,
  CRTC_CURSOR_HIGH,
  CRTC_CURSOR_LOW,
  CRTC_CURSOR_START,
  CRTC_HORIZONTAL_END,
  CRTC_MAX_SCAN_LINE,
  CRTC_MODE_3,
  CRTC_OFFSET,
  CRTC_OVERFLOW,
  CRTC_REGISTERS,
  CRTC_START_HIGH,
  CRTC_START_LOW,
  CRTC_VERTICAL_END,
  CRTC_VERTICAL_SYNC_END,
  DAC_BYTES,
  GRAPHICS_MODE_3,
  GRAPHICS_REGISTERS,
  MISC_MODE_3,
  SEQUENCER_MODE_3,
  SEQUENCER_REGISTERS,
  defaultDac,
} from "./registers.js";

/** Bytes of display memory, seen at 0xa0000–0xbffff. */
export const VGA_MEMORY_SIZE = 0x2_0000;
const COLOR_TEXT = 0x1_8000,
  MONO_TEXT = 0x1_0000,
  TEXT_LENGTH = 0x8000;

const MISC_COLOR = 1 << 0;
const CRTC_PROTECT = 1 << 7;
const CURSOR_OFF = 1 << 5;
const STATUS1_BLANK = 1 << 0,
  STATUS1_RETRACE = 1 << 3;
const ATTRIBUTE_VIDEO_ON = 1 << 5;

/** Mode 3 on a screen: 449 lines of 31.78 µs, of which 400 are seen; sync lies in lines 412 and 413. */
const LINE_NS = 31_778,
  LINES = 449,
  VISIBLE_LINES = 400,
  SYNC_LINE = 412,
  VISIBLE_NS = 25_422;

/** Saved VGA. `memory` and `dac` are base64. */
export interface VgaState {
  schema: "vga@1";
  memory: string;
  misc: number;
  feature: number;
  crtcIndex: number;
  sequencerIndex: number;
  graphicsIndex: number;
  attributeIndex: number;
  attributeData: boolean;
  crtc: number[];
  sequencer: number[];
  graphics: number[];
  attribute: number[];
  dac: string;
  dacMask: number;
  dacAddress: number;
  dacComponent: number;
  dacReading: boolean;
  dacLatch: number[];
}

/** One character on the screen. `attribute` is background << 4 | foreground. */
export interface TextCell {
  readonly character: string;
  readonly attribute: number;
}

/** A VGA in text mode. Ports are given by number, 0x3b0–0x3df. */
export class Vga {
  readonly #clock: Clock;
  readonly #memory = new Uint8Array(VGA_MEMORY_SIZE);
  readonly #crtc = new Uint8Array(CRTC_REGISTERS);
  readonly #sequencer = new Uint8Array(SEQUENCER_REGISTERS);
  readonly #graphics = new Uint8Array(GRAPHICS_REGISTERS);
  readonly #attribute = new Uint8Array(ATTRIBUTE_REGISTERS);
  readonly #dac = new Uint8Array(DAC_BYTES);
  /** Components of the colour being written: the DAC takes all three at once. */
  readonly #dacLatch = new Uint8Array(3);
  #misc = 0;
  #feature = 0;
  #crtcIndex = 0;
  #sequencerIndex = 0;
  #graphicsIndex = 0;
  #attributeIndex = 0;
  /** The attribute port takes an index and its data in turn. */
  #attributeData = false;
  #dacMask = 0xff;
  #dacAddress = 0;
  #dacComponent = 0;
  #dacReading = false;
  #revision = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.reset();
  }

  /** Changes whenever memory or a register was written, so that a viewer knows when to look again. */
  get revision(): number {
    return this.#revision;
  }
  get columns(): number {
    return this.#crtc[CRTC_HORIZONTAL_END]! + 1;
  }
  get rows(): number {
    const overflow = this.#crtc[CRTC_OVERFLOW]!;
    const lines = (this.#crtc[CRTC_VERTICAL_END]! | ((overflow & 0x02) << 7) | ((overflow & 0x40) << 3)) + 1;
    return Math.min(100, Math.max(1, Math.floor(lines / ((this.#crtc[CRTC_MAX_SCAN_LINE]! & 0x1f) + 1))));
  }
  /** Where the cursor is; undefined while it is off or not on the screen. */
  get cursor(): { row: number; column: number } | undefined {
    const start = this.#crtc[CRTC_CURSOR_START]!;
    const hidden = (start & CURSOR_OFF) !== 0 || (start & 0x1f) > (this.#crtc[CRTC_CURSOR_END]! & 0x1f);
    const at = ((this.#crtc[CRTC_CURSOR_HIGH]! << 8) | this.#crtc[CRTC_CURSOR_LOW]!) - this.#start;
    const row = Math.floor(at / this.#pitch);
    const column = at % this.#pitch;
    return hidden || at < 0 || row >= this.rows || column >= this.columns ? undefined : { row, column };
  }
  /** The character at a place of the screen. */
  cell(row: number, column: number): TextCell {
    const base = (this.#misc & MISC_COLOR) !== 0 ? COLOR_TEXT : MONO_TEXT;
    const at = base + ((2 * (this.#start + row * this.#pitch + column)) & (TEXT_LENGTH - 1));
    return { character: cp437[this.#memory[at]!]!, attribute: this.#memory[at + 1]! };
  }
  /** The screen's lines without trailing blanks. */
  text(): string[] {
    const { rows, columns } = this;
    return Array.from({ length: rows }, (_, row) =>
      Array.from({ length: columns }, (_, column) => this.cell(row, column).character)
        .join("")
        .trimEnd(),
    );
  }

  /** Byte of display memory, 0–0x1ffff. */
  readMemory(offset: number): number {
    return this.#memory[offset] ?? 0xff;
  }
  writeMemory(offset: number, value: number): void {
    if (offset >= VGA_MEMORY_SIZE) return;
    this.#memory[offset] = value;
    this.#revision++;
  }

  /** Ports of the colour range; the monochrome aliases exist while colour is off. Ports that are not there float. */
  readPort(port: number): number {
    switch (this.#canonical(port)) {
      case 0x3c0:
        return this.#attributeIndex;
      case 0x3c1:
        return this.#attribute[this.#attributeIndex & 0x1f] ?? 0;
      case 0x3c2:
        return 0x10;
      case 0x3c4:
        return this.#sequencerIndex;
      case 0x3c5:
        return this.#sequencer[this.#sequencerIndex] ?? 0;
      case 0x3c6:
        return this.#dacMask;
      case 0x3c7:
        return this.#dacReading ? 3 : 0;
      case 0x3c8:
        return this.#dacAddress;
      case 0x3c9:
        return this.#readDac();
      case 0x3ca:
        return this.#feature;
      case 0x3cc:
        return this.#misc;
      case 0x3ce:
        return this.#graphicsIndex;
      case 0x3cf:
        return this.#graphics[this.#graphicsIndex] ?? 0;
      case 0x3d4:
        return this.#crtcIndex;
      case 0x3d5:
        return this.#crtc[this.#crtcIndex] ?? 0;
      case 0x3da:
        this.#attributeData = false;
        return this.#status1();
      default:
        return 0xff;
    }
  }
  writePort(port: number, value: number): void {
    this.#revision++;
    switch (this.#canonical(port)) {
      case 0x3c0:
        this.#writeAttribute(value);
        break;
      case 0x3c2:
        this.#misc = value;
        break;
      case 0x3c4:
        this.#sequencerIndex = value & 7;
        break;
      case 0x3c5:
        store(this.#sequencer, this.#sequencerIndex, value);
        break;
      case 0x3c6:
        this.#dacMask = value;
        break;
      case 0x3c7:
        this.#aimDac(value, true);
        break;
      case 0x3c8:
        this.#aimDac(value, false);
        break;
      case 0x3c9:
        this.#writeDac(value);
        break;
      case 0x3ce:
        this.#graphicsIndex = value & 0xf;
        break;
      case 0x3cf:
        store(this.#graphics, this.#graphicsIndex, value);
        break;
      case 0x3d4:
        this.#crtcIndex = value & 0x3f;
        break;
      case 0x3d5:
        this.#writeCrtc(value);
        break;
      case 0x3da:
        this.#feature = value & 3;
        break;
    }
  }

  /** Mode 3 with a blank screen, as a video BIOS leaves it. */
  reset(): void {
    this.#memory.fill(0, 0, COLOR_TEXT);
    for (let i = COLOR_TEXT; i < VGA_MEMORY_SIZE; i++) this.#memory[i] = i & 1 ? 0x07 : 0x20;
    this.#crtc.set(CRTC_MODE_3);
    this.#sequencer.set(SEQUENCER_MODE_3);
    this.#graphics.set(GRAPHICS_MODE_3);
    this.#attribute.set(ATTRIBUTE_MODE_3);
    this.#dac.set(defaultDac());
    this.#dacLatch.fill(0);
    this.#misc = MISC_MODE_3;
    this.#feature = this.#crtcIndex = this.#sequencerIndex = this.#graphicsIndex = this.#dacAddress = this.#dacComponent = 0;
    this.#attributeIndex = ATTRIBUTE_VIDEO_ON;
    this.#attributeData = this.#dacReading = false;
    this.#dacMask = 0xff;
    this.#revision++;
  }
  save(): VgaState {
    return {
      schema: "vga@1",
      memory: toBase64(this.#memory),
      misc: this.#misc,
      feature: this.#feature,
      crtcIndex: this.#crtcIndex,
      sequencerIndex: this.#sequencerIndex,
      graphicsIndex: this.#graphicsIndex,
      attributeIndex: this.#attributeIndex,
      attributeData: this.#attributeData,
      crtc: [...this.#crtc],
      sequencer: [...this.#sequencer],
      graphics: [...this.#graphics],
      attribute: [...this.#attribute],
      dac: toBase64(this.#dac),
      dacMask: this.#dacMask,
      dacAddress: this.#dacAddress,
      dacComponent: this.#dacComponent,
      dacReading: this.#dacReading,
      dacLatch: [...this.#dacLatch],
    };
  }
  load(state: VgaState): void {
    requireSchema(state, "vga@1");
    fromBase64(state.memory, this.#memory);
    this.#misc = state.misc;
    this.#feature = state.feature;
    this.#crtcIndex = state.crtcIndex;
    this.#sequencerIndex = state.sequencerIndex;
    this.#graphicsIndex = state.graphicsIndex;
    this.#attributeIndex = state.attributeIndex;
    this.#attributeData = state.attributeData;
    this.#crtc.set(state.crtc.slice(0, CRTC_REGISTERS));
    this.#sequencer.set(state.sequencer.slice(0, SEQUENCER_REGISTERS));
    this.#graphics.set(state.graphics.slice(0, GRAPHICS_REGISTERS));
    this.#attribute.set(state.attribute.slice(0, ATTRIBUTE_REGISTERS));
    fromBase64(state.dac, this.#dac);
    this.#dacMask = state.dacMask;
    this.#dacAddress = state.dacAddress;
    this.#dacComponent = state.dacComponent;
    this.#dacReading = state.dacReading;
    this.#dacLatch.set(state.dacLatch.slice(0, 3));
    this.#revision++;
  }

  /** First character shown, and characters from one line to the next. */
  get #start(): number {
    return (this.#crtc[CRTC_START_HIGH]! << 8) | this.#crtc[CRTC_START_LOW]!;
  }
  get #pitch(): number {
    return this.#crtc[CRTC_OFFSET]! * 2 || this.columns;
  }

  /** 0x3d4, 0x3d5 and 0x3da answer at 0x3bx instead while colour is off. */
  #canonical(port: number): number {
    const crtcRange = port < 0x3c0 || port >= 0x3d0;
    if (!crtcRange) return port;
    const color = (this.#misc & MISC_COLOR) !== 0;
    if (port >= 0x3d0) return color ? port : 0;
    return color ? 0 : port + 0x20;
  }

  #status1(): number {
    const ns = this.#clock.nowNs();
    const line = Math.floor(ns / LINE_NS) % LINES;
    const blank = line >= VISIBLE_LINES || ns % LINE_NS >= VISIBLE_NS;
    const retrace = line === SYNC_LINE || line === SYNC_LINE + 1;
    return (blank ? STATUS1_BLANK : 0) | (retrace ? STATUS1_RETRACE : 0);
  }

  #writeAttribute(value: number): void {
    if (this.#attributeData) store(this.#attribute, this.#attributeIndex & 0x1f, value);
    else this.#attributeIndex = value & 0x3f;
    this.#attributeData = !this.#attributeData;
  }

  /** Registers 0–7 are write-protected by bit 7 of the vertical sync end, but for the line compare bit in the overflow register. */
  #writeCrtc(value: number): void {
    const index = this.#crtcIndex;
    if (index <= CRTC_OVERFLOW && (this.#crtc[CRTC_VERTICAL_SYNC_END]! & CRTC_PROTECT) !== 0) {
      if (index === CRTC_OVERFLOW) this.#crtc[index] = (this.#crtc[index]! & ~0x10) | (value & 0x10);
      return;
    }
    store(this.#crtc, index, value);
  }

  #aimDac(address: number, reading: boolean): void {
    this.#dacAddress = address;
    this.#dacComponent = 0;
    this.#dacReading = reading;
  }
  #readDac(): number {
    const value = this.#dac[3 * this.#dacAddress + this.#dacComponent]!;
    this.#nextComponent();
    return value;
  }
  #writeDac(value: number): void {
    this.#dacLatch[this.#dacComponent] = value & 0x3f;
    if (this.#dacComponent === 2) this.#dac.set(this.#dacLatch, 3 * this.#dacAddress);
    this.#nextComponent();
  }
  #nextComponent(): void {
    this.#dacComponent = (this.#dacComponent + 1) % 3;
    if (this.#dacComponent === 0) this.#dacAddress = (this.#dacAddress + 1) & 0xff;
  }
}

/** Registers that do not exist take nothing. */
function store(registers: Uint8Array, index: number, value: number): void {
  if (index < registers.length) registers[index] = value;
}

function toBase64(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 4096) text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  return btoa(text);
}
function fromBase64(text: string, into: Uint8Array): void {
  const bytes = atob(text);
  for (let i = 0; i < into.length; i++) into[i] = bytes.charCodeAt(i);
}

/**
 * A 102-key AT keyboard: scan code sets 2 and 1, commands, a 16-byte buffer. IBM PS/2 Keyboard (101/102-key) Technical Reference.
 * Left out: scan code set 3 (asking for it is answered with Resend), typematic repeat (the host's keyboard repeats) and visible LEDs.
 */
import { requireSchema } from "../schema.js";
import { EXTENDED, SET2_BREAK, toSet1 } from "./scan-codes.js";

const ACK = 0xfa;
const RESEND = 0xfe;
const ECHO = 0xee;
const SELF_TEST_PASSED = 0xaa;
const OVERRUN = 0x00;
const IDENTITY = [0xab, 0x83];

const SET_LEDS = 0xed;
const SCAN_CODE_SET = 0xf0;
const IDENTIFY = 0xf2;
const TYPEMATIC = 0xf3;
const ENABLE = 0xf4;
const DISABLE_DEFAULTS = 0xf5;
const DEFAULTS = 0xf6;
const KEY_TYPES_FIRST = 0xf7;
const KEY_TYPES_LAST = 0xfd;
const RESET = 0xff;

const BUFFER_BYTES = 16;
/** Room for the answers to one command, beyond the keys that wait. */
const ANSWER_BYTES = 4;

/** Everything the keyboard remembers. `command` awaits its argument; 0 for none. */
export interface AtKeyboardState {
  readonly schema: "at-keyboard@1";
  buffer: number[];
  scanning: boolean;
  set: number;
  leds: number;
  typematic: number;
  command: number;
  lastSent: number;
}

/** A keyboard at the end of its cable: bytes go in, bytes come out. */
export class AtKeyboard {
  #buffer: number[] = [];
  #scanning = true;
  #set = 2;
  #leds = 0;
  #typematic = 0x2b;
  #command = 0;
  #lastSent = 0;

  /** Power-on state, with the self-test behind it. */
  reset(): void {
    this.#buffer = [];
    this.#defaults();
    this.#scanning = true;
    this.#leds = 0;
    this.#command = 0;
    this.#lastSent = 0;
  }

  /** LEDs that are lit: bit 0 Scroll Lock, 1 Num Lock, 2 Caps Lock. */
  get leds(): number {
    return this.#leds;
  }

  /** A key goes down or up. `code` is its set 2 make code, with 0xe000 added for an extended key. */
  key(code: number, down: boolean): void {
    if (!this.#scanning) return;
    const extended = code >> 8 === EXTENDED;
    const make = code & 0xff;
    const bytes = this.#set === 1 ? [toSet1(make) | (down ? 0 : 0x80)] : down ? [make] : [SET2_BREAK, make];
    if (extended) bytes.unshift(EXTENDED);
    if (this.#buffer.length + bytes.length < BUFFER_BYTES) this.#buffer.push(...bytes);
    else if (this.#buffer.length < BUFFER_BYTES) this.#buffer.push(OVERRUN);
  }

  /** A byte from the host. */
  write(byte: number): void {
    if (this.#command !== 0 && byte < SET_LEDS) this.#argument(this.#command, byte);
    else this.#begin(byte);
  }

  /** The next byte for the host, or -1. */
  take(): number {
    const byte = this.#buffer.shift();
    if (byte === undefined) return -1;
    this.#lastSent = byte;
    return byte;
  }

  save(): AtKeyboardState {
    return {
      schema: "at-keyboard@1",
      buffer: [...this.#buffer],
      scanning: this.#scanning,
      set: this.#set,
      leds: this.#leds,
      typematic: this.#typematic,
      command: this.#command,
      lastSent: this.#lastSent,
    };
  }

  load(state: AtKeyboardState): void {
    requireSchema(state, "at-keyboard@1");
    this.#buffer = state.buffer.slice(0, BUFFER_BYTES + ANSWER_BYTES);
    this.#scanning = state.scanning;
    this.#set = state.set;
    this.#leds = state.leds;
    this.#typematic = state.typematic;
    this.#command = state.command;
    this.#lastSent = state.lastSent;
  }

  #defaults(): void {
    this.#set = 2;
    this.#typematic = 0x2b;
  }

  #answer(...bytes: number[]): void {
    if (this.#buffer.length + bytes.length <= BUFFER_BYTES + ANSWER_BYTES) this.#buffer.push(...bytes);
  }

  #begin(byte: number): void {
    this.#command = 0;
    switch (byte) {
      case SET_LEDS:
      case SCAN_CODE_SET:
      case TYPEMATIC:
        this.#command = byte;
        this.#answer(ACK);
        break;
      case ECHO:
        this.#answer(ECHO);
        break;
      case IDENTIFY:
        this.#answer(ACK, ...IDENTITY);
        break;
      case ENABLE:
        this.#buffer = [];
        this.#scanning = true;
        this.#answer(ACK);
        break;
      case DISABLE_DEFAULTS:
      case DEFAULTS:
        this.#buffer = [];
        this.#defaults();
        this.#scanning = byte === DEFAULTS;
        this.#answer(ACK);
        break;
      case RESEND:
        this.#answer(this.#lastSent);
        break;
      case RESET:
        this.reset();
        this.#answer(ACK, SELF_TEST_PASSED);
        break;
      default:
        // Key types matter to set 3 only; they are acknowledged all the same.
        this.#answer(byte >= KEY_TYPES_FIRST && byte <= KEY_TYPES_LAST ? ACK : RESEND);
    }
  }

  #argument(command: number, byte: number): void {
    this.#command = 0;
    if (command === SET_LEDS) this.#leds = byte & 7;
    else if (command === TYPEMATIC) this.#typematic = byte & 0x7f;
    else if (byte === 0) {
      this.#answer(ACK, this.#set);
      return;
    } else if (byte <= 2) this.#set = byte;
    else {
      this.#answer(RESEND);
      return;
    }
    this.#answer(ACK);
  }
}

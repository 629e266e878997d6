/**
 * The 8042 keyboard controller of a PC/AT. IBM PC/AT Technical Reference, "Keyboard controller"; PS/2 commands after the PS/2 reference.
 * A byte that waits for the host sits in the output buffer; more wait in the keyboard. The wire to IRQ 1 is derived from it.
 * Left out: the auxiliary (mouse) port. Its tests fail as on a board without one: 0xa9 reports a dead clock line, 0xd3 answers as the keyboard.
 */
import { requireSchema } from "../schema.js";
import type { AtKeyboard } from "./at-keyboard.js";
import { SET2_BREAK, toSet1 } from "./scan-codes.js";

const STATUS_OBF = 1 << 0;
const STATUS_SYSTEM = 1 << 2;
const STATUS_COMMAND = 1 << 3;
const STATUS_UNLOCKED = 1 << 4;
const STATUS_AUX = 1 << 5;
const STATUS_TIMEOUT = 1 << 6;

const MODE_IRQ1 = 1 << 0;
const MODE_SYSTEM = 1 << 2;
const MODE_KEYBOARD_OFF = 1 << 4;
const MODE_AUX_OFF = 1 << 5;
const MODE_TRANSLATE = 1 << 6;

const OUTPUT_RESET = 1 << 0;
const OUTPUT_A20 = 1 << 1;
const OUTPUT_OBF = 1 << 4;
const OUTPUT_OPEN = 0xcc;
const INPUT_PORT = 0xa0; // not inhibited, colour display jumper, 256 KiB on the board

const READ_OUTPUT_PORT = 0xd0;
const WRITE_OUTPUT_PORT = 0xd1;
const WRITE_KEYBOARD_BUFFER = 0xd2;
const WRITE_AUX_BUFFER = 0xd3;
const WRITE_AUX = 0xd4;

/** Pins of the controller that lead elsewhere than to the keyboard. */
export interface I8042Pins {
  /** The A20 gate: level of output port bit 1. */
  a20(level: boolean): void;
  /** Output port bit 0 went low: the processor is reset. */
  reset(): void;
}

/** Everything the controller remembers. `waiting` is the byte for the host, -1 for none; `command` awaits its argument, 0 for none. */
export interface I8042State {
  readonly schema: "i8042@1";
  memory: number[];
  outputPort: number;
  waiting: number;
  waitingFlags: number;
  command: number;
  lastWasCommand: boolean;
  breakPending: boolean;
}

/** An 8042 with a keyboard on its cable. */
export class I8042 {
  readonly #keyboard: AtKeyboard;
  readonly #pins: I8042Pins;
  /** The controller's memory; byte 0 is its mode. */
  readonly #memory = new Uint8Array(32);
  #outputPort = 0;
  #waiting = -1;
  #waitingFlags = 0;
  #command = 0;
  #lastWasCommand = false;
  #breakPending = false;

  constructor(keyboard: AtKeyboard, pins: I8042Pins) {
    this.#keyboard = keyboard;
    this.#pins = pins;
    this.reset();
  }

  /** Power-on as firmware leaves it: self-test passed, keyboard on, translating, A20 open. */
  reset(): void {
    this.#keyboard.reset();
    this.#memory.fill(0);
    this.#memory[0] = MODE_SYSTEM | MODE_TRANSLATE | MODE_AUX_OFF | MODE_IRQ1;
    this.#waiting = -1;
    this.#waitingFlags = 0;
    this.#command = 0;
    this.#lastWasCommand = false;
    this.#breakPending = false;
    this.#setOutputPort(OUTPUT_RESET | OUTPUT_A20);
  }

  /** Level of the wire to IRQ 1. */
  get interrupt(): boolean {
    return this.#waiting >= 0 && (this.#waitingFlags & STATUS_AUX) === 0 && (this.#memory[0]! & MODE_IRQ1) !== 0;
  }

  /** Port 0x60: takes the waiting byte. What the keyboard has next arrives by `pump`. */
  readData(): number {
    const byte = this.#waiting;
    if (byte < 0) return 0;
    this.#waiting = -1;
    this.#waitingFlags = 0;
    return byte;
  }

  /** Port 0x64. */
  readStatus(): number {
    return (
      STATUS_UNLOCKED |
      (this.#waiting >= 0 ? STATUS_OBF | this.#waitingFlags : 0) |
      (this.#memory[0]! & MODE_SYSTEM ? STATUS_SYSTEM : 0) |
      (this.#lastWasCommand ? STATUS_COMMAND : 0)
    );
  }

  /** Moves the keyboard's next byte into an empty output buffer. */
  pump(): void {
    while (this.#waiting < 0 && (this.#memory[0]! & MODE_KEYBOARD_OFF) === 0) {
      const byte = this.#keyboard.take();
      if (byte < 0) return;
      if ((this.#memory[0]! & MODE_TRANSLATE) === 0) this.#offer(byte);
      else if (byte === SET2_BREAK) this.#breakPending = true;
      else {
        this.#offer(toSet1(byte) | (this.#breakPending ? 0x80 : 0));
        this.#breakPending = false;
      }
    }
  }

  /** Port 0x60: an argument of a command, or a byte for the keyboard. */
  writeData(value: number): void {
    this.#lastWasCommand = false;
    const command = this.#command;
    this.#command = 0;
    if (command === 0) {
      this.#memory[0]! &= ~MODE_KEYBOARD_OFF; // a byte for the keyboard opens its clock line
      this.#keyboard.write(value);
    } else if (command < 0x80) this.#memory[command & 0x1f] = value;
    else if (command === WRITE_OUTPUT_PORT) this.#setOutputPort(value);
    else if (command === WRITE_AUX) this.#offer(0xfe, STATUS_AUX | STATUS_TIMEOUT);
    else this.#offer(value); // 0xd2, and 0xd3 on a board without an auxiliary port
  }

  /** Port 0x64: a command. */
  writeCommand(command: number): void {
    this.#lastWasCommand = true;
    this.#command = 0;
    if (command < 0x20) return;
    if (command < 0x40) this.#offer(this.#memory[command & 0x1f]!);
    else if (command >= 0x60 && command < 0x80) this.#command = command;
    else if (command >= 0xf0) this.#pulse(command);
    else this.#named(command);
  }

  save(): I8042State {
    return {
      schema: "i8042@1",
      memory: [...this.#memory],
      outputPort: this.#outputPort,
      waiting: this.#waiting,
      waitingFlags: this.#waitingFlags,
      command: this.#command,
      lastWasCommand: this.#lastWasCommand,
      breakPending: this.#breakPending,
    };
  }

  /** Restores the controller and drives A20; a reset that was pulsed is not pulsed again. */
  load(state: I8042State): void {
    requireSchema(state, "i8042@1");
    this.#memory.set(state.memory);
    this.#waiting = state.waiting;
    this.#waitingFlags = state.waitingFlags;
    this.#command = state.command;
    this.#lastWasCommand = state.lastWasCommand;
    this.#breakPending = state.breakPending;
    this.#outputPort = state.outputPort;
    this.#pins.a20((state.outputPort & OUTPUT_A20) !== 0);
  }

  #offer(byte: number, flags = 0): void {
    this.#waiting = byte;
    this.#waitingFlags = flags;
  }

  #named(command: number): void {
    switch (command) {
      case 0xa7:
        this.#memory[0]! |= MODE_AUX_OFF;
        break;
      case 0xa8:
        this.#memory[0]! &= ~MODE_AUX_OFF;
        break;
      case 0xa9:
        this.#offer(0x01);
        break;
      case 0xaa:
        this.#memory[0]! |= MODE_SYSTEM;
        this.#offer(0x55);
        break;
      case 0xab:
        this.#offer(0x00);
        break;
      case 0xad:
        this.#memory[0]! |= MODE_KEYBOARD_OFF;
        break;
      case 0xae:
        this.#memory[0]! &= ~MODE_KEYBOARD_OFF;
        break;
      case 0xc0:
        this.#offer(INPUT_PORT);
        break;
      case READ_OUTPUT_PORT:
        this.#offer(this.#outputPort | OUTPUT_OPEN | (this.interrupt ? OUTPUT_OBF : 0));
        break;
      case WRITE_OUTPUT_PORT:
      case WRITE_KEYBOARD_BUFFER:
      case WRITE_AUX_BUFFER:
      case WRITE_AUX:
        this.#command = command;
        break;
      case 0xe0:
        this.#offer(this.#memory[0]! & MODE_KEYBOARD_OFF ? 0x00 : 0x01);
        break;
      // Anything else is no command of this controller and does nothing.
    }
  }

  /** 0xf0-0xff: output port bits whose command bit is 0 go low for 6 µs. Only bit 0, the reset, is felt. */
  #pulse(command: number): void {
    if ((command & OUTPUT_RESET) === 0) this.#pins.reset();
  }

  #setOutputPort(value: number): void {
    this.#outputPort = value & (OUTPUT_RESET | OUTPUT_A20);
    this.#pins.a20((value & OUTPUT_A20) !== 0);
    if ((value & OUTPUT_RESET) === 0) this.#pins.reset();
  }
}
